export { deviceRouterMigrations } from './device-router.migration';
export { DeviceRouterModule } from './device-router.module';
/** All tables are read and written with SQL: nothing for typeorm to map. */
export const deviceRouterEntities = [];
