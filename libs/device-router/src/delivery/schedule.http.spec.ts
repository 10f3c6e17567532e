import { request as httpRequest } from 'node:http';
import type { DeviceEvent } from '@symbolon/contracts';
import { parsePublicKey, randomBytes, sealStreamTo, sha256Hex, uuid7 } from '@symbolon/crypto';
import { ManualClock, Streams, system } from '@symbolon/kernel';
import { TestDevice, type TestProfile, TestServer, until } from '@symbolon/testing';

/** What time alone brings about, on a clock that stands until it is moved. */
let clock: ManualClock;
let server: TestServer;
let ada: TestProfile;
let device: TestDevice;

beforeEach(async () => {
  clock = new ManualClock(Date.now());
  server = await TestServer.start({ clock });
  ada = await server.profile();
  device = await TestDevice.of(server, ada);
  await device.connect();
});
afterEach(async () => {
  await device.leave();
  await server.stop();
});

const query = async (sql: string, params: unknown[] = []) => (await server.database.pool.query(sql, params)).rows;
const status = async (commandId: string, { token } = ada) =>
  (await server.get(`/request-status/${commandId}`, { token, wait: 30 })).body;

async function reserve({ token } = ada): Promise<{ token: string; stream: string }> {
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'tests' }, token);
  return (await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token })).body;
}

const exchange = async (temporaryTokenSpace: string, data: Buffer, { token } = ada): Promise<string> => {
  const json = { temporaryTokenSpace, data: data.toString('base64') };
  return (await server.post('/data-token/exchange-data-for-token', { json, token })).body.commandId;
};
const ask = async (dataToken: string, { token } = ada): Promise<string> =>
  (await server.post('/data-token/request-data', { json: { token: dataToken }, token })).body.commandId;

async function stored(profile = ada): Promise<string> {
  const { token } = await reserve(profile);
  expect((await status(await exchange(token, Buffer.from('a secret payload'), profile), profile)).status).toBe(
    'succeeded',
  );
  return token;
}

const silent = () => undefined;

test('a write without answer goes again after 30 s, doubling to an hour, and after six days as a new message', async () => {
  const slow = await TestDevice.of(server, ada);
  slow.behaviour['storage.write'] = silent;
  await slow.connect();
  await stored();
  const first = await slow.got('storage.write');
  const due = async () => {
    const [row] = await query('select next_at from device_router.delivery where device_identifier = $1', [
      slow.deviceIdentifier,
    ]);
    return (row.next_at.getTime() - clock.millis()) / 1000;
  };
  const waits: number[] = [];
  for (let times = 1; times <= 9; times++) {
    const { envelope } = await slow.got('storage.write', times);
    expect([envelope.id, envelope.at]).toEqual([first.envelope.id, first.envelope.at]);
    waits.push(await due());
    clock.advance(waits.at(-1)!);
  }
  expect(waits).toEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
  await slow.got('storage.write', 10);
  clock.advance(6 * 24 * 3600);
  const renewed = await slow.got('storage.write', 11);
  expect(renewed.envelope.id).not.toBe(first.envelope.id);
  expect(renewed.envelope.at).toBe(clock.now());
  expect(renewed.content).toEqual(first.content);
  await slow.leave();
});

test('a read that nobody answers within 60 s fails', async () => {
  const token = await stored();
  device.behaviour['storage.read'] = silent;
  const commandId = await ask(token);
  await device.got('storage.read');
  clock.advance(61);
  expect(await status(commandId)).toMatchObject({ status: 'rejected', reason: 'storage.no_device_answered' });
  await until(
    async () => (await query(`select 1 from device_router.delivery where kind = 'read'`)).length === 0,
    'every reading to be over',
  );
});

test('a read is not given up while its answer is being uploaded', async () => {
  const eve = await server.profile();
  const other = await TestDevice.of(server, eve);
  await other.connect();
  const patient = await stored(eve);
  const { token, stream } = await reserve();
  const data = randomBytes(100_000);
  await server.post(stream, { body: new Uint8Array(data), headers: { prefer: 'wait=30' } });

  device.behaviour['storage.read'] = silent;
  other.behaviour['storage.read'] = silent;
  const uploading = await ask(token);
  const order = await device.got('storage.read');
  clock.advance(1);
  const abandoned = await ask(patient, eve);
  await other.got('storage.read');
  clock.advance(58);
  const hasBegun = begin(order.content.uploadUrl, device.held, (await server.get('/dptcab/public-key')).body.publicKey);
  await until(
    async () => (await query('select 1 from transfer.auth where leased_until > $1', [clock.now()])).length > 0,
    'a lease on the upload',
  );
  clock.advance(3);
  // Readings are looked after in the order of their time: the one that is uploaded was spared before this one ended.
  expect((await status(abandoned, eve)).reason).toBe('storage.no_device_answered');
  await hasBegun.finish();
  const { objectId, version } = order.content;
  const about = {
    objectId,
    version,
    found: true,
    size: device.held.length,
    sha256: sha256Hex(device.held),
    uploaded: true,
  };
  device.say('storage.read_result', about, order.envelope.id);
  const { body } = await status(uploading);
  expect(Buffer.from(await (await fetch(body.downloadUrl)).arrayBuffer())).toEqual(data);
  await other.leave();
});

/** Sends an upload up to its last byte, and the rest when told to. */
function begin(url: string, bytes: Buffer, serverKey: string): { finish(): Promise<number | undefined> } {
  const sealer = sealStreamTo(parsePublicKey(serverKey).raw);
  const call = httpRequest(url, { method: 'POST' });
  const answered = new Promise<number | undefined>((resolve, reject) => {
    call.once('response', (response) => resolve(response.resume().statusCode));
    call.once('error', reject);
  });
  sealer.pipe(call);
  sealer.write(bytes.subarray(0, -1));
  return {
    finish: () => {
      sealer.end(bytes.subarray(-1));
      return answered;
    },
  };
}

test('a device that has said nothing for 90 s is offline', async () => {
  const seen = async () => (await server.get('/device/retrieve-profile-devices', { token: ada.token })).body.items[0];
  expect((await seen()).online).toBe(true);
  await device.leave();
  clock.advance(60);
  const { online, lastSeenAt } = await seen();
  expect(online).toBe(true);
  clock.advance(31);
  expect(await seen()).toMatchObject({ online: false, lastSeenAt });
});

describe('a write that has failed', () => {
  test('is void: a late acknowledgement has no effect, and a second attempt may hold other bytes', async () => {
    device.behaviour['storage.write'] = silent;
    const { token } = await reserve();
    const failed = await exchange(token, Buffer.from('too late'));
    const order = await device.got('storage.write');
    clock.advance(61);
    expect(await status(failed)).toMatchObject({ status: 'rejected', reason: 'storage.no_device_answered' });
    await until(
      async () => (await query('select 1 from device_router.delivery')).length === 0,
      'every delivery to be over',
    );
    await device.store(order);
    device.behaviour['storage.write'] = (taken) => device.store(taken);
    expect((await status(await exchange(token, Buffer.from('in time')))).status).toBe('succeeded');
    const [second] = device.taken.filter(({ content }) => content.payload && content.sha256 !== order.content.sha256);
    expect(second?.content).toMatchObject({ objectId: order.content.objectId, version: 1 });
    const acknowledged = await query(
      `select data->>'sha256' as sha256 from es.event where type = 'storage.write_acknowledged'`,
    );
    expect(acknowledged).toEqual([{ sha256: second?.content.sha256 }]);
    const { body } = await status(await ask(token));
    expect(await (await fetch(body.downloadUrl)).text()).toBe('in time');
  });

  test('is taken back from the devices when the reservation expires', async () => {
    device.behaviour['storage.write'] = silent;
    const { token } = await reserve();
    const failed = await exchange(token, Buffer.from('never'));
    const { content } = await device.got('storage.write');
    clock.advance(61);
    expect((await status(failed)).status).toBe('rejected');
    clock.advance(300);
    expect((await device.got('storage.delete')).content).toEqual({ objectId: content.objectId, upToVersion: 1 });
    await until(
      async () => (await query('select 1 from device_router.delivery')).length === 0,
      'every delivery to be over',
    );
    expect(await query('select 1 from device_router.copy')).toEqual([]);
    expect(await query('select 1 from device_router.parcel')).toEqual([]);
  });
});

test('data of which no storage device holds a copy any more is missing', async () => {
  const token = await stored();
  await TestDevice.of(server, ada);
  const { deviceIdentifier } = device;
  const id = uuid7();
  const cause = { commandId: null, correlationId: id, causationId: id, actor: system };
  const removed: DeviceEvent = {
    type: 'storage.removed',
    version: 1,
    data: { deviceIdentifier, profileId: ada.profileId },
  };
  await server.served.app.get(Streams).append(`device-${deviceIdentifier}`, 'any', [removed], cause);
  await until(async () => (await query('select 1 from device_router.storage')).length === 1, 'one storage device');
  expect(await status(await ask(token))).toMatchObject({ status: 'rejected', reason: 'storage.data_missing' });
});
