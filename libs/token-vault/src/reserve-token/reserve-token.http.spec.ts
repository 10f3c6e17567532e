import { CommandBus } from '@nestjs/cqrs';
import type { Context } from '@symbolon/command-log';
import { KeyStore, uuid7 } from '@symbolon/crypto';
import { ProjectionRunner } from '@symbolon/projection';
import { TestServer } from '@symbolon/testing';
import { contexts } from '../../test/test-vault';
import { ReserveToken } from './reserve-token.command';

describe('a reservation that was cut off and runs again', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await TestServer.start({ contexts });
  });
  afterAll(() => server.stop());

  test('goes on with the string that it had minted, and reserves once', async () => {
    const { profileId } = await server.profile();
    const { app } = server.served;
    const keys = app.get(KeyStore);
    const [tokenId, commandId] = [uuid7(), uuid7()];
    const actor = { profileId, kind: 'user' } as const;
    const client = { ip: null, userAgent: null, location: null };
    const cause = { commandId, correlationId: commandId, causationId: commandId, actor };
    const context: Context = { commandId, requestId: null, profileId, actor, client, acceptedAt: '', cause };
    const run = () =>
      app.get(CommandBus).execute(new ReserveToken({ tokenId, context: 'a', ttlMinutes: 5, meta: {} }, context));

    // The crash came right after the string was kept.
    await keys.keepString(profileId, tokenId, `dt_${'A'.repeat(43)}`);
    const first = await run();
    const second = await run();
    expect(second).toMatchObject({ status: 'succeeded', result: first.result });
    expect(await keys.readString(profileId, tokenId)).toBe(`dt_${'A'.repeat(43)}`);
    expect(await keys.findSecret('data-token', `dt_${'A'.repeat(43)}`)).toBe(tokenId);
    await app.get(ProjectionRunner).passed(second.cursor);
    const { rows } = await server.database.pool.query(
      `select (select count(*) from es.event where stream = $1)::int as events,
              (select count(*) from token_vault.token where token_id = $2)::int as tokens`,
      [`token-${tokenId}`, tokenId],
    );
    expect(rows).toEqual([{ events: 1, tokens: 1 }]);
  });
});
