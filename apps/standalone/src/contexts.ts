import { deviceRouterEntities, deviceRouterMigrations, DeviceRouterModule } from '@symbolon/device-router';
import { identityMigrations, IdentityModule } from '@symbolon/identity';
import { tokenVaultEntities, tokenVaultMigrations, TokenVaultModule } from '@symbolon/token-vault';

/** Every context, in one process. */
export const contexts = {
  modules: [IdentityModule, TokenVaultModule, DeviceRouterModule],
  migrations: [...identityMigrations, ...tokenVaultMigrations, ...deviceRouterMigrations],
  entities: [...tokenVaultEntities, ...deviceRouterEntities],
};
