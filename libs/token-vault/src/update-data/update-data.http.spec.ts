import { KeyStore } from '@symbolon/crypto';
import { ManualClock } from '@symbolon/kernel';
import { Deadlines } from '@symbolon/projection';
import { type TestProfile, type TestServer, until } from '@symbolon/testing';
import type { SimulatedDevices } from '../../test/simulated-devices';
import { startVault, type TestVault } from '../../test/test-vault';

const old = Buffer.from('the first version');
const fresh = Buffer.from('the second version');

describe('updating a data token', () => {
  const clock = new ManualClock(Date.now());
  let vault: TestVault;
  let server: TestServer;
  let devices: SimulatedDevices;
  let deadlines: Deadlines;
  let ada: TestProfile;

  beforeAll(async () => {
    vault = await startVault({ clock });
    ({ server, devices } = vault);
    deadlines = server.served.app.get(Deadlines);
    ada = await server.profile();
    await devices.add(ada.profileId);
  });
  beforeEach(() => {
    devices.behaviour = 'honest';
  });
  afterAll(() => vault.stop());

  async function reserve(fields: object = {}) {
    const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a', ...fields }, ada.token);
    const { body } = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada);
    const [row] = await rows('select token_id from token_vault.token where reserved_by = $1', commandId);
    return { token: body.token as string, tokenId: row.token_id as string };
  }
  async function store(fields: object = {}) {
    const reserved = await reserve(fields);
    const data = old.toString('base64');
    await server.done('/data-token/exchange-data-for-token', { temporaryTokenSpace: reserved.token, data }, ada.token);
    return reserved;
  }
  const update = (json: object, wait = 20) => server.post('/data-token/update-data', { token: ada.token, wait, json });
  const ask = async (token: string) =>
    (await server.done('/data-token/request-data', { token }, ada.token)).body as { downloadUrl: string };
  const fetched = async ({ downloadUrl }: { downloadUrl: string }) => {
    const answer = await fetch(downloadUrl);
    return answer.status === 200 ? Buffer.from(await answer.arrayBuffer()).toString() : answer.status;
  };
  const item = async (token: string) =>
    (await server.get(`/data-token/list-data-tokens?filters[token]=${token}`, ada)).body.items[0];
  async function rows(sql: string, ...params: unknown[]): Promise<any[]> {
    return (await server.database.pool.query(sql, params)).rows;
  }
  const keysOf = async (tokenId: string) =>
    (await rows('select parcel_id from token_vault.parcel where token_id = $1 order by begun_at', tokenId)).map(
      ({ parcel_id }) => parcel_id as string,
    );
  const eventsOf = async (tokenId: string) =>
    (await rows('select type from es.event where stream = $1 order by revision', `token-${tokenId}`)).map(({ type }) =>
      type.slice('data_token.'.length),
    );
  const data = fresh.toString('base64');

  test('gives the new version from its first acknowledgement on, and destroys the key of the old one', async () => {
    const { token, tokenId } = await store();
    const [oldKey] = await keysOf(tokenId);
    const { status, body } = await update({ dataToken: token, data });
    expect([status, body.status, body.body]).toEqual([200, 'succeeded', { token, version: 2 }]);
    expect(await fetched(await ask(token))).toBe(fresh.toString());
    expect(await item(token)).toMatchObject({ version: 2, size: fresh.length, status: 'permanent', expiresAt: null });
    expect(await eventsOf(tokenId)).toEqual([
      'space_reserved',
      'stream_auth_issued',
      'data_exchanged',
      'made_permanent',
      'data_replaced',
      'version_confirmed',
    ]);
    clock.advance(3);
    await until(async () => (await deadlines.runDue(), (await keysOf(tokenId)).length === 1), 'one key');
    const keys = server.served.app.get(KeyStore);
    expect(await keys.tokenKey(ada.profileId, oldKey!)).toBeNull();
    expect(await keysOf(tokenId)).not.toContain(oldKey);
    expect(await fetched(await ask(token))).toBe(fresh.toString());
  });

  test('the old data stays until then, and where the new write fails', async () => {
    const { token, tokenId } = await store();
    devices.behaviour = 'silent';
    const { body } = await update({ token, data, fileName: 'new' }, 0);
    await until(async () => (await eventsOf(tokenId)).includes('data_replaced'), 'the event data_replaced');
    expect((await update({ token, data })).body.reason).toBe('data_token.busy');
    devices.behaviour = 'honest';
    expect(await fetched(await ask(token))).toBe(old.toString());
    devices.behaviour = 'silent';
    expect(
      (await server.post('/data-token/delete-data', { token: ada.token, wait: 20, json: { token } })).body.reason,
    ).toBe('data_token.busy');

    clock.advance(61);
    await until(
      async () => (await deadlines.runDue(), (await eventsOf(tokenId)).includes('write_failed')),
      'the event write_failed',
    );
    const ended = await server.get(`/request-status/${body.commandId}`, { token: ada.token, wait: 20 });
    expect(ended.body).toMatchObject({ status: 'rejected', reason: 'storage.no_device_answered' });
    expect(await item(token)).toMatchObject({ version: 1, size: old.length, meta: { file: null } });
    await until(async () => (await keysOf(tokenId)).length === 1, 'one key');
    devices.behaviour = 'honest';
    expect(await fetched(await ask(token))).toBe(old.toString());
    expect((await update({ token, data })).body.body).toEqual({ token, version: 3 });
    expect(await fetched(await ask(token))).toBe(fresh.toString());
  });

  test('an answer from the old version that waits to be fetched keeps its key so long', async () => {
    const { token, tokenId } = await store();
    const waiting = await ask(token);
    await update({ token, data });
    clock.advance(3);
    await deadlines.runDue();
    expect(await keysOf(tokenId)).toHaveLength(2);
    expect(await fetched(waiting)).toBe(old.toString());
    await until(async () => {
      clock.advance(10);
      await deadlines.runDue();
      return (await keysOf(tokenId)).length === 1;
    }, 'one key');
  });

  test('sections replace sections, short forms keep the other keys', async () => {
    const risk = { classification: 'c', label: 'l', handling: 'h' };
    const { token, tokenId } = await store({
      meta: { file: { fileName: 'a.txt', extension: 'txt', path: '/a' }, data: { type: 'x', n: 1 } },
    });
    const { body } = await update({ token, fileName: 'b.txt', context: 'b' });
    expect(body).toMatchObject({ status: 'succeeded', body: { token, version: 1 }, type: 'data-token/update-data' });
    expect(await item(token)).toMatchObject({
      context: 'b',
      meta: { file: { fileName: 'b.txt', extension: 'txt', path: '/a' }, data: { type: 'x', n: 1 } },
      version: 1,
    });
    await update({ token, meta: { file: { size: 7 }, information_security_risk: risk }, extension: '' });
    expect(await item(token)).toMatchObject({
      context: 'b',
      meta: { file: { size: 7, extension: '' }, data: { type: 'x', n: 1 }, information_security_risk: risk },
    });
    await update({ token, data, meta: { data: { type: 'y' } } });
    expect(await item(token)).toMatchObject({ version: 2, meta: { file: { size: 7 }, data: { type: 'y' } } });
    expect((await eventsOf(tokenId)).slice(4)).toEqual([
      'file_meta_configured',
      'meta_updated',
      'file_meta_configured',
      'security_meta_configured',
      'meta_updated',
      'data_replaced',
      'version_confirmed',
      'data_meta_configured',
    ]);
    const { body: byType } = await server.get('/data-token/list-data-tokens?filters[meta.data.type]=y', ada);
    expect(byType.meta.count).toBe(1);
    expect((await server.get('/data-token/list-data-tokens?filters[meta.data.type]=x', ada)).body.meta.count).toBe(0);
  });

  test('short forms given at the same time leave both', async () => {
    const { token } = await store({ meta: { file: { path: '/p' } } });
    await Promise.all([update({ token, fileName: 'f' }), update({ token, extension: 'e' })]);
    expect((await item(token)).meta.file).toEqual({ path: '/p', fileName: 'f', extension: 'e' });
  });

  test('the alias, forms and a repeat with the same key do the same', async () => {
    const { token } = await store();
    const headers = { 'idempotency-key': `update ${token}` };
    const first = await server.post('/data-token/update-data-token', {
      token: ada.token,
      wait: 20,
      headers,
      form: { dataToken: token, data, 'meta[file][fileName]': 'a' },
    });
    const again = await server.post('/data-token/update-data', {
      token: ada.token,
      wait: 20,
      headers,
      json: { token, data: data.replace(/=+$/, ''), meta: { file: { fileName: 'a' } } },
    });
    expect(first.body).toMatchObject({ status: 'succeeded', body: { version: 2 } });
    expect(again.body.commandId).toBe(first.body.commandId);
    const other = await server.post('/data-token/update-data', {
      token: ada.token,
      headers,
      json: { token, data, meta: { file: { fileName: 'b' } } },
    });
    expect([other.status, other.body.code]).toEqual([422, 'idempotency.key_reused']);
    expect((await item(token)).version).toBe(2);
  });

  test('says what is wrong with the fields', async () => {
    const { token } = await store();
    for (const [json, field] of [
      [{ data }, 'dataToken'],
      [{ token }, 'data'],
      [{ token, meta: { other: { a: 1 } } }, 'data'],
      [{ token, data: '***' }, 'data'],
      [{ token, meta: { information_security_risk: { label: 'l' } } }, 'meta.information_security_risk.classification'],
      [{ token, context: 'x'.repeat(256) }, 'context'],
      [{ token, extension: 'x'.repeat(33) }, 'extension'],
    ] as const) {
      const { status, body } = await update(json);
      expect([status, Object.keys(body.errors)]).toEqual([422, expect.arrayContaining([field])]);
    }
    const large = Buffer.alloc(262_145).toString('base64');
    expect(await update({ token, data: large })).toMatchObject({ status: 413, body: { code: 'payload_too_large' } });
  });

  test('is rejected for tokens that are not there, not mine, or hold nothing', async () => {
    const eve = await server.profile();
    const { token } = await store();
    const { token: empty } = await reserve();
    expect((await update({ token: 'dt_unknown', data })).body.reason).toBe('data_token.not_found');
    expect((await update({ token: empty, data })).body.reason).toBe('data_token.not_permanent');
    expect((await update({ token: empty, fileName: 'a' })).body.reason).toBe('data_token.not_permanent');
    const strange = { token: eve.token, wait: 20, json: { token, fileName: 'a' } };
    expect((await server.post('/data-token/update-data', strange)).body.reason).toBe('data_token.not_found');
    await server.done('/data-token/delete-data', { token }, ada.token);
    expect((await update({ token, data })).body.reason).toBe('data_token.not_found');
    expect(await rows('select 1 from token_vault.parcel where in_transit')).toEqual([]);
  });
});
