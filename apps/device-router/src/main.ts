import 'reflect-metadata';
import { runPart } from '@symbolon/gateway';
import { deviceRouterEntities, deviceRouterMigrations, DeviceRouterModule } from '@symbolon/device-router';

runPart('device-router', {
  modules: [DeviceRouterModule],
  migrations: deviceRouterMigrations,
  entities: deviceRouterEntities,
});
