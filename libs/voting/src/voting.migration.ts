import type { MigrationInterface } from 'typeorm';

export const votingMigrations: Array<new () => MigrationInterface> = [];
