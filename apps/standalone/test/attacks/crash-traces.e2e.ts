import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { randomBytes } from '@symbolon/crypto';
import { ManualClock } from '@symbolon/kernel';
import { connect } from '@symbolon/sdk';
import { type FreshDatabase, freshDatabase, TestServer, until } from '@symbolon/testing';
import { Housekeeping } from '../../../../libs/platform/src/housekeeping';
import { AgentRun, buildPrograms, ServerProcess, temporaryFolder } from '../server-process';
import { type Application, application, fetched, webSocket } from './parties';
import { filesBelow, Haystack } from './traces';

jest.setTimeout(120_000);

let database: FreshDatabase;
let server: ServerProcess;
let agent: AgentRun;
let folder: string;
let ada: Application;
/** Every payload that was handed in. What a plain client hands in is layer 1 itself: these bytes must lie nowhere. */
const handedIn: Buffer[] = [];

beforeAll(async () => {
  buildPrograms();
  database = await freshDatabase();
  folder = temporaryFolder();
  server = await ServerProcess.create({ DATABASE_URL: database.url });
  await server.start();
  ada = await application(server.url);
  const deviceIdentifier = await server.device(ada.session.token!, folder);
  agent = new AgentRun(folder);
  await agent.start();
  await ada.session.storage.register(deviceIdentifier);
});

afterAll(async () => {
  ada.session.close();
  await agent.kill('SIGKILL');
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
  await database.drop();
});

const rowsOf = async (sql: string): Promise<any[]> => (await database.pool.query(sql)).rows;
const count = async (from: string): Promise<number> => (await rowsOf(`select count(*)::int from ${from}`))[0].count;
const parcelFiles = () => filesBelow(join(server.dataDir, 'parcels'));

function payload(size: number): Buffer {
  const bytes = randomBytes(size);
  handedIn.push(bytes);
  return bytes;
}

async function reserve(): Promise<{ token: string; stream: string; again: () => Promise<string | null> }> {
  const { commandId } = await ada.session.command('/data-token/reserve-token-space', { context: 'raw', ttl: 60 });
  const path = `/data-token/retrieve-temporary-data-token/${commandId}`;
  const retrieve = () => ada.session.query<{ token: string; stream: string }>(path);
  return {
    ...(await retrieve()),
    again: () =>
      retrieve()
        .then(({ stream }) => stream)
        .catch(() => null),
  };
}

const upload = (stream: string, bytes: Buffer) =>
  fetch(stream, { method: 'POST', body: new Uint8Array(bytes) })
    .then(({ status }) => status)
    .catch(() => 0);

const isPermanent = async (token: string) => (await ada.session.list({ token })).items[0]?.status === 'permanent';

/** On no disk and in no row lies anything of what was handed in, however it is written. */
async function expectNoTraces(): Promise<void> {
  const everywhere = (await new Haystack().addDatabase(database.pool)).addFiles(server.dataDir).addFiles(folder);
  for (const bytes of handedIn)
    for (const piece of [bytes, bytes.subarray(bytes.length >> 1, (bytes.length >> 1) + 64)])
      expect(everywhere.find(piece)).toEqual([]);
  expect(everywhere.find(ada.profileId)).toContain('es.event');
  // A file that the kill left empty or all but empty can hold nothing, and its bytes could lie anywhere by chance.
  const sealed = [...parcelFiles(), ...filesBelow(join(folder, 'blobs'))].filter(({ bytes }) => bytes.length >= 16);
  for (const { path, bytes } of sealed) expect(everywhere.find(bytes.subarray(-64))).toEqual([path]);
}

/** Looks without a pause, so that the moment is met. */
async function asSoonAs(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('the moment did not come');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('C10: kill -9 of the server', () => {
  const events = (type: string) => () => count(`es.event where type = '${type}'`);
  test.each<[string, () => Promise<number>]>([
    ['the key of the parcel is made', () => count('keys.token_key')],
    ['the command is accepted', events('command.accepted')],
    ['the bytes are exchanged', events('data_token.data_exchanged')],
    ['the device is told', events('storage.write_dispatched')],
    ['the device has acknowledged', events('storage.write_acknowledged')],
  ])('as soon as %s: nothing readable is left, and a retry succeeds', async (_, steps) => {
    const bytes = payload(150_000);
    const space = await reserve();
    const before = await steps();
    const uploading = upload(space.stream, bytes);
    await asSoonAs(async () => (await steps()) > before);
    await server.kill('SIGKILL');
    await uploading;
    await expectNoTraces();

    await server.start();
    await until(async () => {
      if (await isPermanent(space.token)) return true;
      const stream = await space.again();
      if (stream) await upload(stream, bytes);
      return false;
    }, 'the token to be permanent');
    expect((await fetched(ada, space.token, true)).equals(bytes)).toBe(true);
  });

  test('in the middle of an upload, with a write that waits and an answer that nobody fetched', async () => {
    // An earlier kill may have left a file that only the sweep removes.
    const before = new Set(parcelFiles().map(({ path }) => path));
    const stored = await ada.session.store(payload(90_000), { raw: true });
    await agent.kill('SIGKILL');
    const waiting = payload(90_000);
    const space = await reserve();
    expect(await upload(space.stream, waiting)).toBe(202);

    const half = payload(400_000);
    const keys = await count('keys.token_key');
    const broken = await reserve();
    const stalled = new ReadableStream<Uint8Array>({ start: (sink) => sink.enqueue(new Uint8Array(half)) });
    const init = { method: 'POST', body: stalled, duplex: 'half' } as RequestInit;
    const breaking = fetch(broken.stream, init).catch(() => null);
    await until(
      async () => (await count('keys.token_key')) === keys + 1 && incoming().some(({ bytes }) => bytes.length > 0),
      'an upload under way',
    );
    await server.kill('SIGKILL');
    await breaking;
    expect(incoming().length).toBe(1);
    await expectNoTraces();
    await server.start();
    await agent.start();
    await until(() => isPermanent(space.token), 'the token to be permanent');
    expect((await fetched(ada, space.token, true)).equals(waiting)).toBe(true);

    await ada.session.command('/data-token/request-data', { token: stored.token });
    // That of the write goes in the background once the device has it.
    await until(async () => parcelFiles().filter(({ path }) => !before.has(path)).length === 1, 'one parcel');
    await server.kill('SIGKILL');
    await expectNoTraces();
    await server.start();
    expect((await fetched(ada, stored.token, true)).equals(handedIn.at(-3)!)).toBe(true);
  });
});

const incoming = () => filesBelow(join(server.dataDir, 'parcels', 'incoming'));

test('C10: kill -9 of the device in the middle of a write: only sealed bytes lie there, and the write ends well', async () => {
  const bytes = payload(6_000_000);
  const space = await reserve();
  const uploading = upload(space.stream, bytes);
  await asSoonAs(async () => readdirSync(join(folder, 'drafts')).length > 0);
  await agent.kill('SIGKILL');
  expect(await uploading).toBe(202);
  await expectNoTraces();
  await agent.start();
  await until(() => isPermanent(space.token), 'the token to be permanent');
  expect((await fetched(ada, space.token, true)).equals(bytes)).toBe(true);
  expect(readdirSync(join(folder, 'drafts'))).toEqual([]);
});

test('C10: after the sweep no key and no parcel is left that no token names', async () => {
  const named = async () =>
    (
      await rowsOf(`select distinct on (stream) data->'dataKey'->>'keyId' as key from es.event
                     where type = 'data_token.data_exchanged' order by stream, revision desc`)
    ).map(({ key }) => key);
  const keys = async () => (await rowsOf('select parcel_id as key from keys.token_key')).map(({ key }) => key);
  const tokens = (await ada.session.list({ status: 'permanent' })).items.map(({ token }) => token);
  // The broken upload and the answer that nobody fetched are still there.
  expect((await keys()).length).toBeGreaterThan((await named()).length);
  expect(parcelFiles().length).toBeGreaterThan(0);
  ada.session.close();
  await server.kill('SIGKILL');

  const { dataDir, port } = server;
  const clock = new ManualClock(Date.now() + 26 * 3600_000);
  const later = await TestServer.start({ clock, on: { database, dataDir, port } });
  await until(async () => (await keys()).length === (await named()).length, 'a key for each parcel');
  await later.served.app.get(Housekeeping).sweep();
  await until(async () => parcelFiles().length === 0, 'no parcel');
  expect((await keys()).sort()).toEqual((await named()).sort());
  expect((await rowsOf('select parcel_id as key from token_vault.parcel')).map(({ key }) => key).sort()).toEqual(
    (await keys()).sort(),
  );
  expect(await count('token_vault.download')).toBe(0);

  // What is named still opens, and what was swept can be tried anew.
  const { username, password, keys: own } = ada;
  const session = await connect({ url: server.url, username, password, keys: own, webSocket });
  const me = { ...ada, session };
  await until(async () => (await session.storage.list()).items[0]?.online, 'the device to be online');
  expect(tokens.length).toBe((await named()).length);
  for (const token of tokens) {
    const bytes = await fetched(me, token, true);
    expect(handedIn.some((known) => known.equals(bytes))).toBe(true);
  }
  const again = await session.store(handedIn[0]!, { raw: true });
  expect((await fetched(me, again.token, true)).equals(handedIn[0]!)).toBe(true);
  await expectNoTraces();
  session.close();
  await later.stop({ keep: true });
});
