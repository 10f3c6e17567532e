import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { layers } from '@symbolon/contracts';
import { KeyRing, KeyStore, randomBytes } from '@symbolon/crypto';
import { TestServer, until } from '@symbolon/testing';
import { Broker } from './broker';
import { heldByApplication, heldByCentral, heldByDevice, Holdings, isSym1, type Target } from './holdings';
import { type Application, application, fetched, StorageDevice } from './parties';
import { filesBelow, Haystack } from './traces';

jest.setTimeout(60_000);

const payload = Buffer.concat([
  Buffer.from('nobody but the application may read this sentence. '.repeat(40)),
  randomBytes(64),
]);

let server: TestServer;
let ada: Application;
let attic: StorageDevice;
let cellar: StorageDevice;
let broker: Broker;
let token: string;
let target: Target;

const pool = () => server.database.pool;
const central = () => heldByCentral(pool(), server.served.app.get(KeyRing), server.dataDir);
const parcels = () => filesBelow(join(server.dataDir, 'parcels'));
/** Every device has what it was told to hold, and nothing waits in the parcel store. */
const settled = () =>
  until(async () => {
    const { rows } = await pool().query('select 1 from device_router.delivery');
    return rows.length === 0 && parcels().length === 0;
  }, 'every delivery to be over');

/** Every device has answered a request, and one answer waits to be fetched: those that came later are gone. */
const answered = () =>
  until(async () => {
    const { rows } = await pool().query(`select 1 from device_router.delivery where kind = 'read'`);
    return rows.length === 0 && parcels().length === 1;
  }, 'every answer but one to be gone');

async function targetOf(dataToken: string, owner: Application, devices: readonly StorageDevice[]): Promise<Target> {
  const keys = server.served.app.get(KeyStore);
  const tokenId = (await keys.findSecret('data-token', dataToken))!;
  const { rows } = await pool().query('select parcel_id from token_vault.parcel where token_id = $1', [tokenId]);
  expect(rows).toHaveLength(1);
  const at = devices.map(({ deviceIdentifier }) => ({
    deviceIdentifier,
    objectId: keys.objectId(tokenId, deviceIdentifier),
    version: 1,
  }));
  return { owner: owner.profileId, token: dataToken, tokenId, parcelId: rows[0].parcel_id, at };
}

beforeAll(async () => {
  server = await TestServer.start();
  ada = await application(server.url);
  attic = await StorageDevice.of(ada, server.url, {
    channelUrl: async (real) => (broker = await Broker.before(real)).url,
  });
  cellar = await StorageDevice.of(ada, server.url);
  ({ token } = await ada.session.store(payload));
  await settled();
  target = await targetOf(token, ada, [attic, cellar]);
});

afterAll(async () => {
  ada.session.close();
  await attic.discard();
  await cellar.discard();
  await broker.stop();
  await server.stop();
});

describe('C1: of application, central and device', () => {
  const holders = {
    application: async () => heldByApplication(ada),
    central,
    device: async () => heldByDevice(attic),
    // One more device of the profile adds nothing.
    'another device': async () => heldByDevice(cellar),
  };
  type Holder = keyof typeof holders;
  const together = async (names: readonly Holder[]) =>
    new Holdings().with(...(await Promise.all(names.map((name) => holders[name]()))));
  const layersOf = (reached: readonly Buffer[]) =>
    ([layers.server, layers.application] as const).filter((layer) => reached.some((bytes) => isSym1(bytes, layer)));

  test.each<[Holder[], number[]]>([
    [['application'], []],
    [['central'], []],
    [['device'], [layers.server]],
    [['device', 'another device'], [layers.server]],
    [['application', 'device'], [layers.server]],
    [['application', 'device', 'another device'], [layers.server]],
    [
      ['central', 'device'],
      [layers.server, layers.application],
    ],
    [
      ['central', 'device', 'another device'],
      [layers.server, layers.application],
    ],
    [['application', 'central'], []],
  ])('%j reach layers %j and no plaintext', async (names, reachable) => {
    const reached = await (await together(names)).reach(target);
    expect(layersOf(reached)).toEqual(reachable);
    expect(reached.filter((bytes) => bytes.includes(payload.subarray(-64)))).toEqual([]);
  });

  test('all three reach the plaintext', async () => {
    const reached = await (await together(['application', 'central', 'device'])).reach(target);
    expect(reached.some((bytes) => bytes.equals(payload))).toBe(true);
    expect(await fetched(ada, token)).toEqual(payload);
    await settled();
  });
});

test('W13: while a fetch waits, central reaches layer 1 and not the plaintext', async () => {
  const { body } = await ada.session.command<{ downloadUrl: string }>('/data-token/request-data', { token });
  await answered();
  const reached = await (await central()).reach(target);
  expect(reached.some((bytes) => isSym1(bytes, layers.application))).toBe(true);
  expect(reached.filter((bytes) => bytes.includes(payload.subarray(-64)))).toEqual([]);
  // What it lacks are the application's keys, and nothing else.
  const all = await (await central()).with(heldByApplication(ada)).reach(target);
  expect(all.some((bytes) => bytes.equals(payload))).toBe(true);
  await (await fetch(body.downloadUrl)).arrayBuffer();
  await settled();
});

describe('W2: what central issued to a device', () => {
  const issued = () =>
    new Holdings([
      Buffer.from(attic.configuration['client-secret']!, 'base64url'),
      Buffer.from(attic.login.password, 'base64url'),
      Buffer.from(String(attic.configuration['cab-public-key']).slice(8, 72), 'hex'),
    ]);
  const received = () =>
    new Holdings(
      [],
      attic.blobs,
      [],
      broker.seen.device.filter(({ body }) => 'sealed' in body),
    );

  test('holds no private key of it', () => {
    const haystack = new Haystack()
      .add('configuration', JSON.stringify(attic.configuration))
      .add('login', JSON.stringify(attic.login));
    for (const name of ['exchange.key', 'signing.key', 'master.key', 'naming.key'] as const)
      expect([name, haystack.find(attic.key(name))]).toEqual([name, []]);
    expect(haystack.find(attic.deviceIdentifier)).toEqual(['configuration', 'login']);
  });

  test('opens nothing that the device received or keeps, also with the whole key ring', async () => {
    expect(broker.seen.device.some(({ type }) => type === 'storage.write')).toBe(true);
    const ring = server.served.app.get(KeyRing);
    const keys = new Holdings((await heldByCentral(pool(), ring, server.dataDir)).secrets);
    expect(await issued().with(keys, received()).reach(target)).toEqual([]);
    const reached = await new Holdings(attic.secrets).with(received()).reach(target);
    expect(reached.filter((bytes) => isSym1(bytes, layers.server)).length).toBeGreaterThan(0);
  });
});

test('C8: an application’s tokens and a database dump do not join', async () => {
  const secret = Buffer.from(token.slice(3), 'base64url');
  const derived = [token, token.slice(3), secret].flatMap((value) => [
    Buffer.from(value as string),
    ...['md5', 'sha1', 'sha256', 'sha384', 'sha512'].map((name) => createHash(name).update(value).digest()),
  ]);
  const dump = await new Haystack().addDatabase(pool());
  expect(derived.flatMap((value) => dump.find(value))).toEqual([]);
  // With the key ring they do join, and the search finds what is there.
  const hash = server.served.app.get(KeyStore).hashSecret('data-token', token);
  expect(dump.find(Buffer.from(hash, 'base64url'))).toEqual(expect.arrayContaining(['es.event', 'keys.lookup']));
  // Names tell the token's time neither, and no size of a row is that of the application's bytes.
  expect(dump.find(target.tokenId)).toContain('es.event');
  expect(secret.includes(Buffer.from(target.tokenId.replaceAll('-', ''), 'hex').subarray(0, 6))).toBe(false);
  const sizes = await pool().query('select size::int from token_vault.token');
  expect(sizes.rows.map(({ size }) => size)).not.toContain(payload.length);
});

describe('C9: two devices of one profile', () => {
  const names = (device: StorageDevice) =>
    filesBelow(join(device.dir, 'blobs')).map(({ path }) => path.split('/').at(-1)!);
  /** Every stretch of 16 bytes that a blob or the ledger holds, wherever it begins. */
  const stretches = (device: StorageDevice) => {
    const found = new Set<string>();
    const ledgers = device.files.filter(({ path }) => /ledger/.test(path)).map(({ bytes }) => bytes);
    for (const bytes of [...device.blobs, ...ledgers])
      for (let at = 0; at + 16 <= bytes.length; at++) found.add(bytes.toString('latin1', at, at + 16));
    return found;
  };

  test('show no equal names, ids, keys or blocks without their keys', () => {
    expect([names(attic).length, names(cellar).length]).toEqual([1, 1]);
    expect(names(attic)).not.toEqual(names(cellar));
    expect(attic.objectIds).toHaveLength(1);
    expect(attic.objectIds).not.toEqual(cellar.objectIds);
    const [one, other] = [stretches(attic), stretches(cellar)];
    expect(one.size).toBeGreaterThan(1000);
    expect([...one].filter((stretch) => other.has(stretch))).toEqual([]);
    for (const mine of attic.secrets) for (const theirs of cellar.secrets) expect(mine.equals(theirs)).toBe(false);
    expect(attic.blobs[0]!.length).toBe(cellar.blobs[0]!.length);
  });

  test('hold neither the other’s ids nor the server’s', () => {
    const disk = new Haystack().addFiles(attic.dir);
    for (const foreign of [
      cellar.deviceIdentifier,
      cellar.objectIds[0]!,
      attic.objectIds[0]!,
      token,
      target.tokenId,
      target.parcelId,
      ada.profileId,
    ])
      expect([foreign, disk.find(foreign)]).toEqual([foreign, []]);
    expect(disk.find(Buffer.from(attic.objectIds[0]!, 'hex'))).toEqual([]);
    expect(disk.find(attic.deviceIdentifier).length).toBeGreaterThan(0);
  });

  test('with both key stores show that the layer-2 bytes are equal, and that is all', async () => {
    const both = await Promise.all([attic, cellar].map((device) => heldByDevice(device).reach(target)));
    expect(both.map((reached) => reached.length)).toEqual([1, 1]);
    expect(both[0]![0]!.equals(both[1]![0]!)).toBe(true);
  });
});

describe('W11: the same bytes stored twice', () => {
  test('share no id, digest, name or bytes, and no hash of what was handed in exists', async () => {
    const raw = randomBytes(3000);
    const l1s: Buffer[] = [];
    const twice: Target[] = [];
    const tokens: string[] = [];
    for (const options of [{ raw: true }, { raw: true }, {}, {}])
      tokens.push((await ada.session.store(raw, options)).token);
    await settled();
    for (const stored of tokens) {
      twice.push(await targetOf(stored, ada, [attic, cellar]));
      l1s.push(await fetched(ada, stored, true));
    }
    expect(l1s[0]!.equals(raw) && l1s[1]!.equals(raw)).toBe(true);
    expect(l1s[2]!.equals(l1s[3]!)).toBe(false);
    const { rows } = await pool().query(
      `select data->>'sha256' as sha256, data->'dataKey' as key from es.event where type = 'data_token.data_exchanged'`,
    );
    const values = [
      ...tokens,
      ...twice.flatMap(({ tokenId, parcelId, at }) => [tokenId, parcelId, ...at.map(({ objectId }) => objectId)]),
      ...rows.flatMap(({ sha256, key }) => [sha256, key.keyId, key.header].filter((value) => value !== key.keyId)),
      ...filesBelow(join(attic.dir, 'blobs')).map(({ path }) => path),
      ...attic.blobs.map((bytes) => bytes.toString('latin1')),
    ];
    expect(new Set(values).size).toBe(values.length);

    const everywhere = (await new Haystack().addDatabase(pool()))
      .addFiles(attic.dir)
      .addFiles(cellar.dir)
      .addFiles(server.dataDir)
      .add('logs of the devices', JSON.stringify([attic.log, cellar.log]))
      .add('messages', JSON.stringify([broker.seen.device, broker.seen.server]));
    for (const bytes of [raw, ...l1s.slice(2), payload]) {
      for (const name of ['sha256', 'sha512', 'sha1', 'md5'])
        expect(everywhere.find(createHash(name).update(bytes).digest())).toEqual([]);
      expect(everywhere.find(createHash('sha256').update(bytes.toString('base64')).digest())).toEqual([]);
    }
    // The digest of the layer-2 bytes is there, and the search finds it.
    expect(everywhere.find(Buffer.from(rows[0].sha256, 'hex'))).toContain('es.event');
  });
});

describe('W12: a deleted token', () => {
  test('leaves no key and no bytes, and a copy that a device kept does not open', async () => {
    const stored = await ada.session.store(payload);
    await settled();
    const gone = await targetOf(stored.token, ada, [attic, cellar]);
    const [atAttic, atCellar] = gone.at.map(({ objectId }) => objectId) as [string, string];
    // The attic keeps its copy, whatever it is told, and central's backup of before is of no help without its key.
    const kept = heldByDevice(attic);
    broker.passes = ({ type }) => type !== 'storage.delete';
    // The answer to a request is under way as well: its parcel must go too.
    await ada.session.command('/data-token/request-data', { token: stored.token });
    await answered();
    expect((await (await central()).with(kept).reach(gone)).some((bytes) => isSym1(bytes, layers.application))).toBe(
      true,
    );

    await ada.session.delete(stored.token);
    expect(parcels()).toEqual([]);
    expect((await pool().query('select 1 from keys.token_key where parcel_id = $1', [gone.parcelId])).rows).toEqual([]);
    expect(await server.served.app.get(KeyStore).tokenKey(gone.owner, gone.parcelId)).toBeNull();

    await cellar.logged('storage.delete', ({ objectId }) => objectId === atCellar);
    expect(cellar.hasBlob(atCellar)).toBe(false);
    expect(attic.hasBlob(atAttic)).toBe(true);
    const order = await broker.message('device', ({ type }) => type === 'storage.delete');
    expect(order.sig).toMatch(/^[0-9a-f]{128}$/);

    const reached = await (await central()).with(kept, heldByDevice(cellar), heldByApplication(ada)).reach(gone);
    expect(reached.some((bytes) => isSym1(bytes, layers.server))).toBe(true);
    // The first token of the same payload still opens for those who hold everything: only this one must not.
    const l2 = new Holdings(kept.secrets, [attic.blobs.at(-1)!]);
    expect(reached.filter((bytes) => isSym1(bytes, layers.application))).toEqual([]);
    expect(
      (await l2.with(await central(), heldByApplication(ada)).reach(gone)).filter((bytes) => bytes.equals(payload)),
    ).toEqual([]);
    await expect(fetched(ada, stored.token)).rejects.toMatchObject({ key: 'data_token.not_found' });

    broker.passes = () => true;
    await broker.say('device', order);
    expect(await fetched(ada, token)).toEqual(payload);
  });

  test('is still dead when the device offers the copy that it kept', async () => {
    const stored = await ada.session.store(payload);
    await settled();
    // An answer of before the deletion, given again after it.
    await fetched(ada, stored.token);
    await settled();
    const offer = broker.seen.server.findLast(({ type }) => type === 'storage.read_result');
    await ada.session.delete(stored.token);
    const before = (await pool().query(`select count(*)::int from es.event where type like 'data_token.%'`)).rows;
    await broker.say('server', offer!);
    expect((await pool().query(`select count(*)::int from es.event where type like 'data_token.%'`)).rows).toEqual(
      before,
    );
    expect(parcels()).toEqual([]);
    await expect(fetched(ada, stored.token)).rejects.toMatchObject({ key: 'data_token.not_found' });
  });
});
