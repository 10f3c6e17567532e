import type { PostgresServer } from '../../embedded-postgres/src/postgres-server';

/** Set-up and teardown may be loaded as separate copies, so that the server's handle lies with the process. */
const shared = globalThis as { symbolonTestServer?: { current: PostgresServer | null } };

export const testServer = (shared.symbolonTestServer ??= { current: null });

export default async function tearDown(): Promise<void> {
  await testServer.current?.stop();
}
