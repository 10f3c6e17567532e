import { PersonalBoxes } from '@symbolon/crypto';
import { TestDevice, type TestProfile, TestServer, until } from '@symbolon/testing';

/** Section 9, writing and reading with several storage devices; and the events of devices (section 18). */
let server: TestServer;
let ada: TestProfile;
let devices: TestDevice[];

beforeAll(async () => {
  server = await TestServer.start();
});
afterAll(() => server.stop());
beforeEach(async () => {
  ada = await server.profile();
  devices = [];
  for (let count = 0; count < 4; count++) devices.push(await TestDevice.of(server, ada));
  await Promise.all(devices.map((device) => device.connect()));
});
afterEach(() => Promise.all(devices.map((device) => device.leave())));

const query = async (sql: string, params: unknown[] = []) => (await server.database.pool.query(sql, params)).rows;
const tokensHeld = async (): Promise<number[]> => {
  const { body } = await server.get('/storage/list-storage-devices', { token: ada.token });
  return body.items.map((item: { tokensHeld: number }) => item.tokensHeld);
};

async function reserve(): Promise<string> {
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'tests' }, ada.token);
  const path = `/data-token/retrieve-temporary-data-token/${commandId}`;
  return (await server.get(path, { token: ada.token })).body.token;
}
const exchange = async (token: string, text: string): Promise<string> => {
  const json = { temporaryTokenSpace: token, data: Buffer.from(text).toString('base64') };
  return (await server.post('/data-token/exchange-data-for-token', { json, token: ada.token })).body.commandId;
};
const ended = async (commandId: string) =>
  (await server.get(`/request-status/${commandId}`, { token: ada.token, wait: 30 })).body;
const status = async (commandId: string) => (await server.post(`/request-status/${commandId}`)).body;

async function stored(text = 'a secret payload'): Promise<string> {
  const token = await reserve();
  expect((await ended(await exchange(token, text))).status).toBe('succeeded');
  await until(async () => (await tokensHeld()).every((count) => count === 1), 'a token at every device');
  return token;
}

test('a write goes to all; the first acknowledgement that is signed settles it, the others follow', async () => {
  const [forger, liar, honest, away] = devices as [TestDevice, TestDevice, TestDevice, TestDevice];
  await away.leave();
  forger.behaviour['storage.write'] = ({ envelope, content: { objectId, version, sha256 } }) =>
    void forger.say('storage.write_ack', { objectId, version, sha256 }, envelope.id, { sig: '00'.repeat(64) });
  liar.behaviour['storage.write'] = ({ envelope, content: { objectId, version } }) =>
    void liar.say('storage.write_ack', { objectId, version, sha256: 'ab'.repeat(32) }, envelope.id);
  honest.behaviour['storage.write'] = () => undefined;
  const token = await reserve();
  const commandId = await exchange(token, 'for all');
  expect((await forger.got('error')).content.code).toBe('device.signature_invalid');
  expect((await liar.got('error')).content.code).toBe('storage.digest_mismatch');
  expect(await status(commandId)).toBe('started');
  await honest.store(await honest.got('storage.write'));
  expect((await ended(commandId)).status).toBe('succeeded');

  await away.connect();
  await away.got('storage.write');
  for (const device of [forger, liar]) {
    device.behaviour['storage.write'] = (taken) => device.store(taken);
    await device.leave();
    await device.connect();
  }
  await until(async () => (await tokensHeld()).every((count) => count === 1), 'a token at every device');
  expect(new Set(devices.map(({ held }) => held.toString('hex'))).size).toBe(1);
});

test('a read is answered by the fastest honest device, whatever the others do', async () => {
  const token = await stored();
  const [silent, damaged, lost, honest] = devices as [TestDevice, TestDevice, TestDevice, TestDevice];
  silent.behaviour['storage.read'] = () => undefined;
  damaged.behaviour['storage.read'] = (taken) => damaged.giveBack(taken, (bytes) => Buffer.from(bytes).fill(7));
  lost.objects.clear();
  honest.behaviour['storage.read'] = async (taken) => {
    await Promise.all([damaged.got('error'), lost.got('storage.read')]);
    await honest.giveBack(taken);
  };
  const { body } = await server.done('/data-token/request-data', { token }, ada.token);
  expect(await (await fetch(body.downloadUrl)).text()).toBe('a secret payload');
  // Who comes too late changes nothing any more.
  await silent.giveBack(await silent.got('storage.read'));
  const open = 'select 1 from device_router.delivery where device_identifier = any($1::uuid[])';
  expect(await query(open, [devices.map(({ deviceIdentifier }) => deviceIdentifier)])).toEqual([]);
});

test('only damaged answers are told from none', async () => {
  const token = await stored();
  for (const device of devices) device.objects.clear();
  const ask = async () =>
    (await server.post('/data-token/request-data', { json: { token }, token: ada.token, wait: 30 })).body.reason;
  expect(await ask()).toBe('storage.data_missing');
  devices[2]!.behaviour['storage.read'] = ({ envelope, content: { objectId, version } }) =>
    void devices[2]!.say(
      'storage.read_result',
      { objectId, version, found: true, size: 3, sha256: 'ab'.repeat(32), payload: 'AAAA' },
      envelope.id,
    );
  expect(await ask()).toBe('storage.data_corrupt');
});

test('a replaced version is removed from all, once the new one is acknowledged', async () => {
  const dataToken = await stored('old');
  const data = Buffer.from('new').toString('base64');
  await server.done('/data-token/update-data', { dataToken, data }, ada.token);
  await Promise.all(devices.map((device) => device.got('storage.delete')));
  for (const device of devices) {
    expect((await device.got('storage.delete')).content).toMatchObject({ upToVersion: 1 });
    await until(
      async () => [...device.objects.values()].flat().every(({ version }) => version === 2),
      'the second version at the device',
    );
  }
  const { body } = await server.done('/data-token/request-data', { token: dataToken }, ada.token);
  expect(await (await fetch(body.downloadUrl)).text()).toBe('new');
});

test('events of devices have their fields, personal ones in the owner’s box', async () => {
  await stored();
  const [first, second] = devices as [TestDevice, TestDevice];
  const { deviceIdentifier } = first;
  await server.done('/device/configure-meta', { deviceIdentifier, name: 'cellar', meta: { rack: 7 } }, ada.token);
  await server.done('/storage/remove', { deviceIdentifier }, ada.token);
  await server.done('/storage/register', { deviceIdentifier }, ada.token);
  first.objects.clear();
  await server.done('/storage/synchronize', { deviceIdentifier }, ada.token);
  await server.done('/device/remove', { deviceIdentifier: second.deviceIdentifier }, ada.token);
  const fields: Record<string, string> = {
    'device.meta_configured': 'changed deviceIdentifier',
    'device.removed': 'deviceIdentifier',
    'storage.removed': 'deviceIdentifier profileId',
    'storage.synchronization_started': 'deviceIdentifier sourceDeviceIdentifier',
    'storage.copy_ordered': 'deviceIdentifier profileId requestId sealedSize sha256 sources tokenId version',
    'storage.synchronized': 'count deviceIdentifier missing',
  };
  for (const [type, names] of Object.entries(fields)) {
    const rows = await query(
      `select type, stream, id, data from es.event where type = $1 and data::text like '%' || $2 || '%'`,
      [type, type === 'device.removed' ? second.deviceIdentifier : deviceIdentifier],
    );
    expect([type, rows.length > 0]).toEqual([type, true]);
    for (const row of rows) {
      const { sealed: _, ...data } = row.data;
      expect([type, Object.keys(data).sort().join(' ')]).toEqual([type, names]);
    }
    if (type !== 'device.meta_configured') continue;
    const {
      ip: _ip,
      userAgent: _userAgent,
      ...own
    } = (await server.served.app.get(PersonalBoxes).open(rows[0], ada.profileId))!;
    expect(own).toEqual({ deviceName: 'cellar', meta: { rack: 7 } });
  }
});
