import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { randomBytes, uuid7 } from '@symbolon/crypto';
import { instant } from '@symbolon/kernel';
import { exits } from '../src/halt';
import { ChannelServer, described, discard, newObjectId } from './channel-server';
import { bundleAgent, Program } from './program';

let bundleDir: string;
let bundle: string;
let server: ChannelServer;
let dir: string;
let program: Program | null = null;

beforeAll(async () => {
  bundleDir = mkdtempSync(join(tmpdir(), 'symbolon-agent-bundle-'));
  bundle = join(bundleDir, 'main.cjs');
  await bundleAgent(bundle);
});

afterAll(() => discard(bundleDir));

beforeEach(async () => {
  server = await ChannelServer.start();
  dir = await server.newHome();
});

afterEach(async () => {
  await program?.end('SIGKILL');
  program = null;
  await server.stop();
  await discard(dir);
});

async function start(prefix: readonly string[] = []): Promise<Program> {
  const started = Program.start(bundle, ['run', '--dir', dir, '--json'], server.notice, prefix);
  program = started;
  await server.until(() => started.events.find(({ event }) => event === 'ready'));
  return started;
}

async function kill(): Promise<void> {
  await program?.end('SIGKILL');
  await server.until(() => !server.isConnected);
}

function blobs(): string[] {
  return readdirSync(join(dir, 'blobs')).flatMap((shard) => readdirSync(join(dir, 'blobs', shard)));
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

async function inventory(): Promise<Record<string, unknown>[]> {
  const id = server.order('storage.inventory', { after: null, limit: 500 });
  return (await server.answerTo(id)).content['items'] as Record<string, unknown>[];
}

it('says that it is ready, and ends cleanly when it is told to', async () => {
  const running = await start();
  expect(running.events.find(({ event }) => event === 'ready')).toMatchObject({
    deviceIdentifier: server.deviceIdentifier,
  });
  expect(await running.end('SIGTERM')).toBe(exits.stopped);
  expect(running.stderr).toBe('');
  expect(readdirSync(dir)).not.toContain('agent.lock');
});

it('ends with a sentence and a code of its own where another agent runs, and at wrong arguments', async () => {
  await start();
  const second = Program.start(bundle, ['run', '--dir', dir]);
  expect(await second.exit()).toBe(exits.inUse);
  expect(second.stderr).toContain('Another device agent runs on');
  const wrong = Program.start(bundle, ['dance']);
  expect(await wrong.exit()).toBe(exits.usage);
  expect(wrong.stderr).toContain('Usage');
});

it('killed in the middle of a large write leaves nothing of it, and stores it after the restart (C10)', async () => {
  await start();
  const objectId = newObjectId();
  const bytes = randomBytes(8_000_000);
  const content = { objectId, version: 1, ...described(bytes), payloadUrlExpiresAt: instant(Date.now() + 3_600_000) };
  const half = new PassThrough();
  half.write(bytes.subarray(0, 4_000_000));
  const payloadUrl = server.offer(half);
  const id = server.order('storage.write', { ...content, payloadUrl });
  await server.ackOf(id);
  await server.until(() => readdirSync(join(dir, 'drafts')).length === 1 || (setImmediate(server.notice), false));
  await kill();
  expect(blobs()).toEqual([]);
  server.revoke(payloadUrl);
  const envelope = server.seal('storage.write', { ...content, payloadUrl: server.offer(bytes) }, { id });
  server.send(id, JSON.stringify(envelope));
  await start();
  expect((await server.answerTo(id)).content).toMatchObject({ objectId, sha256: content.sha256 });
  expect(readdirSync(join(dir, 'drafts'))).toEqual([]);
  expect(await inventory()).toEqual([{ objectId, version: 1, ...described(bytes) }]);
  half.destroy();
});

it('takes and gives back a large payload in constant memory', async () => {
  const { pid } = await start();
  // The peak is told by Linux alone; elsewhere what is held afterwards counts.
  const peakMb = () =>
    process.platform === 'linux'
      ? Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
      : Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1024;
  const target = { objectId: newObjectId(), version: 1 };
  const expires = instant(Date.now() + 3_600_000);
  const through = async (bytes: Buffer) => {
    const about = { ...target, ...described(bytes) };
    const write = server.order('storage.write', {
      ...about,
      payloadUrl: server.offer(Readable.from(pieces(bytes), { objectMode: false })),
      payloadUrlExpiresAt: expires,
    });
    expect((await server.answerTo(write)).type).toBe('storage.write_ack');
    const { url, bytes: returned } = server.expectUpload();
    const read = server.order('storage.read', { ...target, uploadUrl: url, uploadUrlExpiresAt: expires });
    expect((await server.answerTo(read)).content).toEqual({ ...about, found: true, uploaded: true });
    expect((await returned).equals(bytes)).toBe(true);
    target.version++;
  };
  await through(randomBytes(8_000_000));
  const before = peakMb();
  await through(Buffer.alloc(96 * 1024 * 1024, 'large'));
  expect(peakMb() - before).toBeLessThan(48);
});

it('killed again and again under small writes keeps every write that it acknowledged, and doubles none (C10)', async () => {
  const writes = new Map(
    Array.from({ length: 120 }, (_, number) => {
      const bytes = randomBytes(number * 97);
      return [uuid7(), { objectId: newObjectId(), version: 1, ...described(bytes), payload: bytes.toString('base64') }];
    }),
  );
  await start();
  for (const [id, content] of writes) server.order('storage.write', content, { id });
  const answered = (): number => server.said.filter(({ type }) => type === 'storage.write_ack').length;
  for (const killAt of [1, 17, 40, 77]) {
    await server.until(() => answered() >= killAt);
    await kill();
    const acknowledged = server.said.map(({ content }) => content['objectId']);
    await start();
    const listed = (await inventory()).map(({ objectId }) => objectId);
    expect(listed).toEqual(expect.arrayContaining(acknowledged.filter((objectId) => objectId !== undefined)));
  }
  // An order that was confirmed, and whose answer the kill cut off, comes again as long as it is not answered.
  const open = [...writes].filter(([id]) => !server.said.some(({ correlationId }) => correlationId === id));
  for (const [id, content] of open) server.order('storage.write', content, { id });
  for (const id of writes.keys()) expect((await server.answerTo(id)).type).toBe('storage.write_ack');
  for (const content of writes.values()) {
    const { objectId, version, size, sha256, payload } = content;
    const id = server.order('storage.read', { objectId, version, uploadUrl: null, uploadUrlExpiresAt: null });
    expect((await server.answerTo(id)).content).toEqual({ objectId, version, found: true, size, sha256, payload });
  }
  expect(blobs()).toHaveLength(writes.size);
  expect(readdirSync(join(dir, 'drafts'))).toEqual([]);
});

it('answers storage.write_failed where a file grows beyond what the system allows, and keeps nothing of it', async () => {
  await start(['sh', '-c', 'ulimit -f 2000; exec "$@"', 'sh']);
  const bytes = randomBytes(6_000_000);
  const content = {
    objectId: newObjectId(),
    version: 1,
    ...described(bytes),
    payloadUrlExpiresAt: instant(Date.now() + 3_600_000),
  };
  const id = server.order('storage.write', { ...content, payloadUrl: server.offer(bytes) });
  expect((await server.answerTo(id)).content).toMatchObject({ code: 'storage.write_failed', refType: 'storage.write' });
  expect([...blobs(), ...readdirSync(join(dir, 'drafts')), ...readdirSync(join(dir, 'held'))]).toEqual([]);
  await kill();
  server.send(
    id,
    JSON.stringify(server.seal('storage.write', { ...content, payloadUrl: server.offer(bytes) }, { id })),
  );
  await start();
  expect((await server.answerTo(id, 'storage.write_ack')).content).toMatchObject({ sha256: content.sha256 });
});
