import 'reflect-metadata';
import { runPart } from '@symbolon/gateway';
import { identityMigrations, IdentityModule } from '@symbolon/identity';

runPart('identity', { modules: [IdentityModule], migrations: identityMigrations, entities: [] });
