import type { MigrationInterface } from 'typeorm';

export const policyMigrations: Array<new () => MigrationInterface> = [];
