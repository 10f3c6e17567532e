export { ApiDocument } from './api-pages.controller';
export { GatewayModule } from './gateway.module';
export { describeApi } from './openapi';
export { Readiness } from './readiness';
export { serve, type Served, type ServeOptions } from './serve';
