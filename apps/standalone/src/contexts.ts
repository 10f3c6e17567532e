import { deviceRouterEntities, deviceRouterMigrations, DeviceRouterModule } from '@symbolon/device-router';
import { identityMigrations, IdentityModule } from '@symbolon/identity';
import { policyMigrations, PolicyModule } from '@symbolon/policy';
import { tokenVaultEntities, tokenVaultMigrations, TokenVaultModule } from '@symbolon/token-vault';
import { votingMigrations, VotingModule } from '@symbolon/voting';

/** Every context, in one process. */
export const contexts = {
  modules: [IdentityModule, TokenVaultModule, DeviceRouterModule, PolicyModule, VotingModule],
  migrations: [
    ...identityMigrations,
    ...tokenVaultMigrations,
    ...deviceRouterMigrations,
    ...policyMigrations,
    ...votingMigrations,
  ],
  entities: [...tokenVaultEntities, ...deviceRouterEntities],
};
