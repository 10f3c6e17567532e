import { KeyStore, uuid7 } from '@symbolon/crypto';
import { ManualClock } from '@symbolon/kernel';
import { ParcelStore } from '@symbolon/parcel-store';
import { Deadlines } from '@symbolon/projection';
import type { TestProfile, TestServer } from '@symbolon/testing';
import type { SimulatedDevices } from '../../test/simulated-devices';
import { startVault, type TestVault } from '../../test/test-vault';
import { Parcels } from '../parcel/parcels';

describe('what time does to tokens', () => {
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
  });
  beforeEach(async () => {
    devices.behaviour = 'honest';
    ada = await server.profile();
    await devices.add(ada.profileId);
  });
  afterAll(() => vault.stop());

  async function reserve() {
    const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a', ttl: 5 }, ada.token);
    const { body } = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada);
    const [row] = await rows('select token_id from token_vault.token where reserved_by = $1', commandId);
    return { commandId, tokenId: row.token_id as string, ...body };
  }
  const exchange = (token: string, wait = 20) =>
    server.post('/data-token/exchange-data-for-token', {
      token: ada.token,
      wait,
      json: { temporaryTokenSpace: token, data: 'AAAA' },
    });
  const ended = (commandId: string) => server.get(`/request-status/${commandId}`, { token: ada.token, wait: 20 });
  const listed = async () => (await server.get('/data-token/list-data-tokens', ada)).body.meta.count;
  async function rows(sql: string, ...params: unknown[]): Promise<any[]> {
    return (await server.database.pool.query(sql, params)).rows;
  }
  const parcelsOf = (tokenId: string) => rows('select parcel_id from token_vault.parcel where token_id = $1', tokenId);
  const eventsOf = async (tokenId: string) =>
    (await rows(`select type from es.event where stream = $1 order by revision`, `token-${tokenId}`)).map(
      ({ type }) => type,
    );
  /** Lets due deadlines run until the condition holds. */
  async function until(holds: () => Promise<boolean>): Promise<void> {
    for (const giveUp = performance.now() + 20_000; !(await holds());) {
      if (performance.now() > giveUp) throw new Error('waited in vain');
      await deadlines.runDue();
    }
  }
  const untilEvents = (tokenId: string, ...types: string[]) =>
    until(async () => (await eventsOf(tokenId)).join() === types.map((type) => `data_token.${type}`).join());

  test('a reservation expires, and says so to a late exchange', async () => {
    const { token, tokenId, commandId, stream } = await reserve();
    expect(await listed()).toBe(1);
    clock.advance(5 * 60);
    expect(await listed()).toBe(0);
    await untilEvents(tokenId, 'space_reserved', 'stream_auth_issued', 'reservation_expired');
    expect((await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada)).status).toBe(404);
    expect((await exchange(token)).body).toMatchObject({ status: 'rejected', reason: 'data_token.expired' });
    expect((await server.post(stream, { body: 'x' })).status).toBe(401);
    const request = await server.post('/data-token/request-data', { token: ada.token, json: { token } });
    expect(request).toMatchObject({ status: 404, body: { code: 'data_token.not_found' } });
    const removal = await server.post('/data-token/delete-data', { token: ada.token, wait: 20, json: { token } });
    expect(removal.body).toMatchObject({ status: 'rejected', reason: 'data_token.not_found' });
  });

  test('an exchange that came in time is kept by its write, and fails with it', async () => {
    devices.behaviour = 'silent';
    const { token, tokenId } = await reserve();
    clock.advance(5 * 60 - 1);
    const { commandId } = (await exchange(token, 0)).body;
    await untilEvents(tokenId, 'space_reserved', 'stream_auth_issued', 'data_exchanged');
    clock.advance(30);
    await deadlines.runDue();
    expect(await listed()).toBe(1);
    expect((await exchange(token)).body.reason).toBe('data_token.busy');
    const removal = await server.post('/data-token/delete-data', { token: ada.token, wait: 20, json: { token } });
    expect(removal.body.reason).toBe('data_token.busy');
    expect(await eventsOf(tokenId)).toHaveLength(3);
    const [parcel] = await parcelsOf(tokenId);

    clock.advance(30);
    await untilEvents(
      tokenId,
      ...['space_reserved', 'stream_auth_issued', 'data_exchanged', 'write_failed', 'reservation_expired'],
    );
    expect((await ended(commandId)).body).toMatchObject({ status: 'rejected', reason: 'storage.no_device_answered' });
    expect(await server.served.app.get(KeyStore).tokenKey(ada.profileId, parcel.parcel_id)).toBeNull();
    expect(await server.served.app.get(ParcelStore).size(parcel.parcel_id)).toBeNull();
    expect(await listed()).toBe(0);
  });

  test('after a failed write the token may be tried again, and the late acknowledgement counts for nothing', async () => {
    devices.behaviour = 'silent';
    const { token, tokenId } = await reserve();
    const { commandId } = (await exchange(token, 0)).body;
    await untilEvents(tokenId, 'space_reserved', 'stream_auth_issued', 'data_exchanged');
    const [first] = await rows(`select data from es.event where stream = $1 and revision = 2`, `token-${tokenId}`);
    clock.advance(60);
    await untilEvents(tokenId, 'space_reserved', 'stream_auth_issued', 'data_exchanged', 'write_failed');
    expect((await ended(commandId)).body.reason).toBe('storage.no_device_answered');

    await devices.acknowledge(first.data);
    const second = (await exchange(token, 0)).body;
    await untilEvents(
      tokenId,
      'space_reserved',
      'stream_auth_issued',
      'data_exchanged',
      'write_failed',
      'data_exchanged',
    );
    await devices.acknowledge(first.data, uuid7());
    const [other] = await rows(`select data from es.event where stream = $1 and revision = 4`, `token-${tokenId}`);
    await devices.acknowledge(other.data, uuid7());
    expect((await ended(second.commandId)).body).toMatchObject({ status: 'succeeded', body: { version: 1 } });
    expect((await eventsOf(tokenId)).slice(5)).toEqual(['data_token.made_permanent']);
  });

  test('an upload that is running keeps the reservation', async () => {
    const { stream, tokenId, token } = await reserve();
    clock.advance(5 * 60 - 10);
    let finish: () => void = () => undefined;
    const finished = new Promise<void>((resolve) => (finish = resolve));
    async function* slowly() {
      yield Buffer.from('first ');
      await finished;
      yield Buffer.from('last');
    }
    const upload = fetch(stream, {
      method: 'POST',
      headers: { prefer: 'wait=20' },
      body: slowly() as never,
      duplex: 'half',
    });
    await until(async () => (await parcelsOf(tokenId)).length > 0);
    clock.advance(10);
    await deadlines.runDue();
    expect(await eventsOf(tokenId)).not.toContain('data_token.reservation_expired');
    expect(await listed()).toBe(1);
    finish();
    expect(await (await upload).json()).toMatchObject({ status: 'succeeded', body: { token, size: 10 } });
  });

  test('an upload that breaks off leaves the auth usable, and nothing behind', async () => {
    const { stream, tokenId } = await reserve();
    async function* broken() {
      yield Buffer.from('first ');
      await until(async () => (await parcelsOf(tokenId)).length > 0);
      throw new Error('the client went away');
    }
    await expect(fetch(stream, { method: 'POST', body: broken() as never, duplex: 'half' })).rejects.toThrow();
    await until(async () => (await parcelsOf(tokenId)).length === 0);
    let answer = await server.post(stream, { body: 'whole', wait: 20 });
    await until(async () => {
      if (answer.status === 401) answer = await server.post(stream, { body: 'whole', wait: 20 });
      return answer.status !== 401;
    });
    expect(answer.body).toMatchObject({ status: 'succeeded', body: { size: 5 } });
  });

  test('data that nobody fetches goes after five minutes', async () => {
    const { token } = await reserve();
    await exchange(token);
    const { body } = await server.post('/data-token/request-data', { token: ada.token, wait: 20, json: { token } });
    const { requestId, downloadUrl } = body.body;
    const [download] = await rows('select parcel_id from token_vault.download where request_id = $1', requestId);
    const parcels = server.served.app.get(ParcelStore);
    expect(await parcels.size(download.parcel_id)).not.toBeNull();
    clock.advance(300);
    expect((await fetch(downloadUrl)).status).toBe(401);
    await until(async () => (await parcels.size(download.parcel_id)) === null);
    expect((await ended(body.commandId)).body).toEqual(body);
  });

  test('a parcel that became no command is swept after a day, others stay', async () => {
    const { token, tokenId } = await reserve();
    await exchange(token);
    const parcels = server.served.app.get(Parcels);
    async function* some() {
      yield Buffer.from('lost');
    }
    const lost = await parcels.seal(ada.profileId, tokenId, some());
    const keys = server.served.app.get(KeyStore);
    clock.advance(23 * 3600);
    await parcels.sweep();
    expect(await keys.tokenKey(ada.profileId, lost.parcelId)).not.toBeNull();
    clock.advance(2 * 3600);
    await parcels.sweep();
    expect(await keys.tokenKey(ada.profileId, lost.parcelId)).toBeNull();
    expect(await server.served.app.get(ParcelStore).size(lost.parcelId)).toBeNull();
    const [held] = await parcelsOf(tokenId);
    expect(await keys.tokenKey(ada.profileId, held.parcel_id)).not.toBeNull();
  });

  test('its string is forgotten when no status object shows it any more', async () => {
    const { token, tokenId } = await reserve();
    const keys = server.served.app.get(KeyStore);
    clock.advance(5 * 60);
    await untilEvents(tokenId, 'space_reserved', 'stream_auth_issued', 'reservation_expired');
    clock.advance(29 * 24 * 3600);
    await deadlines.runDue();
    expect(await keys.readString(ada.profileId, tokenId)).toBe(token);
    clock.advance(2 * 24 * 3600);
    await until(async () => (await keys.readString(ada.profileId, tokenId)) === null);
    await until(async () => (await keys.findSecret('data-token', token)) === null);
    expect(await eventsOf(tokenId)).toHaveLength(3);
  });
});
