import { deviceRouterEntities, deviceRouterMigrations, DeviceRouterModule } from '@symbolon/device-router';
import { identityMigrations, IdentityModule } from '@symbolon/identity';
import { policyMigrations, PolicyModule } from '@symbolon/policy';
import { tokenVaultEntities, tokenVaultMigrations, TokenVaultModule } from '@symbolon/token-vault';
import type { TestServerOptions } from './test-server';

/** What a server serves whose votes are held by `ScriptedVoting`. */
export const withoutVoting: NonNullable<TestServerOptions['contexts']> = {
  modules: [IdentityModule, TokenVaultModule, DeviceRouterModule, PolicyModule],
  migrations: [...identityMigrations, ...tokenVaultMigrations, ...deviceRouterMigrations, ...policyMigrations],
  entities: [...tokenVaultEntities, ...deviceRouterEntities],
};
