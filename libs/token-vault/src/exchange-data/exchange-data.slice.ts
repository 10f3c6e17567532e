import type { Slice } from '@symbolon/http';
import { ExchangeDataController } from './exchange-data.controller';
import { ExchangeDataHandler, ExchangeUploadHandler } from './exchange-data.handler';
import { ReceiveUpload } from './receive-upload';

export const exchangeDataSlice: Slice = {
  controllers: [ExchangeDataController],
  providers: [ExchangeDataHandler, ExchangeUploadHandler, ReceiveUpload],
};
