import type { Slice } from '@symbolon/http';
import { ConfigureFileMetaController } from './configure-file-meta.controller';
import { ConfigureFileMetaHandler } from './configure-file-meta.handler';

export const configureFileMetaSlice: Slice = {
  controllers: [ConfigureFileMetaController],
  providers: [ConfigureFileMetaHandler],
};
