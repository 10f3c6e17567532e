import 'reflect-metadata';
import { runPart } from '@symbolon/gateway';
import { policyMigrations, PolicyModule } from '@symbolon/policy';

runPart('policy', { modules: [PolicyModule], migrations: policyMigrations, entities: [] });
