import type { Slice } from '@symbolon/http';
import { ConfigureSecurityMetaController } from './configure-security-meta.controller';
import { ConfigureSecurityMetaHandler } from './configure-security-meta.handler';

export const configureSecurityMetaSlice: Slice = {
  controllers: [ConfigureSecurityMetaController],
  providers: [ConfigureSecurityMetaHandler],
};
