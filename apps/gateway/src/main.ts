import 'reflect-metadata';
import { deviceRouterEntities, deviceRouterMigrations, DeviceRouterModule } from '@symbolon/device-router';
import { runPart } from '@symbolon/gateway';
import { identityMigrations, IdentityModule } from '@symbolon/identity';
import { policyMigrations, PolicyModule } from '@symbolon/policy';
import { tokenVaultEntities, tokenVaultMigrations, TokenVaultModule } from '@symbolon/token-vault';
import { votingMigrations, VotingModule } from '@symbolon/voting';

/** Every context, for what it shows to clients; what it does runs in its own process. */
runPart('gateway', {
  modules: [IdentityModule, TokenVaultModule, DeviceRouterModule, PolicyModule, VotingModule],
  migrations: [
    ...identityMigrations,
    ...tokenVaultMigrations,
    ...deviceRouterMigrations,
    ...policyMigrations,
    ...votingMigrations,
  ],
  entities: [...tokenVaultEntities, ...deviceRouterEntities],
});
