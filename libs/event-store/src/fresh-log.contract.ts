import { type FreshDatabase, freshDatabase } from '@symbolon/testing';
import { DataSource } from 'typeorm';
import { PostgresEventStore } from './postgres-event-store';

/** A database of its own with an empty log. */
export async function freshLog(): Promise<FreshDatabase> {
  const database = await freshDatabase();
  const source = new DataSource({ type: 'postgres', url: database.url, migrations: PostgresEventStore.migrations });
  await source.initialize();
  await source.runMigrations();
  await source.destroy();
  return database;
}
