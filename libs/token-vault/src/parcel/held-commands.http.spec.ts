import type { CommandEvent } from '@symbolon/contracts';
import { KeyStore, uuid7 } from '@symbolon/crypto';
import { type Cause, ManualClock, Streams } from '@symbolon/kernel';
import { ParcelStore } from '@symbolon/parcel-store';
import { Registry } from '@symbolon/platform';
import { Deadlines, ProjectionRunner } from '@symbolon/projection';
import { password, type TestProfile, type TestServer, until } from '@symbolon/testing';
import type { SimulatedDevices } from '../../test/simulated-devices';
import { startVault, type TestVault } from '../../test/test-vault';
import { one, Parcels } from './parcels';

const exchangeType = 'data-token/exchange-data-for-token';

/** Streams of commands written by hand, as a gate leaves them: accepted alone, and later cleared or rejected. */
describe('a command that is held', () => {
  const clock = new ManualClock(Date.now());
  let vault: TestVault;
  let server: TestServer;
  let devices: SimulatedDevices;
  let deadlines: Deadlines;
  let parcels: Parcels;
  let ada: TestProfile;

  beforeAll(async () => {
    vault = await startVault({ clock });
    ({ server, devices } = vault);
    const { app } = server.served;
    deadlines = app.get(Deadlines);
    parcels = app.get(Parcels);
    ada = await server.profile();
    await devices.add(ada.profileId);
  });
  afterAll(() => vault.stop());

  async function reserve() {
    const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'a', ttl: 1 }, ada.token);
    const { body } = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada);
    const [row] = await rows('select token_id from token_vault.token where reserved_by = $1', commandId);
    return { token: body.token as string, tokenId: row.token_id as string };
  }
  async function append(commandId: string, ...events: CommandEvent[]): Promise<void> {
    const actor = { profileId: ada.profileId, kind: 'user' } as const;
    const cause: Cause = { commandId, correlationId: commandId, causationId: uuid7(), actor };
    const { app } = server.served;
    const appended = await app.get(Streams).append(`command-${commandId}`, 'any', events, cause);
    if (appended.status !== 'conflict' && 'cursor' in appended) {
      await app.get(ProjectionRunner).passed(appended.cursor);
    }
  }
  async function hold(tokenId: string, commandType = exchangeType) {
    const commandId = uuid7();
    const parcel = await parcels.seal(ada.profileId, tokenId, one(Buffer.from('held')));
    const input = { tokenId, begunAt: clock.now(), parcel, changes: { meta: {} } };
    await append(commandId, {
      type: 'command.accepted',
      version: 1,
      data: {
        commandId,
        commandType,
        profileId: ada.profileId,
        requestId: null,
        idempotencyKeyHash: null,
        anonymous: false,
        partOf: null,
      },
      personal: { subject: ada.profileId, fields: { input, location: null } },
    });
    return { commandId, parcelId: parcel.parcelId };
  }
  const clear = (commandId: string) => append(commandId, { type: 'command.cleared', version: 1, data: { commandId } });
  const reject = (commandId: string) =>
    append(commandId, { type: 'command.rejected', version: 1, data: { commandId, reason: 'poll.rejected' } });
  async function rows(sql: string, ...params: unknown[]): Promise<any[]> {
    return (await server.database.pool.query(sql, params)).rows;
  }
  const item = async (token: string) =>
    (await server.get(`/data-token/list-data-tokens?filters[token]=${token}`, ada)).body.items[0];
  const statusOf = async (tokenId: string) =>
    (await rows('select status from token_vault.token where token_id = $1', tokenId))[0].status;
  const left = async (parcelId: string) => {
    const { app } = server.served;
    const [row] = await rows('select 1 from token_vault.parcel where parcel_id = $1', parcelId);
    return {
      row: row !== undefined,
      key: (await app.get(KeyStore).tokenKey(ada.profileId, parcelId)) !== null,
      bytes: (await app.get(ParcelStore).size(parcelId)) !== null,
    };
  };
  const all = { row: true, key: true, bytes: true };
  const nothing = { row: false, key: false, bytes: false };
  async function days(count: number): Promise<void> {
    clock.advance(count * 24 * 3600);
    await deadlines.runDue();
    await parcels.sweep();
    const { keepers } = server.served.app.get(Registry).contents();
    await server.served.app.get(ParcelStore).sweep(new Date(clock.millis()), async (ids) => {
      const kept = await Promise.all(keepers.map((keep) => keep(ids)));
      return new Set(kept.flatMap((some) => [...some]));
    });
    const { body } = await server.post('/profile/authenticate', { json: { username: ada.username, password } });
    ada = { ...ada, token: body.authorizationToken };
  }

  test('keeps its reservation and its parcel for days, and runs then', async () => {
    const { token, tokenId } = await reserve();
    const { commandId, parcelId } = await hold(tokenId);
    await days(3);
    expect(await statusOf(tokenId)).toBe('temporary');
    expect(await item(token)).toMatchObject({ status: 'temporary' });
    expect(await left(parcelId)).toEqual(all);
    await clear(commandId);
    await until(async () => (await statusOf(tokenId)) === 'permanent', 'the token to be permanent');
    expect(await item(token)).toMatchObject({ status: 'permanent', size: 4 });
  });

  test('leaves nothing behind when it is rejected, and its reservation expires at once', async () => {
    const { token, tokenId } = await reserve();
    const { commandId, parcelId } = await hold(tokenId);
    await days(3);
    expect(await left(parcelId)).toEqual(all);
    await reject(commandId);
    await until(async () => !(await left(parcelId)).row, 'the parcel to be gone');
    expect(await left(parcelId)).toEqual(nothing);
    await until(async () => (await statusOf(tokenId)) === 'expired', 'the token to be expired');
    expect(await item(token)).toBeUndefined();
  });

  test('rejected in time leaves a reservation that can still be used', async () => {
    const { token, tokenId } = await reserve();
    const { commandId, parcelId } = await hold(tokenId, 'upstream');
    await reject(commandId);
    await until(async () => !(await left(parcelId)).row, 'the parcel to be gone');
    const { body } = await server.done(`/${exchangeType}`, { temporaryTokenSpace: token, data: 'AAAA' }, ada.token);
    expect(body).toMatchObject({ token, size: 3 });
  });

  test('of an update leaves the data as it is, until it runs or is rejected', async () => {
    const { token, tokenId } = await reserve();
    await server.done(`/${exchangeType}`, { temporaryTokenSpace: token, data: 'AAAA' }, ada.token);
    const first = await hold(tokenId, 'data-token/update-data');
    const second = await hold(tokenId, 'data-token/update-data');
    await days(2);
    expect(await item(token)).toMatchObject({ version: 1, size: 3 });
    await reject(first.commandId);
    await until(async () => !(await left(first.parcelId)).row, 'the first parcel to be gone');
    expect(await left(first.parcelId)).toEqual(nothing);
    expect(await left(second.parcelId)).toEqual(all);
    await clear(second.commandId);
    await until(async () => (await item(token)).version === 2, 'the second version');
    expect(await item(token)).toMatchObject({ size: 4 });
  });

  test('one of two on the same token does not end the life that the other gives it', async () => {
    const { tokenId } = await reserve();
    const first = await hold(tokenId);
    const second = await hold(tokenId);
    await days(1);
    await reject(first.commandId);
    await until(async () => !(await left(first.parcelId)).row, 'the first parcel to be gone');
    await deadlines.runDue();
    expect(await statusOf(tokenId)).toBe('temporary');
    await clear(second.commandId);
    await until(async () => (await statusOf(tokenId)) === 'permanent', 'the token to be permanent');
  });
});
