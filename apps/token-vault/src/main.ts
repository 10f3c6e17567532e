import 'reflect-metadata';
import { runPart } from '@symbolon/gateway';
import { tokenVaultEntities, tokenVaultMigrations, TokenVaultModule } from '@symbolon/token-vault';

runPart('token-vault', { modules: [TokenVaultModule], migrations: tokenVaultMigrations, entities: tokenVaultEntities });
