export { type ParcelBytes, ParcelStore } from './parcel-store';
export { FileParcelStore } from './file-parcel-store';
export { MemoryParcelStore } from './memory-parcel-store';
export { parcelStoreMigrations } from './parcel-store.migration';
export { PostgresParcelStore } from './postgres-parcel-store';
export { openParcelStore } from './open-parcel-store';
export type { S3Place } from './s3-parcel-store';
