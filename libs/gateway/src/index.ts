export { ApiDocument } from './api-pages.controller';
export { GatewayModule } from './gateway.module';
export { describeApi } from './openapi';
export { runPart } from './process';
export { Readiness } from './readiness';
export { serve, type Served, type ServeOptions } from './serve';
