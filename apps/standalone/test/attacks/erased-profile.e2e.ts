import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guessText } from '@symbolon/contracts';
import { FileKeyRing, KeyStore, PersonalBoxes, randomBytes } from '@symbolon/crypto';
import { EventStore, type Recorded } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { ProjectionRunner } from '@symbolon/projection';
import { connect, ProfileKeys, registerProfile } from '@symbolon/sdk';
import { password, TestServer } from '@symbolon/testing';
import { type Application, StorageDevice, webSocket } from './parties';
import { filesBelow, Haystack } from './traces';

jest.setTimeout(120_000);

/** What one person says of herself, and cannot be taken for anything else. */
interface Person {
  readonly application: Application;
  readonly device: StorageDevice;
  readonly planted: Readonly<Record<string, string>>;
}

let server: TestServer;
let ada: Person;
let eve: Person;
/** All that ada's boxes held while her key was there. */
let openedBefore: Haystack;

async function person(name: string): Promise<Person> {
  const plant = (what: string) => `${randomBytes(8).toString('hex')} ${name} ${what} ${randomBytes(8).toString('hex')}`;
  const planted = {
    username: `${plant('username').replaceAll(' ', '.')}@example.org`,
    deviceName: plant('device name'),
    newDeviceName: plant('new device name'),
    deviceMeta: plant('device meta'),
    context: plant('context'),
    fileName: plant('file name'),
    extension: plant('extension').slice(0, 30),
    data: plant('data'),
    label: plant('label'),
    location: plant('location'),
    userAgent: plant('user agent'),
    application: plant('application'),
  };
  const { url } = server;
  const { username } = planted;
  const { profileId } = await registerProfile({ url, username, password });
  const session = await connect({ url, username, password, webSocket });
  const keys = await ProfileKeys.generate();
  await session.registerKeys(keys);
  const application: Application = { profileId, username, password, keys, session };
  const device = await StorageDevice.of(application, url);

  const token = session.token!;
  const headers = { 'user-agent': planted.userAgent, 'x-symbolon-location': planted.location };
  const call = (path: string, json: object) => server.post(path, { token, json, headers, wait: 30 });
  const deviceMeta = { note: planted.deviceMeta };
  await call('/device/request-unique-identifier', { deviceName: planted.deviceName, meta: deviceMeta });
  const { deviceIdentifier } = device;
  await call('/device/configure-meta', { deviceIdentifier, name: planted.newDeviceName, meta: deviceMeta });
  const meta = {
    file: { fileName: planted.fileName, extension: planted.extension },
    data: { type: planted.data },
    information_security_risk: { classification: 'c', label: planted.label, handling: 'h' },
  };
  for (let n = 1; n <= 2; n++) {
    const { commandId } = (await call('/data-token/reserve-token-space', { context: planted.context, meta })).body;
    const space = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, { token });
    const fields = { temporaryTokenSpace: space.body.token, data: randomBytes(200).toString('base64') };
    // The second stays temporary.
    if (n === 1) expect((await call('/data-token/exchange-data-for-token', fields)).body.status).toBe('succeeded');
  }
  await call('/profile/oauth-application-register', {
    name: planted.application,
    redirectUri: 'https://app.example/back',
    scopes: ['all'],
  });
  await server.post('/profile/authenticate', { json: { username, password: 'not the right one' }, headers });
  await server.get(`/public-key/retrieve-public-key?deviceIdentifier=${profileId.replace(/.$/, '0')}`, {
    token,
    headers,
  });
  return { application, device, planted };
}

/** Every event with the subjects that it has boxes for, as somebody reads them who has the key ring. */
async function opened(subject?: string): Promise<Haystack> {
  const ring = await FileKeyRing.open({
    path: join(server.dataDir, 'key-ring.sym'),
    masterPath: join(server.dataDir, 'key-ring.master'),
  });
  const boxes = new PersonalBoxes(new KeyStore(server.database.pool, ring));
  const { rows } = await server.database.pool.query<Recorded>(
    `select stream, type, id, data from es.event where data ? 'sealed'`,
  );
  const haystack = new Haystack();
  for (const event of rows) {
    for (const one of Object.keys((event.data as { sealed: object }).sealed)) {
      if (subject === undefined || one === subject)
        haystack.add(event.type, JSON.stringify(await boxes.open(event, one)));
    }
  }
  return haystack;
}

async function found(sql: string, values: unknown[] = []): Promise<void> {
  while ((await server.database.pool.query(sql, values)).rowCount === 0) await new Promise(setImmediate);
}

const placesOf = (haystack: Haystack, { planted }: Person) =>
  Object.entries(planted).flatMap(([name, value]) => haystack.find(value).map((place) => `${name} in ${place}`));

beforeAll(async () => {
  server = await TestServer.start();
  [ada, eve] = [await person('ada'), await person('eve')];
  openedBefore = await opened(ada.application.profileId);

  const { token } = ada.application.session;
  const { body } = await server.post('/profile/delete-account', { token: token!, json: { password }, wait: 30 });
  expect(body.status).toBe('succeeded');
  await found(
    `select 1 where (select count(*) from es.event where type = 'data_token.deleted') = 2
        and (select count(*) from es.event where type = 'device.removed') = 2`,
  );
  const runner = server.served.app.get(ProjectionRunner);
  await runner.passed(await server.served.app.get(EventStore).tail());
});

afterAll(async () => {
  for (const { application, device } of [ada, eve]) {
    application.session.close();
    await device.discard();
  }
  await server.stop();
});

describe('K1: after the deletion of an account', () => {
  test('nothing that the person said lies readable in any table', async () => {
    const dump = await new Haystack().addDatabase(server.database.pool);
    expect(placesOf(dump, ada)).toEqual([]);
    expect(dump.find('127.0.0.1')).toEqual([]);
    // What the search finds where it is: ids, which name nobody.
    expect(dump.find(ada.application.profileId)).toContain('es.event');
    expect(dump.find('profile.deleted')).toContain('es.event');
    await server.database.pool.query('create table public.control (text text, bytes bytea)');
    await server.database.pool.query('insert into public.control values ($1, $2)', [
      ada.planted['context'],
      Buffer.from(ada.planted['username']!),
    ]);
    const control = await new Haystack().addDatabase(server.database.pool);
    await server.database.pool.query('drop table public.control');
    expect(placesOf(control, ada)).toEqual(['username in public.control', 'context in public.control']);
  });

  test('nor in any file of the server, nor in names or contents of what the device keeps', () => {
    const files = new Haystack().addFiles(server.dataDir).addFiles(ada.device.dir).addFiles(eve.device.dir);
    expect(placesOf(files, ada)).toEqual([]);
    expect(placesOf(files, eve)).toEqual([]);
    expect(files.size).toBeGreaterThan(1000);
    // The device that was there has deleted the data as well; the other one's is where it was.
    expect(ada.device.blobs).toEqual([]);
    expect(eve.device.blobs).toHaveLength(1);
    expect(files.find(ada.device.deviceIdentifier)).toContain(join(ada.device.dir, 'login.json'));
    const parcels = filesBelow(join(server.dataDir, 'parcels'));
    expect(parcels.map(({ bytes }) => bytes.length).filter((length) => length > 0)).toEqual([]);
  });

  test('every box is a tombstone, also for who has the key ring; those of others open', async () => {
    const boxesOf = async (profileId: string) =>
      Number(
        (
          await server.database.pool.query(
            `select count(*) from es.event where data->'sealed' ? $1 and data->'sealed'->>$1 is not null`,
            [profileId],
          )
        ).rows[0].count,
      );
    expect(await boxesOf(ada.application.profileId)).toBeGreaterThan(20);
    const after = await opened(ada.application.profileId);
    expect(placesOf(after, ada)).toEqual([]);
    expect(after.find('127.0.0.1')).toEqual([]);

    const names = (haystack: Haystack, who: Person) => [
      ...new Set(placesOf(haystack, who).map((place) => place.split(' in ')[0])),
    ];
    // The controls: before her deletion they were all there to be read, and those of the other person still are.
    expect(names(openedBefore, ada)).toEqual(Object.keys(ada.planted));
    expect(names(await opened(), eve)).toEqual(Object.keys(eve.planted));
    expect(openedBefore.find('127.0.0.1').length).toBeGreaterThan(5);
  });

  test('no key, sealed string or look-up row is left of it, of its devices and tokens', async () => {
    const { pool } = server.database;
    const subjects = [ada.application.profileId, ada.device.deviceIdentifier];
    const count = async (sql: string, values: unknown[]) => (await pool.query(sql, values)).rowCount;
    const of = (ids: readonly string[]) =>
      Promise.all([
        count('select 1 from keys.subject_key where subject_id = any($1) and wrapped is not null', [ids]),
        count('select 1 from keys.profile_key where profile_id = any($1)', [ids]),
        count('select 1 from keys.token_key where owner_id = any($1)', [ids]),
        count('select 1 from keys.sealed_string where subject_id = any($1)', [ids]),
        count('select 1 from identity.profile where profile_id = any($1) and username is not null and not barred', [
          ids,
        ]),
        count(
          `select 1 from keys.lookup join token_vault.token on id = token_id::text
            where kind = 'data-token' and profile_id = any($1)`,
          [ids],
        ),
        count(
          `select 1 from keys.lookup join identity.session on id = token_id::text
            where kind = 'authorization' and profile_id = any($1)`,
          [ids],
        ),
      ]);
    expect(await of(subjects)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    const others = await of([eve.application.profileId, eve.device.deviceIdentifier]);
    for (const number of others) expect(number).toBeGreaterThan(0);
  });

  test('without the key ring no username and no address can be confirmed by dictionary', async () => {
    const dump = await new Haystack().addDatabase(server.database.pool);
    const dictionary = [ada.planted['username']!, eve.planted['username']!, '127.0.0.1', '::1', '::ffff:127.0.0.1'];
    const kinds = ['', 'username', 'address', 'login', 'claim', ada.application.profileId];
    const texts = dictionary.flatMap((value) =>
      [value, value.toUpperCase()].flatMap((form) => [
        Buffer.from(form),
        ...kinds.flatMap((kind) => [
          ...[':', ''].map((between) => Buffer.from(`${kind}${between}${form}`)),
          Buffer.from(guessText(kind, form)),
          Buffer.from(JSON.stringify([kind, form])),
        ]),
      ]),
    );
    for (const text of texts) {
      for (const algorithm of ['sha1', 'sha256', 'sha512', 'blake2b512']) {
        expect(dump.find(createHash(algorithm).update(text).digest())).toEqual([]);
      }
    }
    // Nor with the keys of another installation; with the ring of this one, which is the control, it can.
    const dir = mkdtempSync(join(tmpdir(), 'symbolon-ring-'));
    try {
      const foreign = await FileKeyRing.open({
        path: join(dir, 'key-ring.sym'),
        masterPath: join(dir, 'key-ring.master'),
      });
      const stranger = new KeyStore(server.database.pool, foreign);
      const own = server.served.app.get(KeyStore);
      for (const [kind, value] of [
        ['username', ada.planted['username']!],
        ['address', '127.0.0.1'],
      ] as const) {
        expect(dump.find(stranger.hashGuess(kind, value))).toEqual([]);
        expect(dump.find(own.hashGuess(kind, value))).toContain('es.event');
      }
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test('read models that are made anew from the log are what they were', async () => {
    const { app } = server.served;
    const runner = app.get(ProjectionRunner);
    const store = app.get(EventStore);
    const { projections } = app.get(Registry).contents();
    expect(projections.length).toBeGreaterThan(5);
    const tables = [...new Set(projections.flatMap((projection) => projection.tables))];
    const before = await rowsOf(tables);
    const tail = (await store.tail())!;
    for (const { name } of projections) expect(await runner.rebuild(name)).toBe(true);
    const isBehind = async () =>
      (
        await server.database.pool.query<{ cursor: string | null }>(
          'select cursor from engine.checkpoint where name = any($1)',
          [projections.map(({ name }) => name)],
        )
      ).rows.some(({ cursor }) => !store.reached(cursor, tail));
    while (await isBehind()) await new Promise(setImmediate);
    expect(await rowsOf(tables)).toEqual(before);
    const dump = await new Haystack().addDatabase(server.database.pool);
    expect([...placesOf(dump, ada), ...placesOf(dump, eve)]).toEqual([]);
  });

  /** What the tables hold; a box is another one each time that it is made, and is told only from none. */
  async function rowsOf(tables: readonly string[]): Promise<Record<string, string[]>> {
    const all: Record<string, string[]> = {};
    for (const table of tables) {
      const { rows } = await server.database.pool.query<{ row: string }>(
        `select to_jsonb(t)::text as row from ${table} t`,
      );
      all[table] = rows.map(({ row }) => row.replaceAll(/"[A-Za-z0-9_-]{96,}"/g, '"box"')).sort();
    }
    return all;
  }
});
