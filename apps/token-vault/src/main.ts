import 'reflect-metadata';
import { join } from 'node:path';
import { useSealingThreads } from '@symbolon/crypto';
import { runPart } from '@symbolon/gateway';
import { tokenVaultEntities, tokenVaultMigrations, TokenVaultModule } from '@symbolon/token-vault';

useSealingThreads(join(__dirname, 'sealing-thread.cjs'));

runPart('token-vault', { modules: [TokenVaultModule], migrations: tokenVaultMigrations, entities: tokenVaultEntities });
