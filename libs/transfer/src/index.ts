export { TransferController, TransferModule } from './transfer.controller';
export { transferMigrations } from './transfer.migration';
export {
  type AuthRequest,
  type DownloadHandler,
  type IssuedAuth,
  Transfers,
  type TransfersOptions,
  type UploadContext,
  type UploadHandler,
} from './transfers';
