import { randomBytes } from 'node:crypto';
import { PostgresServer } from '../../embedded-postgres/src/postgres-server';
import { testServer } from './global-teardown';

/**
 * Starts the throw-away PostgreSQL of a test run, unless SYMBOLON_TEST_DATABASE names one, and leaves its URL there.
 * It is ended by the teardown; should the run be killed, it ends by itself. Path aliases do not hold out here.
 */
export default async function setUp(): Promise<void> {
  if (process.env['SYMBOLON_TEST_DATABASE']) return;
  testServer.current = await PostgresServer.start({
    throwaway: true,
    mintPassword: () => randomBytes(24).toString('base64url'),
  });
  process.env['SYMBOLON_TEST_DATABASE'] = testServer.current.url;
}
