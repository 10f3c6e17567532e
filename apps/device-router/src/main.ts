import 'reflect-metadata';
import { join } from 'node:path';
import { useSealingThreads } from '@symbolon/crypto';
import { runPart } from '@symbolon/gateway';
import { deviceRouterEntities, deviceRouterMigrations, DeviceRouterModule } from '@symbolon/device-router';

useSealingThreads(join(__dirname, 'sealing-thread.cjs'));

runPart('device-router', {
  modules: [DeviceRouterModule],
  migrations: deviceRouterMigrations,
  entities: deviceRouterEntities,
});
