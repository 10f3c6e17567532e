import { mintSecret } from '@symbolon/crypto';
import { type PostgresOptions, PostgresServer } from './postgres-server';

export { PostgresCannotStart } from './postgres-cannot-start';
export { PostgresServer } from './postgres-server';

/**
 * Starts the PostgreSQL that comes with the installation on `dataDir`, which is made if missing and outlives restarts,
 * or adopts the one that a killed predecessor left running there. Throws `PostgresCannotStart`.
 */
export function startEmbeddedPostgres(options: Omit<PostgresOptions, 'mintPassword'>): Promise<PostgresServer> {
  return PostgresServer.start({ ...options, mintPassword: () => mintSecret() });
}

/**
 * Connection string of the PostgreSQL that runs on `dataDir`, or null. For a second process beside the one that started
 * it: nothing is started, stopped or locked. Throws `PostgresCannotStart` where the access file cannot be read.
 */
export function runningEmbeddedPostgres(dataDir: string): Promise<string | null> {
  return PostgresServer.running(dataDir);
}

/** Deletes what `startEmbeddedPostgres` keeps in `dataDir`, and ends a PostgreSQL that was left running there. */
export function removeEmbeddedPostgres(dataDir: string): Promise<void> {
  return PostgresServer.remove(dataDir);
}
