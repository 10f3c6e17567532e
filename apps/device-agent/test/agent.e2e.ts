import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { generateEd25519, generateKeyPair, parsePublicKey, randomBytes, uuid7 } from '@symbolon/crypto';
import { instant, ManualClock } from '@symbolon/kernel';
import { type AgentOptions, type RunningAgent, runAgent } from '../src/agent';
import { exits } from '../src/halt';
import { ChannelServer, described, discard, newObjectId } from './channel-server';

const pace = { retryFirst: 5, retryMost: 40, resendAfter: 200, silence: 60_000, keySetPause: 0 };
const day = 24 * 60 * 60 * 1000;

let server: ChannelServer;
let dir: string;
let agent: RunningAgent | null = null;
let events: { event: string; [field: string]: unknown }[] = [];

beforeEach(async () => {
  server = await ChannelServer.start();
  dir = await server.newHome();
  events = [];
});

afterEach(async () => {
  await agent?.stop();
  agent = null;
  await server.stop();
  await discard(dir);
});

async function start(options: Partial<AgentOptions> = {}): Promise<RunningAgent> {
  agent = runAgent({
    dir,
    pace,
    log: (event, fields) => {
      events.push({ event, ...fields });
      server.notice();
    },
    ...options,
  });
  await agent.ready;
  return agent;
}

async function restart(options: Partial<AgentOptions> = {}): Promise<void> {
  await agent?.stop();
  await start(options);
}

function logged(event: string, id?: string): Promise<Record<string, unknown>> {
  return server.until(() => events.find((line) => line.event === event && (id === undefined || line['id'] === id)));
}

async function write(objectId: string, version: number, bytes: Uint8Array): Promise<string> {
  const id = server.order('storage.write', {
    objectId,
    version,
    ...described(bytes),
    payload: Buffer.from(bytes).toString('base64'),
  });
  expect((await server.answerTo(id)).content).toMatchObject({ objectId, version, sha256: described(bytes).sha256 });
  await server.ackOf(id);
  return id;
}

async function read(objectId: string, version: number): Promise<Record<string, unknown>> {
  const id = server.order('storage.read', { objectId, version, uploadUrl: null, uploadUrlExpiresAt: null });
  return (await server.answerTo(id)).content;
}

async function inventory(after: string | null = null, limit = 500): Promise<{ items: unknown[]; next: string | null }> {
  const id = server.order('storage.inventory', { after, limit });
  return (await server.answerTo(id, 'storage.inventory_result')).content as { items: unknown[]; next: string | null };
}

/** Paths of all blobs. */
function blobs(of = dir): string[] {
  return readdirSync(join(of, 'blobs')).flatMap((shard) =>
    readdirSync(join(of, 'blobs', shard)).map((name) => join(of, 'blobs', shard, name)),
  );
}

/** Every file below a directory. */
function files(of: string): string[] {
  return readdirSync(of, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? files(join(of, entry.name)) : [join(of, entry.name)],
  );
}

const inAnHour = (): string => instant(Date.now() + 3_600_000);

describe('pairing', () => {
  it('makes keys of its own, registers their public halves and keeps them to the owner', async () => {
    await start();
    expect(server.registered?.publicKey).toMatch(/^31420500[0-9a-f]{192}$/);
    expect(server.registered?.signingKey).toMatch(/^[0-9a-f]{64}$/);
    expect(statSync(dir).mode % 0o1000).toBe(0o700);
    for (const file of files(dir)) expect([file, statSync(file).mode % 0o1000]).toEqual([file, 0o600]);
  });

  it('registers once and keeps its keys over restarts', async () => {
    await start();
    const { registered } = server;
    await restart();
    expect(server.registrations).toBe(1);
    expect(server.registered).toEqual(registered);
  });

  it('takes up a pairing that broke off after the registration', async () => {
    await start();
    await agent?.stop();
    await rm(join(dir, 'paired.json'));
    await start();
    expect(server.registrations).toBe(1);
  });

  it('refuses a changed cab-public-key until it is paired anew', async () => {
    await start();
    await agent?.stop();
    server.furnish(dir, { 'cab-public-key': generateKeyPair().publicKey });
    agent = runAgent({ dir, pace });
    await expect(agent.ready).rejects.toMatchObject({ exit: exits.serverChanged });
    await start({ pairAnew: true });
  });

  it('refuses keys that were exchanged behind its back', async () => {
    await start();
    await agent?.stop();
    writeFileSync(join(dir, 'exchange.key'), randomBytes(32));
    agent = runAgent({ dir, pace });
    await expect(agent.ready).rejects.toMatchObject({ exit: exits.usage });
  });

  it('does not make new keys where stored data hang on the old ones', async () => {
    await start();
    await agent?.stop();
    await rm(join(dir, 'master.key'));
    agent = runAgent({ dir, pace });
    await expect(agent.ready).rejects.toThrow('master.key is missing');
  });

  it.each([
    ['a wrong login', 'login.json', { url: 'http://127.0.0.1', username: 'x' }, exits.usage],
    ['no client-secret', 'device.json', { 'device-identifier': uuid7() }, exits.usage],
  ])('stops with a sentence at %s', async (_, file, content, exit) => {
    writeFileSync(join(dir, file), JSON.stringify(content));
    agent = runAgent({ dir, pace });
    expect(await agent.ended).toEqual({ exit, sentence: expect.stringContaining(file) as string });
  });

  it('stops when the server does not know the login', async () => {
    writeFileSync(
      join(dir, 'login.json'),
      JSON.stringify({ url: server.url, username: server.username, password: 'no' }),
    );
    agent = runAgent({ dir, pace });
    expect(await agent.ended).toMatchObject({ exit: exits.refused });
  });

  it('lets no second agent run on the directory, and a dead one not be in the way', async () => {
    await start();
    const second = runAgent({ dir, pace });
    expect(await second.ended).toMatchObject({ exit: exits.inUse });
    await agent?.stop();
    writeFileSync(join(dir, 'agent.lock'), JSON.stringify({ pid: process.pid, started: 'another boot' }));
    await start();
  });
});

describe('storage', () => {
  beforeEach(() => start().then(() => undefined));

  it.each([0, 1, 16_384, 65_536])('keeps and gives back %i bytes inside messages', async (length) => {
    const objectId = newObjectId();
    const bytes = randomBytes(length);
    await write(objectId, 1, bytes);
    expect(await read(objectId, 1)).toEqual({
      objectId,
      version: 1,
      found: true,
      ...described(bytes),
      payload: bytes.toString('base64'),
    });
  });

  it.each([65_537, 3_000_000])('keeps and gives back %i bytes by claim check', async (length) => {
    const objectId = newObjectId();
    const bytes = randomBytes(length);
    const order = {
      objectId,
      version: 1,
      ...described(bytes),
      payloadUrl: server.offer(bytes),
      payloadUrlExpiresAt: inAnHour(),
    };
    const written = server.order('storage.write', order);
    expect((await server.answerTo(written)).type).toBe('storage.write_ack');
    const upload = server.expectUpload();
    const asked = server.order('storage.read', {
      objectId,
      version: 1,
      uploadUrl: upload.url,
      uploadUrlExpiresAt: inAnHour(),
    });
    expect((await upload.bytes).equals(bytes)).toBe(true);
    expect((await server.answerTo(asked)).content).toEqual({
      objectId,
      version: 1,
      found: true,
      ...described(bytes),
      uploaded: true,
    });
  });

  it('says so when it does not hold an object', async () => {
    const objectId = newObjectId();
    expect(await read(objectId, 3)).toEqual({ objectId, version: 3, found: false });
  });

  it('refuses to send a large object without an uploadUrl', async () => {
    const objectId = newObjectId();
    const bytes = randomBytes(70_000);
    await write(objectId, 1, bytes);
    const id = server.order('storage.read', { objectId, version: 1, uploadUrl: null, uploadUrlExpiresAt: null });
    expect((await server.answerTo(id)).content).toMatchObject({ code: 'device.envelope_invalid' });
  });

  it('keeps every version until it is told to delete, with a receipt also for nothing', async () => {
    const objectId = newObjectId();
    for (const version of [1, 2, 3]) await write(objectId, version, Buffer.from(`v${version}`));
    const deletion = server.order('storage.delete', { objectId, upToVersion: 2 });
    const receipt = await server.answerTo(deletion);
    expect(receipt.type).toBe('storage.delete_ack');
    expect(receipt.content).toEqual({ objectId, upToVersion: 2, deletedAt: receipt.at });
    expect(await read(objectId, 1)).toMatchObject({ found: false });
    expect(await read(objectId, 2)).toMatchObject({ found: false });
    expect(await read(objectId, 3)).toMatchObject({ found: true });
    expect(blobs()).toHaveLength(1);
    const nothing = server.order('storage.delete', { objectId: newObjectId(), upToVersion: 9 });
    expect((await server.answerTo(nothing)).type).toBe('storage.delete_ack');
  });

  it('takes new bytes for a version: a failed write may be followed by another', async () => {
    const objectId = newObjectId();
    await write(objectId, 1, Buffer.from('first'));
    await write(objectId, 1, Buffer.from('second'));
    expect(await read(objectId, 1)).toMatchObject(described(Buffer.from('second')));
    expect(blobs()).toHaveLength(1);
  });

  it('lists what it holds in pages, ascending, all versions of an object together', async () => {
    const ids = Array.from({ length: 5 }, newObjectId).sort();
    for (const objectId of ids) await write(objectId, 1, Buffer.from(objectId));
    await write(ids[1] ?? '', 2, Buffer.from('more'));
    const listed: unknown[] = [];
    let next: string | null = null;
    let pages = 0;
    do {
      const page = await inventory(next, 2);
      listed.push(...page.items);
      next = page.next;
      pages++;
    } while (next !== null);
    const first = ids.map((objectId) => ({ objectId, version: 1, ...described(Buffer.from(objectId)) }));
    const second = { objectId: ids[1], version: 2, ...described(Buffer.from('more')) };
    expect(listed).toEqual([...first.slice(0, 2), second, ...first.slice(2)]);
    expect(pages).toBe(3);
  });

  it('lists the same after a restart', async () => {
    const objectId = newObjectId();
    await write(objectId, 1, Buffer.from('a'));
    await write(objectId, 2, Buffer.from('b'));
    server.order('storage.delete', { objectId, upToVersion: 1 });
    await server.until(() => server.said.find(({ type }) => type === 'storage.delete_ack'));
    const before = await inventory();
    await restart();
    expect(await inventory()).toEqual(before);
    expect(before.items).toHaveLength(1);
  });

  it('answers pings, and confirms what it does not answer', async () => {
    const ping = server.plain('device.ping', {});
    expect(await server.answerTo(ping)).toMatchObject({ type: 'device.pong', content: {} });
    const error = server.plain('error', { code: 'device.unseal_failed', message: '', refType: 'storage.write_ack' });
    await server.ackOf(error);
    expect(server.said.filter(({ correlationId }) => correlationId === error)).toEqual([]);
  });

  it('serves small orders while large payloads stand still', async () => {
    const hung = new Promise<void>(() => undefined);
    for (let count = 0; count < 20; count++) {
      const order = { objectId: newObjectId(), version: 1, ...described(randomBytes(70_000)) };
      const payloadUrl = server.offer(Buffer.alloc(70_000), { before: hung });
      await server.ackOf(server.order('storage.write', { ...order, payloadUrl, payloadUrlExpiresAt: inAnHour() }));
    }
    await write(newObjectId(), 1, Buffer.from('small'));
  });

  it('carries out the orders about one object in the order they came', async () => {
    const objectId = newObjectId();
    let release: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (release = resolve));
    const bytes = randomBytes(70_000);
    const payloadUrl = server.offer(bytes, { before: slow });
    const writing = server.order('storage.write', {
      objectId,
      version: 1,
      ...described(bytes),
      payloadUrl,
      payloadUrlExpiresAt: inAnHour(),
    });
    const deletion = server.order('storage.delete', { objectId, upToVersion: 1 });
    release();
    expect((await server.answerTo(writing)).type).toBe('storage.write_ack');
    expect((await server.answerTo(deletion)).type).toBe('storage.delete_ack');
    expect(blobs()).toEqual([]);
  });

  it('confirms more orders than a window holds and keeps the window for its answers', async () => {
    server.acking = false;
    const objectId = newObjectId();
    await write(objectId, 1, Buffer.from('x'));
    const asked = Array.from({ length: 150 }, () =>
      server.order('storage.read', { objectId, version: 1, uploadUrl: null, uploadUrlExpiresAt: null }),
    );
    for (const id of asked) await server.ackOf(id);
    const distinct = (): number => new Set(server.arrivals).size;
    await server.until(() => distinct() === 100);
    server.plain('device.ping', {});
    await server.until(() => server.arrivals.length > 150);
    expect(distinct()).toBe(100);
    server.acking = true;
    await server.until(() => server.said.length >= 151);
  });

  it('takes acks however many orders are under way, and answers all of them', async () => {
    server.acking = false;
    const objectId = newObjectId();
    await write(objectId, 1, Buffer.from('x'));
    const read = { objectId, version: 1, uploadUrl: null, uploadUrlExpiresAt: null };
    // Nearly as many as may be under way together with the answers that wait for room; then some that fill the wire.
    const asked = Array.from({ length: 390 }, () => server.order('storage.read', read));
    for (const id of asked) await server.ackOf(id);
    const payload = randomBytes(60_000);
    const written = Array.from({ length: 50 }, () => {
      const order = { objectId: newObjectId(), version: 1, ...described(payload) };
      return server.order('storage.write', { ...order, payload: payload.toString('base64') });
    });
    server.confirmAll();
    for (const id of asked) await server.answerTo(id, 'storage.read_result');
    for (const id of written) await server.answerTo(id, 'storage.write_ack');
    for (const id of written) await server.ackOf(id);
  });
});

describe('what must be refused', () => {
  beforeEach(() => start().then(() => undefined));

  it.each([
    ['no JSON', 'hello'],
    ['a number', '1'],
    ['no envelope', '{"v":1}'],
    ['binary', Buffer.from([1, 2, 3])],
  ])('answers %s with an error and goes on', async (_, frame) => {
    server.raw(frame);
    expect((await server.answerTo(null, 'error')).content).toMatchObject({ code: 'device.envelope_invalid' });
    await write(newObjectId(), 1, Buffer.from('still there'));
  });

  it.each([
    ['another version', { v: 2 }],
    ['a wrong time', { at: 'yesterday' }],
    ['an unknown type', { type: 'device.dance', body: {} }],
    ['no body', { body: null }],
    ['a body that is not sealed', { body: { objectId: '1' } }],
  ])('confirms a message with %s and answers device.envelope_invalid', async (_, changes) => {
    const envelope = { ...server.seal('storage.inventory', { after: null, limit: 1 }), ...changes };
    server.send(envelope.id, JSON.stringify(envelope));
    expect(await server.answerTo(envelope.id)).toMatchObject({
      type: 'error',
      content: { code: 'device.envelope_invalid' },
    });
    await server.ackOf(envelope.id);
  });

  it.each([
    ['storage.write', { objectId: 'x', version: 1, size: 0, sha256: described(Buffer.alloc(0)).sha256, payload: '' }],
    ['storage.write', { objectId: newObjectId(), version: 0, ...described(Buffer.alloc(0)), payload: '' }],
    ['storage.write', { objectId: newObjectId(), version: 1.5, ...described(Buffer.alloc(0)), payload: '' }],
    ['storage.write', { objectId: newObjectId(), version: 1, ...described(Buffer.alloc(0)) }],
    [
      'storage.write',
      {
        objectId: newObjectId(),
        version: 1,
        ...described(Buffer.alloc(9)),
        payloadUrl: 'file:///etc/passwd',
        payloadUrlExpiresAt: instant(0),
      },
    ],
    ['storage.read', { objectId: newObjectId() }],
    ['storage.delete', { objectId: newObjectId(), upToVersion: '9' }],
    ['storage.inventory', { after: null, limit: 501 }],
    ['storage.dance', {}],
    ['ballot.issued', {}],
    ['storage.read', ['no object']],
  ])('answers %s with a malformed content by device.envelope_invalid', async (type, content) => {
    const id = server.order(type, content);
    expect(await server.answerTo(id)).toMatchObject({
      type: 'error',
      content: { code: 'device.envelope_invalid', refType: type },
    });
    await server.ackOf(id);
    expect(blobs()).toEqual([]);
  });

  it('answers what is for another device by device.envelope_invalid', async () => {
    const id = server.order('storage.inventory', { after: null, limit: 1 }, { deviceIdentifier: uuid7() });
    expect((await server.answerTo(id)).content).toMatchObject({ code: 'device.envelope_invalid' });
  });

  it('answers what was sealed to another key by device.unseal_failed', async () => {
    const sealTo = parsePublicKey(generateKeyPair().publicKey).raw;
    const id = server.order('storage.inventory', { after: null, limit: 1 }, { sealTo });
    expect((await server.answerTo(id)).content).toMatchObject({ code: 'device.unseal_failed' });
  });

  it.each([
    ['digest', { sha256: described(Buffer.from('other')).sha256 }],
    ['size', { size: 4 }],
  ])(
    'answers a wrong %s by storage.digest_mismatch, and stores the right bytes under the same id',
    async (_, wrong) => {
      const objectId = newObjectId();
      const bytes = Buffer.from('bytes');
      const right = { objectId, version: 1, ...described(bytes), payload: bytes.toString('base64') };
      const id = server.order('storage.write', { ...right, ...wrong });
      expect((await server.answerTo(id)).content).toMatchObject({ code: 'storage.digest_mismatch' });
      expect(blobs()).toEqual([]);
      server.order('storage.write', right, { id });
      expect((await server.answerTo(id, 'storage.write_ack')).content).toMatchObject({ objectId });
    },
  );

  it.each([
    ['other bytes', Buffer.alloc(70_000, 1), {}],
    ['fewer bytes', Buffer.alloc(69_000), {}],
    ['more bytes', Buffer.alloc(71_000), {}],
  ])('answers a download of %s by storage.digest_mismatch and keeps nothing', async (_, offered, options) => {
    const content = { objectId: newObjectId(), version: 1, ...described(Buffer.alloc(70_000)) };
    const payloadUrl = server.offer(offered, options);
    const id = server.order('storage.write', { ...content, payloadUrl, payloadUrlExpiresAt: inAnHour() });
    expect((await server.answerTo(id)).content).toMatchObject({ code: 'storage.digest_mismatch' });
    expect([...blobs(), ...readdirSync(join(dir, 'drafts')), ...readdirSync(join(dir, 'held'))]).toEqual([]);
  });

  it('answers a payload that it cannot open by device.unseal_failed and keeps nothing', async () => {
    const content = { objectId: newObjectId(), version: 1, ...described(Buffer.alloc(70_000)) };
    const payloadUrl = server.offer(Buffer.alloc(70_000), { sealTo: parsePublicKey(generateKeyPair().publicKey).raw });
    const id = server.order('storage.write', { ...content, payloadUrl, payloadUrlExpiresAt: inAnHour() });
    expect((await server.answerTo(id)).content).toMatchObject({ code: 'device.unseal_failed' });
    expect([...blobs(), ...readdirSync(join(dir, 'drafts')), ...readdirSync(join(dir, 'held'))]).toEqual([]);
  });

  it('answers storage.write_failed while the disk takes nothing, and stores the redelivery', async () => {
    const objectId = newObjectId();
    const bytes = Buffer.from('later');
    const content = { objectId, version: 1, ...described(bytes), payload: bytes.toString('base64') };
    renameSync(join(dir, 'drafts'), join(dir, 'drafts-away'));
    const id = server.order('storage.write', content);
    expect((await server.answerTo(id)).content).toMatchObject({ code: 'storage.write_failed' });
    renameSync(join(dir, 'drafts-away'), join(dir, 'drafts'));
    server.order('storage.write', content, { id });
    await server.answerTo(id, 'storage.write_ack');
    expect(await read(objectId, 1)).toMatchObject({ found: true });
  });

  it('answers a damaged blob, one of another object and one of another version by storage.digest_mismatch (C3)', async () => {
    const [a, b] = [newObjectId(), newObjectId()];
    await write(a, 1, Buffer.from('of a'));
    const [ofA = ''] = blobs();
    await write(b, 1, Buffer.from('of b'));
    const ofB = blobs().find((path) => path !== ofA) ?? '';
    await write(b, 2, Buffer.from('of b, v2'));
    const ofB2 = blobs().find((path) => path !== ofA && path !== ofB) ?? '';
    const refusal = async (objectId: string, version: number): Promise<unknown> =>
      (await read(objectId, version))['code'];
    await copyFile(ofA, ofB);
    expect(await refusal(b, 1)).toBe('storage.digest_mismatch');
    await copyFile(ofA, ofB2);
    expect(await refusal(b, 2)).toBe('storage.digest_mismatch');
    const bytes = readFileSync(ofA);
    bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 1, bytes.length - 1);
    writeFileSync(ofA, bytes);
    expect(await refusal(a, 1)).toBe('storage.digest_mismatch');
    writeFileSync(ofA, bytes.subarray(0, 20));
    expect(await refusal(a, 1)).toBe('storage.digest_mismatch');
  });
});

describe('who may order (C6)', () => {
  let objectId: string;
  beforeEach(async () => {
    await start();
    objectId = newObjectId();
    await write(objectId, 1, Buffer.from('precious'));
  });

  it.each([
    ['unsigned', null],
    ['signed by a stranger', generateEd25519()],
  ])('drops orders that are %s, without a word', async (_, signer) => {
    for (const [type, content] of [
      ['storage.delete', { objectId, upToVersion: 1 }],
      ['storage.read', { objectId, version: 1, uploadUrl: null, uploadUrlExpiresAt: null }],
      ['ballot.issued', { ballotId: uuid7() }],
    ] as const) {
      const id = server.order(type, content, { signer });
      await logged('order-forged', id);
      await server.ackOf(id);
      expect(server.said.filter(({ correlationId }) => correlationId === id)).toEqual([]);
    }
    expect(await read(objectId, 1)).toMatchObject({ found: true });
  });

  it('drops an order whose signed lines were altered', async () => {
    const deletion = server.seal('storage.delete', { objectId, upToVersion: 1 });
    const forged = { ...deletion, id: uuid7() };
    server.send(forged.id, JSON.stringify(forged));
    await logged('order-forged', forged.id);
    expect(await read(objectId, 1)).toMatchObject({ found: true });
  });

  it('takes over a key that stands beside a pinned one, and keeps it over a restart', async () => {
    const next = generateEd25519();
    server.jwks = [next.publicKey, server.signer.publicKey];
    server.signer = next;
    expect(await read(objectId, 1)).toMatchObject({ found: true });
    server.jwks = [next.publicKey];
    await restart();
    const fetches = server.jwksFetches;
    expect(await read(objectId, 1)).toMatchObject({ found: true });
    expect(server.jwksFetches).toBe(fetches);
  });

  it('refuses a set without any pinned key until it is paired anew', async () => {
    const stranger = generateEd25519();
    server.jwks = [stranger.publicKey];
    server.signer = stranger;
    const id = server.order('storage.delete', { objectId, upToVersion: 1 });
    await logged('order-forged', id);
    await logged('signing-keys-refused');
    await restart({ pairAnew: true });
    expect(await read(objectId, 1)).toMatchObject({ found: true });
  });
});

describe('repetitions (C7)', () => {
  const clock = (): ManualClock => new ManualClock(Date.now());

  it('answers a known order again, with the same message, and does not carry it out again', async () => {
    await start();
    const objectId = newObjectId();
    const bytes = Buffer.from('once');
    const envelope = JSON.stringify(
      server.seal('storage.write', { objectId, version: 1, ...described(bytes), payload: bytes.toString('base64') }),
    );
    const { id } = JSON.parse(envelope) as { id: string };
    server.send(id, envelope);
    const answer = await server.answerTo(id);
    await server.answerTo(server.order('storage.delete', { objectId, upToVersion: 1 }));
    for (const again of ['at once', 'after a restart']) {
      if (again === 'after a restart') await restart();
      const before = server.arrivals.filter((arrival) => arrival === answer.id).length;
      server.send(id, envelope);
      await server.until(() => server.arrivals.filter((arrival) => arrival === answer.id).length > before);
      await server.ackOf(id);
      expect(await read(objectId, 1)).toMatchObject({ found: false });
    }
    expect(blobs()).toEqual([]);
  });

  it('answers anew, not with the same message, after the server refused an answer', async () => {
    await start();
    const objectId = newObjectId();
    const bytes = Buffer.from('x');
    const content = { objectId, version: 1, ...described(bytes), payload: bytes.toString('base64') };
    const id = server.order('storage.write', content);
    const answer = await server.answerTo(id);
    const body = { code: 'device.unseal_failed', message: '', refType: answer.type };
    await server.ackOf(server.plain('error', body, answer.id));
    server.order('storage.write', content, { id });
    const second = await server.until(() =>
      server.said.find((said) => said.correlationId === id && said.id !== answer.id),
    );
    expect(second.content).toEqual(answer.content);
  });

  it('does not delete again what was written after a deletion', async () => {
    await start();
    const objectId = newObjectId();
    const deletion = JSON.stringify(server.seal('storage.delete', { objectId, upToVersion: 1 }));
    const { id } = JSON.parse(deletion) as { id: string };
    server.send(id, deletion);
    const receipt = await server.answerTo(id);
    await write(objectId, 1, Buffer.from('new'));
    await restart();
    server.send(id, deletion);
    await server.until(() => server.arrivals.filter((arrival) => arrival === receipt.id).length > 1);
    expect(await read(objectId, 1)).toMatchObject({ found: true });
  });

  it('drops a message that is over 7 days old, known or not', async () => {
    const time = clock();
    await start({ clock: time });
    const objectId = newObjectId();
    const at = time.now();
    const deletion = JSON.stringify(server.seal('storage.delete', { objectId, upToVersion: 1 }, { at }));
    const { id } = JSON.parse(deletion) as { id: string };
    server.send(id, deletion);
    await server.answerTo(id);
    await write(objectId, 1, Buffer.from('new'));
    await agent?.stop();
    time.advance((7 * day) / 1000 + 1);
    await start({ clock: time });
    server.send(id, deletion);
    await logged('message-too-old', id);
    await server.ackOf(id);
    const asked = server.order(
      'storage.read',
      { objectId, version: 1, uploadUrl: null, uploadUrlExpiresAt: null },
      { at: time.now() },
    );
    expect((await server.answerTo(asked)).content).toMatchObject({ found: true });
  });
});

describe('the connection', () => {
  it('repeats what was not acknowledged, on the same connection and on the next', async () => {
    await start();
    server.acking = false;
    const id = server.order('storage.inventory', { after: null, limit: 1 });
    const answer = await server.answerTo(id);
    const times = (): number => server.arrivals.filter((arrival) => arrival === answer.id).length;
    await server.until(() => times() >= 2);
    const before = times();
    server.drop();
    await server.until(() => server.connections === 2 && times() > before);
    server.acking = true;
    await server.until(() => times() > before + 1);
  });

  it('connects again after a break and gets what waited', async () => {
    await start();
    server.refuseUpgrade = 503;
    server.drop();
    await logged('disconnected');
    const objectId = newObjectId();
    const id = server.order('storage.read', { objectId, version: 1, uploadUrl: null, uploadUrlExpiresAt: null });
    server.refuseUpgrade = null;
    expect((await server.answerTo(id)).content).toMatchObject({ found: false });
    server.drop(4408);
    await write(objectId, 1, Buffer.from('after 4408'));
  });

  it('ends when its credentials were rotated or it was removed', async () => {
    const running = await start();
    server.drop(4401);
    expect(await running.ended).toMatchObject({
      exit: exits.refused,
      sentence: expect.stringContaining('credentials') as string,
    });
  });

  it('ends when the credentials are refused again and again', async () => {
    const running = await start();
    server.clientSecret = 'another';
    server.drop();
    expect(await running.ended).toMatchObject({ exit: exits.refused });
  });

  it('ends when a newer connection took over', async () => {
    const running = await start();
    server.drop(4409);
    expect(await running.ended).toMatchObject({ exit: exits.replaced });
  });

  it('notices a connection that died without a word', async () => {
    await start({ pace: { ...pace, silence: 80 } });
    server.goSilent();
    await server.until(() => server.connections === 2);
  });

  it('waits for a server that is not there yet', async () => {
    const { url } = server;
    writeFileSync(join(dir, 'login.json'), JSON.stringify({ url: 'http://127.0.0.1:9', username: 'x', password: 'y' }));
    const waiting = runAgent({ dir, pace, log: (event) => (events.push({ event }), server.notice()) });
    await logged('server-unreachable');
    await waiting.stop();
    expect(await waiting.ended).toEqual({ exit: exits.stopped, sentence: null });
    writeFileSync(
      join(dir, 'login.json'),
      JSON.stringify({ url, username: server.username, password: server.password }),
    );
    await start();
  });
});

describe('payload transfers', () => {
  beforeEach(() => start().then(() => undefined));

  it('tries a torn download again on the same URL', async () => {
    const bytes = randomBytes(200_000);
    const content = { objectId: newObjectId(), version: 1, ...described(bytes) };
    const payloadUrl = server.offer(bytes, { tear: 100_000 });
    const id = server.order('storage.write', { ...content, payloadUrl, payloadUrlExpiresAt: inAnHour() });
    expect((await server.answerTo(id)).type).toBe('storage.write_ack');
  });

  it('gives up a dead URL and takes the one of the redelivery', async () => {
    const bytes = randomBytes(200_000);
    const content = { objectId: newObjectId(), version: 1, ...described(bytes), payloadUrlExpiresAt: inAnHour() };
    const id = server.order('storage.write', { ...content, payloadUrl: `${server.url}/downstream/?auth=spent` });
    await server.ackOf(id);
    await logged('put-off', id);
    expect(readdirSync(join(dir, 'held'))).toEqual([]);
    server.order('storage.write', { ...content, payloadUrl: server.offer(bytes) }, { id });
    expect((await server.answerTo(id)).type).toBe('storage.write_ack');
  });

  it('goes over to the URL of a redelivery while it still tries the old one', async () => {
    const bytes = randomBytes(200_000);
    const content = { objectId: newObjectId(), version: 1, ...described(bytes), payloadUrlExpiresAt: inAnHour() };
    const id = server.order('storage.write', { ...content, payloadUrl: server.offer(bytes, { status: 503 }) });
    await server.ackOf(id);
    server.order('storage.write', { ...content, payloadUrl: server.offer(bytes) }, { id });
    expect((await server.answerTo(id)).type).toBe('storage.write_ack');
  });

  it('knows an upload as done whose answer was lost', async () => {
    const objectId = newObjectId();
    const bytes = randomBytes(100_000);
    await write(objectId, 1, bytes);
    const upload = server.expectUpload({ lose: true });
    const id = server.order('storage.read', {
      objectId,
      version: 1,
      uploadUrl: upload.url,
      uploadUrlExpiresAt: inAnHour(),
    });
    expect((await upload.bytes).equals(bytes)).toBe(true);
    expect((await server.answerTo(id)).content).toMatchObject({ uploaded: true, ...described(bytes) });
  });

  it('goes on with a confirmed transfer after a restart', async () => {
    const bytes = randomBytes(200_000);
    const content = { objectId: newObjectId(), version: 1, ...described(bytes), payloadUrlExpiresAt: inAnHour() };
    let release: () => void = () => undefined;
    const payloadUrl = server.offer(bytes, { before: new Promise((resolve) => (release = resolve)) });
    const id = server.order('storage.write', { ...content, payloadUrl });
    await server.ackOf(id);
    await agent?.stop();
    release();
    await start();
    expect((await server.answerTo(id)).type).toBe('storage.write_ack');
    expect(readdirSync(join(dir, 'drafts'))).toEqual([]);
  });
});

describe('what lies on the disk', () => {
  const payload = Buffer.from('these layer-2 bytes must not lie on any disk in the clear. '.repeat(20));

  it('shows no payload, no objectId and no digest (C9)', async () => {
    await start();
    const objectId = newObjectId();
    await write(objectId, 1, payload);
    await inventory();
    await agent?.stop();
    const found = files(dir).filter((path) => {
      const bytes = readFileSync(path);
      const secrets = [payload.subarray(0, 32), objectId, described(payload).sha256];
      return secrets.some(
        (secret) => bytes.includes(secret) || bytes.includes(Buffer.from(secret.toString('hex'), 'hex')),
      );
    });
    expect(found).toEqual([]);
  });

  it('cannot be joined with the disk of another device (C9)', async () => {
    await start();
    await write(newObjectId(), 1, payload);
    const other = await ChannelServer.start();
    const otherDir = await other.newHome();
    const second = runAgent({ dir: otherDir, pace });
    await second.ready;
    const objectId = newObjectId();
    const id = other.order('storage.write', {
      objectId,
      version: 1,
      ...described(payload),
      payload: payload.toString('base64'),
    });
    await other.answerTo(id);
    await agent?.stop();
    await second.stop();
    const own = ['blobs', 'ledger', 'ledger.copy', 'exchange.key', 'signing.key', 'master.key', 'naming.key'];
    const blocks = (of: string): Set<string> => {
      const all = new Set<string>();
      for (const name of own) {
        const path = join(of, name);
        for (const file of statSync(path).isDirectory() ? files(path) : [path]) {
          const bytes = readFileSync(file);
          // The first bytes of a format are the same everywhere.
          for (let at = 12; at + 16 <= bytes.length; at++) all.add(bytes.toString('hex', at, at + 16));
        }
      }
      return all;
    };
    const [first, theirs] = [blocks(dir), blocks(otherDir)];
    expect([...first].filter((block) => theirs.has(block))).toEqual([]);
    const names = new Set(blobs().map((path) => path.split('/').at(-1)));
    expect(blobs(otherDir).filter((path) => names.has(path.split('/').at(-1)))).toEqual([]);
    await other.stop();
    await discard(otherDir);
  });

  it('mends the ledger from its copy', async () => {
    await start();
    const objectId = newObjectId();
    await write(objectId, 1, payload);
    await agent?.stop();
    await rm(join(dir, 'ledger'));
    await start();
    expect((await inventory()).items).toHaveLength(1);
    expect(events.some(({ event }) => event === 'ledger-damaged')).toBe(false);
  });

  it('says so when the ledger is lost, and still gives what it is asked for by name', async () => {
    await start();
    const objectId = newObjectId();
    await write(objectId, 1, payload);
    await agent?.stop();
    await rm(join(dir, 'ledger'));
    await rm(join(dir, 'ledger.copy'));
    await start();
    expect(events.some(({ event }) => event === 'ledger-damaged')).toBe(true);
    expect(await read(objectId, 1)).toMatchObject(described(payload));
    await write(objectId, 1, payload);
    expect((await inventory()).items).toHaveLength(1);
  });

  it('no longer lists what is not there', async () => {
    await start();
    await write(newObjectId(), 1, payload);
    await agent?.stop();
    for (const path of blobs()) await rm(path);
    await start();
    await logged('reconciled');
    expect((await inventory()).items).toEqual([]);
  });

  it('sweeps the drafts of a crash', async () => {
    await mkdir(join(dir, 'drafts'));
    writeFileSync(join(dir, 'drafts', 'left'), 'over');
    await start();
    expect(existsSync(join(dir, 'drafts', 'left'))).toBe(false);
  });
});
