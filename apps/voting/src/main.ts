import 'reflect-metadata';
import { runPart } from '@symbolon/gateway';
import { votingMigrations, VotingModule } from '@symbolon/voting';

runPart('voting', { modules: [VotingModule], migrations: votingMigrations, entities: [] });
