import { randomBytes, uuid7 } from '@symbolon/crypto';
import { ManualClock } from '@symbolon/kernel';
import { TestDevice, type TestProfile, TestServer, TestSocket, until } from '@symbolon/testing';

/** Row 45, on a clock that stands until it is moved. */
let clock: ManualClock;
let server: TestServer;
let ada: TestProfile;
let source: TestDevice;
let all: TestDevice[];

beforeAll(async () => {
  clock = new ManualClock(Date.now());
  server = await TestServer.start({ clock });
});
afterAll(() => server.stop());
beforeEach(async () => {
  ada = await server.profile();
  all = [];
  source = await another();
});
afterEach(() => Promise.all(all.map((device) => device.leave())));

async function another({ connected = true } = {}): Promise<TestDevice> {
  const device = await TestDevice.of(server, ada);
  if (connected) await device.connect();
  all.push(device);
  return device;
}

const path = '/storage/synchronize';
const query = async (sql: string, params: unknown[] = []) => (await server.database.pool.query(sql, params)).rows;
const begin = async (fields: object): Promise<string> =>
  (await server.post(path, { json: fields, token: ada.token })).body.commandId;
const synchronize = ({ deviceIdentifier }: TestDevice, fields: object = {}) =>
  server.done(path, { deviceIdentifier, ...fields }, ada.token);
const ended = async (commandId: string) =>
  (await server.get(`/request-status/${commandId}`, { token: ada.token, wait: 30 })).body;
const rejected = async (fields: object): Promise<string> => (await ended(await begin(fields))).reason;
const eventsOf = async (commandId: string) =>
  (
    await query(
      `select type from es.event where meta->>'commandId' = $1 and type not like 'command.%' group by type order by min(position)`,
      [commandId],
    )
  ).map(({ type }) => type);

async function stored(data: Buffer = randomBytes(100)): Promise<string> {
  const { commandId } = await server.done('/data-token/reserve-token-space', { context: 'tests' }, ada.token);
  const reserved = `/data-token/retrieve-temporary-data-token/${commandId}`;
  const { token, stream } = (await server.get(reserved, { token: ada.token })).body;
  const { body } = await server.post(stream, { body: new Uint8Array(data), headers: { prefer: 'wait=30' } });
  if (body.status !== 'succeeded') throw new Error(JSON.stringify(body));
  return token;
}

const fetched = async (token: string): Promise<Buffer> => {
  const { body } = await server.done('/data-token/request-data', { token }, ada.token);
  return Buffer.from(await (await fetch(body.downloadUrl)).arrayBuffer());
};
const digests = ({ objects }: TestDevice) =>
  [...objects.values()].flatMap((versions) => versions.map(({ bytes }) => bytes.toString('hex'))).sort();
const held = async ({ deviceIdentifier }: TestDevice): Promise<number> => {
  const { body } = await server.get('/storage/list-storage-devices', { token: ada.token });
  return body.items.find((item: { deviceIdentifier: string }) => item.deviceIdentifier === deviceIdentifier).tokensHeld;
};

describe('synchronizing a device', () => {
  test('brings it every permanent token, small and large, which it then gives back', async () => {
    const data = [randomBytes(10), randomBytes(70_000), randomBytes(300_000)];
    const tokens: string[] = [];
    for (const bytes of data) tokens.push(await stored(bytes));
    const target = await another();
    expect(target.objects.size).toBe(0); // older data does not come by itself
    const { commandId, body } = await synchronize(target);
    expect(body).toEqual({ count: 3, missing: 0 });
    expect(digests(target)).toEqual(digests(source));
    expect([...target.objects.keys()]).not.toEqual([...source.objects.keys()]);
    expect(await held(target)).toBe(3);
    expect(await eventsOf(commandId)).toEqual([
      'storage.synchronization_started',
      'storage.copy_ordered',
      'storage.read_dispatched',
      'storage.read_answered',
      'storage.write_dispatched',
      'storage.write_acknowledged',
      'storage.synchronized',
    ]);
    const rest = await query(
      `select (select count(*) from device_router.parcel)::int as parcels, (select count(*) from device_router.synchronization)::int as rows,
              (select count(*) from device_router.inventory)::int as inventory, (select count(*) from device_router.delivery)::int as deliveries`,
    );
    await until(async () => (await query('select 1 from device_router.parcel')).length === 0, 'no parcel');
    expect(rest[0]).toMatchObject({ rows: 0, inventory: 0, deliveries: 0 });
    await source.leave();
    for (const [index, token] of tokens.entries()) expect(await fetched(token)).toEqual(data[index]);
  });

  test('copies nothing that it holds, and is done again without effect', async () => {
    await stored();
    const target = await another();
    await synchronize(target);
    const { body } = await synchronize(target);
    expect(body).toEqual({ count: 1, missing: 0 });
    expect([source.count('storage.read'), target.count('storage.write')]).toEqual([1, 1]);
    expect((await synchronize(source)).body).toEqual({ count: 1, missing: 0 });
  });

  test('asks for its inventory in pages, and compares all of them', async () => {
    for (let times = 0; times < 7; times++) await stored();
    const target = await another();
    await synchronize(target);
    // Pages that are smaller than they could be are the device's right.
    target.behaviour['storage.inventory'] = (taken) =>
      target.listObjects({ ...taken, content: { ...taken.content, limit: 3 } });
    const before = target.count('storage.inventory');
    target.objects.delete([...target.objects.keys()].sort()[4]!);
    expect((await synchronize(target)).body).toEqual({ count: 7, missing: 0 });
    expect(target.count('storage.inventory') - before).toBe(2);
    const pages = target.taken.filter(({ envelope }) => envelope.type === 'storage.inventory').slice(before);
    expect(pages.map(({ content }) => content)).toEqual([
      { after: null, limit: 500 },
      { after: expect.stringMatching(/^[0-9a-f]{32}$/), limit: 500 },
    ]);
    expect(digests(target)).toEqual(digests(source));
  });

  test('restores what a device has lost, and what it holds damaged or in an older version only', async () => {
    const token = await stored(Buffer.from('first'));
    await stored();
    const target = await another();
    await synchronize(target);
    const [lost, damaged] = [...target.objects.keys()];
    target.objects.delete(lost!);
    target.objects.get(damaged!)![0]!.bytes.fill(0);
    expect((await synchronize(target)).body).toEqual({ count: 2, missing: 0 });
    expect(digests(target)).toEqual(digests(source));

    await target.leave();
    const data = Buffer.from('second').toString('base64');
    await server.done('/data-token/update-data', { dataToken: token, data }, ada.token);
    target.behaviour['storage.write'] = () => undefined;
    await target.connect();
    await target.got('storage.write');
    target.behaviour['storage.write'] = (taken) => target.store(taken);
    await target.leave();
    await target.connect();
    expect((await synchronize(target)).body).toEqual({ count: 2, missing: 0 });
    await source.leave();
    expect((await fetched(token)).toString()).toBe('second');
  });

  test('reads from the given source only', async () => {
    const second = await another();
    await stored();
    await second.got('storage.write');
    await until(async () => (await held(second)) === 1, 'a token at the second device');
    const target = await another();
    const { deviceIdentifier: sourceDeviceIdentifier } = second;
    expect((await synchronize(target, { sourceDeviceIdentifier })).body).toEqual({ count: 1, missing: 0 });
    expect([source.count('storage.read'), second.count('storage.read')]).toEqual([0, 1]);
  });

  test('goes on to other sources where one has lost the data, gives damaged data, or nothing', async () => {
    const others = [await another(), await another(), await another()];
    const data = Array.from({ length: 8 }, () => randomBytes(50));
    for (const bytes of data) await stored(bytes);
    await until(
      async () => (await Promise.all(others.map(held))).every((count) => count === 8),
      'eight tokens at every device',
    );
    source.objects.clear();
    others[0]!.behaviour['storage.read'] = (taken) =>
      others[0]!.giveBack(taken, (bytes) => Buffer.concat([bytes.subarray(1), Buffer.from('x')]));
    others[1]!.behaviour['storage.read'] = () => undefined;
    const target = await another();
    const commandId = await begin({ deviceIdentifier: target.deviceIdentifier });
    await others[1]!.got('storage.read');
    const status = ended(commandId);
    let over = false;
    void status.then(() => (over = true));
    // The silent one is waited for, a minute at a time; the others have all the time they need.
    const silent = others[1]!.deviceIdentifier;
    const awake = all.map(({ deviceIdentifier }) => deviceIdentifier).filter((device) => device !== silent);
    await until(async () => {
      const open = 'select 1 from device_router.delivery where device_identifier = any($1::uuid[])';
      if ((await query(open, [awake])).length === 0) clock.advance(20);
      await new Promise((resolve) => setTimeout(resolve, 50));
      return over;
    }, 'the synchronization to end');
    expect((await status).body).toEqual({ count: 8, missing: 0 });
    expect(digests(target)).toEqual(digests(others[2]!));
  });

  test('counts what nobody can give, also what it has lost itself', async () => {
    await stored();
    await stored();
    const target = await another();
    await synchronize(target);
    target.objects.clear();
    source.objects.delete([...source.objects.keys()][0]!);
    expect((await synchronize(target)).body).toEqual({ count: 1, missing: 1 });
    expect(await held(target)).toBe(1);
  });

  test('does not lack what it has after all, whatever was thought lost', async () => {
    const tokens = [await stored(Buffer.from('one')), await stored(Buffer.from('two'))];
    const target = await another();
    await synchronize(target);
    const away = new Map(target.objects);
    target.objects.clear();
    source.objects.clear();
    expect((await synchronize(target)).body).toEqual({ count: 0, missing: 2 });
    // Nobody holds them now; they are the profile's tokens all the same.
    expect((await synchronize(source)).body).toEqual({ count: 0, missing: 2 });
    expect((await synchronize(target)).body).toEqual({ count: 0, missing: 2 });
    for (const [objectId, versions] of away) target.objects.set(objectId, versions);
    const writes = target.count('storage.write');
    const { commandId, body } = await synchronize(target);
    expect([body, await held(target), target.count('storage.write')]).toEqual([{ count: 2, missing: 0 }, 2, writes]);
    expect(await eventsOf(commandId)).toEqual([
      'storage.synchronization_started',
      'storage.write_acknowledged',
      'storage.synchronized',
    ]);
    const acknowledged = await query(
      `select data from es.event where meta->>'commandId' = $1 and type = 'storage.write_acknowledged'`,
      [commandId],
    );
    const { deviceIdentifier } = target;
    for (const { data } of acknowledged)
      expect(data).toMatchObject({ deviceIdentifier, version: 1, signed: true, sha256: expect.any(String) });
    expect((await synchronize(source)).body).toEqual({ count: 2, missing: 0 });
    await target.leave();
    expect(String(await Promise.all(tokens.map(fetched)))).toBe('one,two');
  });

  test('leaves out what is deleted meanwhile', async () => {
    const token = await stored();
    await stored();
    const target = await another();
    source.behaviour['storage.read'] = () => undefined;
    const commandId = await begin({ deviceIdentifier: target.deviceIdentifier });
    const read = await source.got('storage.read', 2);
    await server.done('/data-token/delete-data', { token }, ada.token);
    source.behaviour['storage.read'] = (taken) => source.giveBack(taken);
    for (const taken of source.taken.filter(({ envelope }) => envelope.type === read.envelope.type))
      await source.giveBack(taken);
    expect((await ended(commandId)).body).toEqual({ count: 1, missing: 0 });
    const open = 'select 1 from device_router.delivery where device_identifier = any($1::uuid[])';
    const both = [[source.deviceIdentifier, target.deviceIdentifier]];
    await until(async () => (await query(open, both)).length === 0, 'no open delivery');
    expect(target.objects.size).toBe(1);
  });

  test('tells how far it has come to channels that ask for it', async () => {
    for (let times = 0; times < 3; times++) await stored();
    const target = await another();
    const socket = await TestSocket.join(server.url, ada.token, { progress: true });
    target.behaviour['storage.write'] = () => undefined;
    const commandId = await begin({ deviceIdentifier: target.deviceIdentifier });
    const told = await socket.until(
      (frame) =>
        frame.data?.id === commandId && frame.data?.command_status === 1 && typeof frame.data.body === 'object',
    );
    expect(told.data.body).toEqual({ done: 0, total: 3 });
    for (let times = 1; times <= 3; times++) await target.store(await target.got('storage.write', times));
    expect((await ended(commandId)).body).toEqual({ count: 3, missing: 0 });
    await socket.close();
  });
});

describe('is rejected', () => {
  test('for devices that are not the profile’s storage', async () => {
    const plain = await TestDevice.of(server, ada, { storage: false });
    const eve = await server.profile();
    const hers = await TestDevice.of(server, eve);
    for (const id of [plain.deviceIdentifier, hers.deviceIdentifier, uuid7()]) {
      expect(await rejected({ deviceIdentifier: id })).toBe('storage.not_registered');
      const fields = { deviceIdentifier: source.deviceIdentifier, sourceDeviceIdentifier: id };
      expect(await rejected(fields)).toBe('storage.not_registered');
    }
    for (const json of [{}, { deviceIdentifier: 'attic' }, { deviceIdentifier: uuid7(), sourceDeviceIdentifier: 'x' }])
      expect((await server.post(path, { json, token: ada.token })).body.code).toBe('validation_failed');
  });

  test('where there is data to copy and no other device, and not where there is none', async () => {
    expect((await synchronize(source)).body).toEqual({ count: 0, missing: 0 });
    await stored();
    expect((await synchronize(source)).body).toEqual({ count: 1, missing: 0 });
    source.objects.clear();
    expect(await rejected({ deviceIdentifier: source.deviceIdentifier })).toBe('storage.no_source');
    const target = await another();
    const fields = { deviceIdentifier: target.deviceIdentifier, sourceDeviceIdentifier: target.deviceIdentifier };
    expect(await rejected(fields)).toBe('storage.no_source');
  });

  test('when the target gives no inventory for a minute', async () => {
    const target = await another({ connected: false });
    const commandId = await begin({ deviceIdentifier: target.deviceIdentifier });
    await until(
      async () => (await query('select 1 from device_router.synchronization')).length === 1,
      'one synchronization',
    );
    clock.advance(59);
    target.behaviour['storage.inventory'] = () => undefined;
    await target.connect();
    const first = await target.got('storage.inventory');
    await target.leave();
    await target.connect();
    expect((await target.got('storage.inventory', 2)).envelope.id).toBe(first.envelope.id);
    clock.advance(1);
    expect((await ended(commandId)).reason).toBe('storage.device_offline');
  });

  test('after ten minutes without progress', async () => {
    await stored();
    const target = await another();
    target.behaviour['storage.write'] = () => undefined;
    const commandId = await begin({ deviceIdentifier: target.deviceIdentifier });
    await target.got('storage.write');
    clock.advance(599);
    expect((await server.get(`/request-status/${commandId}`, { token: ada.token, wait: 1 })).body.status).toBe(
      'started',
    );
    clock.advance(1);
    expect((await ended(commandId)).reason).toBe('storage.device_offline');
  });

  test('when the target loses its role', async () => {
    await stored();
    const target = await another();
    target.behaviour['storage.write'] = () => undefined;
    const { deviceIdentifier } = target;
    const commandId = await begin({ deviceIdentifier });
    await target.got('storage.write');
    await server.done('/storage/remove', { deviceIdentifier }, ada.token);
    expect((await ended(commandId)).reason).toBe('storage.not_registered');
  });

  test('an inventory that makes no sense is answered so, and the right one counts', async () => {
    await stored();
    const target = await another();
    const wrong = [
      {},
      { items: {}, next: null },
      { items: [{ objectId: 'x', version: 1, size: 1, sha256: 'ab'.repeat(32) }], next: null },
      { items: [], next: 'x' },
    ];
    target.behaviour['storage.inventory'] = ({ envelope }) => {
      for (const content of wrong) target.say('storage.inventory_result', content, envelope.id);
    };
    const commandId = await begin({ deviceIdentifier: target.deviceIdentifier });
    await target.got('error', wrong.length);
    target.listObjects(await target.got('storage.inventory'));
    expect((await ended(commandId)).body).toEqual({ count: 1, missing: 0 });
  });
});

test('goes on after a restart of the server, at every phase', async () => {
  const clock = new ManualClock(Date.now());
  let own = await TestServer.start({ clock });
  const profile = await own.profile();
  const [from, to] = [await TestDevice.of(own, profile), await TestDevice.of(own, profile, { storage: false })];
  await from.connect();
  for (let times = 0; times < 3; times++) {
    const { commandId } = await own.done('/data-token/reserve-token-space', { context: 'tests' }, profile.token);
    const reserved = `/data-token/retrieve-temporary-data-token/${commandId}`;
    const { token } = (await own.get(reserved, { token: profile.token })).body;
    const fields = { temporaryTokenSpace: token, data: 'AAAA' };
    await own.done('/data-token/exchange-data-for-token', fields, profile.token);
  }
  const restart = async () => {
    const { database, dataDir, port } = own;
    await Promise.all([from.leave(), to.leave()]);
    await own.stop({ keep: true });
    own = await TestServer.start({ clock, on: { database, dataDir, port } });
    await Promise.all([from.connect(), to.connect()]);
  };
  await own.done('/storage/register', { deviceIdentifier: to.deviceIdentifier }, profile.token);
  to.behaviour['storage.inventory'] = () => undefined;
  await to.connect();
  const json = { deviceIdentifier: to.deviceIdentifier };
  const { commandId } = (await own.post(path, { json, token: profile.token })).body;
  await to.got('storage.inventory');
  from.behaviour['storage.read'] = () => undefined;
  to.behaviour['storage.inventory'] = (taken) => to.listObjects(taken);
  await restart();
  await from.got('storage.read', 3);
  from.behaviour['storage.read'] = (taken) => from.giveBack(taken);
  to.behaviour['storage.write'] = () => undefined;
  await restart();
  await to.got('storage.write', 3);
  to.behaviour['storage.write'] = (taken) => to.store(taken);
  await restart();
  const { body } = await own.get(`/request-status/${commandId}`, { token: profile.token, wait: 30 });
  expect(body.body).toEqual({ count: 3, missing: 0 });
  expect(to.objects.size).toBe(3);
  await Promise.all([from.leave(), to.leave()]);
  await own.stop();
}, 60_000);
