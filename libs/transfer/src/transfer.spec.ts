import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type DynamicModule, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Audit, CommandStatuses } from '@symbolon/command-log';
import { Assertions, ed25519Public, generateEd25519, Sha256Meter, sha256Hex, uuid7 } from '@symbolon/crypto';
import { Accepted, ClientApplications, edgeAdapter, installEdge, Sessions } from '@symbolon/http';
import { Clock, ManualClock, Unavailable } from '@symbolon/kernel';
import { Metrics } from '@symbolon/observe';
import { type FreshDatabase, freshDatabase, until } from '@symbolon/testing';
import { DataSource } from 'typeorm';
import { AuthTable } from './auth-table';
import { type DownloadHandler, TransferModule, transferMigrations, Transfers, type UploadHandler } from './index';

const refused = {
  type: 'urn:symbolon:problem:unauthorized',
  title: 'Unauthorized',
  status: 401,
  detail: 'The request carries no valid credentials.',
  code: 'unauthorized',
};
const mebibyte = 1024 * 1024;

/** What the uploads' handler has seen, and what it is told to do. */
class Desk implements UploadHandler {
  readonly direction = 'up';
  readonly purpose = 'desk';
  readonly taken: Array<{ ref: object; size: number; sha256: string; ip: string | null }> = [];
  readonly failures: unknown[] = [];
  /** Resolves with each body, before it is read. */
  readonly begun: Array<() => void> = [];
  answer: (body: Readable) => unknown = () => ({ taken: true });

  async receive(ref: object, body: Readable, { caller }: Parameters<UploadHandler['receive']>[2]): Promise<unknown> {
    for (const tell of this.begun.splice(0)) tell();
    const meter = new Sha256Meter();
    meter.resume();
    try {
      await pipeline(body, meter);
      const answer = await this.answer(body);
      this.taken.push({ ref, size: meter.size, sha256: meter.hex(), ip: caller.client.ip });
      return answer;
    } catch (error) {
      this.failures.push(error);
      throw error;
    }
  }

  next(): Promise<void> {
    return new Promise((resolve) => this.begun.push(resolve));
  }
}

/** Gives `ref.length` bytes; `ref.actual` of them where it lies. */
class Counter implements DownloadHandler {
  readonly direction = 'down';
  readonly purpose = 'counter';
  sent: object[] = [];
  bodies: Readable[] = [];
  gone = false;
  onSent: () => Promise<void> = async () => undefined;

  async open(ref: { length: number; actual?: number }) {
    if (this.gone) return null;
    const body = Readable.from(pattern(ref.actual ?? ref.length), { objectMode: false });
    this.bodies.push(body);
    const sent = async () => {
      await this.onSent();
      this.sent.push(ref);
    };
    return { length: ref.length, body, sent };
  }
}

function* pattern(length: number): Generator<Buffer> {
  for (let from = 0; from < length; from += 65_536) {
    yield Buffer.alloc(Math.min(65_536, length - from), `${from} bytes so far; `);
  }
}

function patternOf(length: number): Buffer {
  return Buffer.concat([...pattern(length)]);
}

/** A way to a database that can be cut and mended. */
class Cable {
  private whole = true;
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer((near) => {
    if (!this.whole) return void near.destroy();
    const far = connect(Number(this.target.port), this.target.hostname);
    for (const socket of [near, far]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => this.sockets.delete(socket));
    }
    near.pipe(far).pipe(near);
  });

  constructor(private readonly target: URL) {}

  async lay(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    const url = new URL(this.target);
    url.host = `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return url.href;
  }

  cut(): void {
    this.whole = false;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.whole = true;
  }

  remove(): void {
    this.cut();
    this.server.close();
  }
}

type Body = Exclude<RequestInit['body'], undefined>;

@Module({})
class Root {}

function signing() {
  const key = generateEd25519().privateKey;
  const x = ed25519Public(key).toString('base64url');
  return { signKey: () => ({ kid: 'k', private: key }), jwks: () => ({ keys: [{ kid: 'k', x }] }) };
}

describe('one-time transfers', () => {
  let database: FreshDatabase;
  let dataSource: DataSource;
  const apps: NestFastifyApplication[] = [];
  let transfers: Transfers;
  let origin: string;
  let settings: { upstreamUrl: string; downstreamUrl: string; uploadMaxBytes: number };
  let desk: Desk;
  let counter: Counter;
  let metrics: Metrics;
  const clock = new ManualClock(Date.now());

  const oldHash = (kind: string, secret: string) => hash(`old ${kind}`, secret);
  const hash = (kind: string, secret: string) => sha256Hex(Buffer.from(`${kind} ${secret}`));

  const hashes = (kind: string, secret: string) => [hash(kind, secret), oldHash(kind, secret)];

  async function serve(source: DataSource, options: { idleMillis?: number; renewMillis?: number } = {}): Promise<void> {
    settings = { upstreamUrl: 'http://up.example.org/', downstreamUrl: 'http://down.example.org/', uploadMaxBytes: 0 };
    metrics = new Metrics();
    transfers = new Transfers({ dataSource: source, clock, hashes, settings, metrics, ...options });
    desk = new Desk();
    counter = new Counter();
    transfers.register(desk);
    transfers.register(counter);
    const values: ReadonlyArray<[unknown, unknown]> = [
      [Transfers, transfers],
      [Clock, clock],
      [Sessions, { find: async () => null }],
      [ClientApplications, {}],
      [Audit, { denied: async () => undefined }],
      [CommandStatuses, { untilFinal: async () => null }],
    ];
    const providers = values.map(([provide, useValue]) => ({ provide: provide as never, useValue }));
    const platform: DynamicModule = {
      module: Root,
      global: true,
      providers,
      exports: providers.map(({ provide }) => provide),
      imports: [TransferModule],
    };
    const app = await NestFactory.create<NestFastifyApplication>(platform, edgeAdapter(), {
      bodyParser: false,
      logger: false,
    });
    apps.push(app);
    const quiet = { error: () => undefined };
    const calls = { serviceOf: () => 'transfer', forward: () => false };
    const assertions = new Assertions(signing(), 'https://vault.example.org', clock);
    installEdge(
      app,
      { ratePerToken: 0, ratePerAddress: 0, corsOrigins: [], trustedProxies: [] },
      { assertions, calls },
      quiet,
    );
    await app.listen(0, '127.0.0.1');
    origin = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  }

  beforeAll(async () => {
    database = await freshDatabase();
    dataSource = new DataSource({ type: 'postgres', url: database.url, migrations: transferMigrations });
    await dataSource.initialize();
    await dataSource.runMigrations();
    await serve(dataSource);
  });

  afterAll(async () => {
    for (const app of apps) await app.close();
    await dataSource.destroy();
    await database.drop();
  });

  beforeEach(() => {
    Object.assign(desk, { taken: [], failures: [], begun: [], answer: () => ({ taken: true }) });
    Object.assign(counter, { sent: [], bodies: [], gone: false, onSent: async () => undefined });
    settings.uploadMaxBytes = 0;
  });

  function up(id: string = uuid7(), seconds = 300) {
    const ref = { tokenId: id };
    return transfers.issue({ direction: 'up', purpose: 'desk', id, ref, expiresAt: clock.after(seconds) });
  }

  function down(ref: object, id: string = uuid7(), seconds = 300) {
    return transfers.issue({ direction: 'down', purpose: 'counter', id, ref, expiresAt: clock.after(seconds) });
  }

  function post(auth: string, body: Body, path = '/upstream/', method = 'POST'): Promise<Response> {
    return fetch(`${origin}${path}?auth=${auth}`, { method, body, duplex: 'half' });
  }

  function get(auth: string, path = '/downstream/'): Promise<Response> {
    return fetch(`${origin}${path}?auth=${auth}`);
  }

  /** An upload that the test feeds by hand. */
  function feed(auth: string): ClientRequest {
    const request = httpRequest(`${origin}/upstream/?auth=${auth}`, { method: 'POST', agent: false });
    request.on('error', () => undefined);
    request.flushHeaders();
    return request;
  }

  async function answerTo(request: ClientRequest): Promise<{ status: number | undefined; body: string }> {
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let body = '';
    for await (const chunk of response.setEncoding('utf8')) body += chunk;
    return { status: response.statusCode, body };
  }

  async function codeOf(response: Response): Promise<string> {
    return ((await response.json()) as { code: string }).code;
  }

  async function expectRefused(response: Response): Promise<void> {
    expect(response.status).toBe(401);
    expect(await response.json()).toEqual(refused);
  }

  describe('an upload', () => {
    test.each([
      ['POST', '/upstream/'],
      ['POST', '/upstream'],
      ['POST', '/'],
      ['PUT', '/upstream/'],
      ['PUT', '/upstream'],
      ['PUT', '/'],
    ])('is taken by %s on %s as it is, once', async (method, path) => {
      const { auth, url, authHash } = await up('once');
      expect(url).toBe(`http://up.example.org/?auth=${auth}`);
      expect(authHash).toBe(hash('stream-auth', auth));
      const bytes = patternOf(65_537);
      const answer = await post(auth, bytes, path, method);
      expect([answer.status, await answer.json()]).toEqual([200, { taken: true }]);
      expect(desk.taken).toEqual([
        { ref: { tokenId: 'once' }, size: 65_537, sha256: sha256Hex(bytes), ip: '127.0.0.1' },
      ]);
      await expectRefused(await post(auth, bytes, path, method));
      expect(desk.taken).toHaveLength(1);
    });

    test('is taken whatever its content type says it is', async () => {
      for (const type of [
        'application/json',
        'application/x-www-form-urlencoded',
        'multipart/form-data',
        'video/mp4',
      ]) {
        const { auth } = await up();
        const headers = { 'content-type': type };
        const answer = await fetch(`${origin}/upstream/?auth=${auth}`, { method: 'POST', headers, body: '{"half' });
        expect(answer.status).toBe(200);
      }
      expect(desk.taken.map(({ size }) => size)).toEqual([6, 6, 6, 6]);
    });

    test('answers 204 where its handler has nothing to say, and a command where it says so', async () => {
      desk.answer = () => undefined;
      const silent = await post((await up()).auth, 'x');
      expect([silent.status, await silent.text()]).toEqual([204, '']);
      const commandId = uuid7();
      desk.answer = () => new Accepted({ commandId, requestId: null });
      const accepted = await post((await up()).auth, 'x');
      expect([accepted.status, await accepted.json()]).toEqual([202, { commandId, status: 'started' }]);
      expect(accepted.headers.get('x-dpt-cab-id')).toBe(commandId);
    });

    test('takes the auth out of a whole one-time URL', async () => {
      const { auth, url } = await up();
      expect((await post(encodeURIComponent(url), 'x')).status).toBe(200);
      await expectRefused(await post(auth, 'x'));
    });

    test('is refused alike for every auth that is none', async () => {
      const { auth: expired } = await up(undefined, 10);
      const { auth: download } = await down({ length: 1 });
      clock.advance(10);
      for (const auth of ['', 'short', '%00', 'q'.repeat(43), 'q'.repeat(5000), 'http://x/?auth=', expired, download]) {
        await expectRefused(await post(auth, 'x'));
      }
      await expectRefused(await fetch(`${origin}/upstream/`, { method: 'POST', body: 'x' }));
      await expectRefused(await fetch(`${origin}/upstream/?auth=a&auth[]=b`, { method: 'POST', body: 'x' }));
      expect(desk.taken).toEqual([]);
    });

    test('is refused before its body is read, and the sender reads the answer', async () => {
      const request = feed('q'.repeat(43));
      const answer = await answerTo(request);
      expect([answer.status, JSON.parse(answer.body)]).toEqual([401, refused]);
      request.destroy();
      await expectRefused(await post('q'.repeat(43), patternOf(mebibyte)));
    });

    test('may not be empty, and an empty one leaves the auth usable', async () => {
      const { auth } = await up();
      for (const body of [null, '', new Blob([]).stream()]) {
        const answer = await post(auth, body);
        expect([answer.status, await codeOf(answer)]).toEqual([422, 'validation_failed']);
      }
      expect((await post(auth, 'x')).status).toBe(200);
      expect(desk.taken).toHaveLength(1);
    });

    test.each([
      ['of announced length', () => patternOf(101)],
      ['of unknown length', () => Readable.toWeb(Readable.from(pattern(101))) as ReadableStream],
      ['of unknown and great length', () => Readable.toWeb(Readable.from(pattern(2 * mebibyte))) as ReadableStream],
    ])('beyond the limit answers 413 and leaves the auth usable: %s', async (_, body) => {
      settings.uploadMaxBytes = 100;
      const { auth } = await up();
      const answer = await post(auth, body() as Body);
      expect([answer.status, await codeOf(answer)]).toEqual([413, 'payload_too_large']);
      expect(desk.taken).toEqual([]);
      expect((await post(auth, patternOf(100))).status).toBe(200);
    });

    test('that breaks off leaves nothing behind and the auth usable', async () => {
      const { auth } = await up('breaks');
      const request = feed(auth);
      const begun = desk.next();
      request.write(patternOf(100_000));
      await begun;
      expect(await transfers.running('desk', 'breaks')).toBe(true);
      request.destroy();
      await until(async () => !(await transfers.running('desk', 'breaks')), 'the transfer to be over');
      expect(desk.taken).toEqual([]);
      expect(desk.failures).toMatchObject([{ code: 'request_malformed' }]);
      expect((await post(auth, 'whole')).status).toBe(200);
    });

    test('that ends short of its announced length is a broken one', async () => {
      const { auth } = await up('short');
      const socket = connect(Number(new URL(origin).port), '127.0.0.1');
      const begun = desk.next();
      socket.write(`POST /upstream/?auth=${auth} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf`);
      await begun;
      socket.end();
      await until(async () => !(await transfers.running('desk', 'short')), 'the transfer to be over');
      expect(desk.taken).toEqual([]);
      expect((await post(auth, 'whole')).status).toBe(200);
      socket.destroy();
    });

    test('has its auth for itself while it runs', async () => {
      const { auth } = await up();
      const request = feed(auth);
      const begun = desk.next();
      request.write('first half');
      await begun;
      await expectRefused(await post(auth, 'x'));
      request.end('second half');
      expect((await answerTo(request)).status).toBe(200);
      expect(desk.taken).toHaveLength(1);
    });

    test('of twenty at once on one auth succeeds once', async () => {
      const { auth } = await up();
      const answers = await Promise.all(Array.from({ length: 20 }, () => post(auth, patternOf(70_000))));
      const statuses = answers.map(({ status }) => status).sort();
      expect(statuses).toEqual([200, ...Array.from({ length: 19 }, () => 401)]);
      expect(desk.taken).toHaveLength(1);
    });

    test('that its handler cannot take leaves the auth usable', async () => {
      const { auth } = await up();
      desk.answer = () => {
        throw new Unavailable('parcel-store');
      };
      const answer = await post(auth, patternOf(100_000));
      expect([answer.status, await codeOf(answer)]).toEqual([503, 'dependency_unavailable']);
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
      desk.answer = () => ({ taken: true });
      expect((await post(auth, 'x')).status).toBe(200);
    });

    test('that its handler stops reading in the middle is answered all the same', async () => {
      const { auth } = await up();
      desk.answer = () => undefined;
      const stopping: UploadHandler = {
        direction: 'up',
        purpose: 'full',
        receive: async (_, body) => {
          for await (const chunk of body) if ((chunk as Buffer).length > 0) throw new Unavailable('parcel-store');
        },
      };
      transfers.register(stopping);
      const full = await transfers.issue({
        direction: 'up',
        purpose: 'full',
        id: uuid7(),
        ref: {},
        expiresAt: clock.after(300),
      });
      expect((await post(full.auth, patternOf(2 * mebibyte))).status).toBe(503);
      expect((await post(full.auth, patternOf(2 * mebibyte))).status).toBe(503);
      expect((await post(auth, 'x')).status).toBe(204);
    });

    test('of many bytes arrives whole, in constant memory', async () => {
      const { auth } = await up();
      const size = 96 * mebibyte;
      const meter = new Sha256Meter();
      const body = Readable.from(pattern(size), { objectMode: false }).pipe(meter);
      const before = process.memoryUsage().arrayBuffers;
      let most = 0;
      body.on('data', () => (most = Math.max(most, process.memoryUsage().arrayBuffers - before)));
      const request = feed(auth);
      const answer = answerTo(request);
      await pipeline(body, request);
      expect((await answer).status).toBe(200);
      expect(desk.taken).toMatchObject([{ size, sha256: meter.hex() }]);
      expect(most).toBeLessThan(48 * mebibyte);
    });
  });

  describe('a download', () => {
    test.each(['/downstream/', '/downstream', '/'])('gives the exact bytes on %s, once', async (path) => {
      const { auth, url } = await down({ length: 65_537 });
      expect(url).toBe(`http://down.example.org/?auth=${auth}`);
      const answer = await get(auth, path);
      expect(answer.status).toBe(200);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        'content-type': 'application/octet-stream',
        'content-length': '65537',
        'cache-control': 'no-store',
      });
      expect(Buffer.from(await answer.arrayBuffer()).equals(patternOf(65_537))).toBe(true);
      await expectRefused(await get(auth, path));
      await until(() => counter.sent.length === 1, 'the message to be sent');
      await expectRefused(await get(auth, path));
      expect(counter.sent).toEqual([{ length: 65_537 }]);
    });

    test.each([0, 1, 65_536, 3 * mebibyte + 1])('gives %i bytes', async (length) => {
      const { auth } = await down({ length });
      const answer = await get(auth);
      expect(answer.headers.get('content-length')).toBe(String(length));
      expect(Buffer.from(await answer.arrayBuffer()).equals(patternOf(length))).toBe(true);
      await until(() => counter.sent.length === 1, 'the message to be sent');
    });

    test('takes the auth out of a whole one-time URL', async () => {
      const { url } = await down({ length: 5 });
      expect((await get(encodeURIComponent(url))).status).toBe(200);
    });

    test('is refused alike for every auth that is none, and where nothing is left to give', async () => {
      const { auth: expired } = await down({ length: 1 }, undefined, 10);
      const { auth: upload } = await up();
      clock.advance(10);
      for (const auth of ['', 'q'.repeat(43), expired, upload]) await expectRefused(await get(auth));
      await expectRefused(await fetch(`${origin}/downstream/`));
      const { auth } = await down({ length: 1 });
      counter.gone = true;
      await expectRefused(await get(auth));
    });

    test('that breaks off leaves the auth usable, and lets go of the bytes', async () => {
      const { auth } = await down({ length: 64 * mebibyte }, 'breaks');
      const request = httpRequest(`${origin}/downstream/?auth=${auth}`, { agent: false }).end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      await once(response, 'data');
      response.pause();
      await expectRefused(await get(auth));
      expect(await transfers.running('counter', 'breaks')).toBe(true);
      response.destroy();
      await until(async () => !(await transfers.running('counter', 'breaks')), 'the transfer to be over');
      expect(counter.bodies[0]?.destroyed).toBe(true);
      expect(counter.sent).toEqual([]);
      const meter = new Sha256Meter();
      meter.resume();
      await pipeline(Readable.fromWeb((await get(auth)).body as never), meter);
      expect(meter.size).toBe(64 * mebibyte);
      await until(() => counter.sent.length === 1, 'the message to be sent');
    });

    test.each([
      ['shorter', 99_999],
      ['longer', 100_001],
    ])('of a body that is %s than announced is broken', async (_, actual) => {
      const { auth } = await down({ length: 100_000, actual }, 'length');
      await expect(get(auth).then((answer) => answer.arrayBuffer())).rejects.toThrow();
      await until(async () => !(await transfers.running('counter', 'length')), 'the transfer to be over');
      expect(counter.sent).toEqual([]);
    });

    test('of twenty at once on one auth succeeds once', async () => {
      const { auth } = await down({ length: 2 * mebibyte });
      const answers = await Promise.all(Array.from({ length: 20 }, () => get(auth)));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 19 }, () => 401)]);
      await Promise.all(answers.map((answer) => answer.arrayBuffer()));
      await until(() => counter.sent.length === 1, 'the message to be sent');
    });
  });

  describe('an auth', () => {
    test('is stored as its hash alone', async () => {
      const { auth } = await up();
      const { rows } = await database.pool.query('select * from transfer.auth');
      expect(JSON.stringify(rows)).toContain(hash('stream-auth', auth));
      expect(JSON.stringify(rows)).not.toContain(auth);
    });

    test('outlives a new key for its hash while the old one is there', async () => {
      const { auth, authHash } = await up();
      await database.pool.query('update transfer.auth set hash = $2 where hash = $1', [
        authHash,
        oldHash('stream-auth', auth),
      ]);
      expect((await post(auth, 'x')).status).toBe(200);
      await expectRefused(await post(auth, 'x'));
    });

    test('is voided by the next of its purpose and id, and by no other', async () => {
      const first = await up('voided');
      const other = await up('another');
      const second = await up('voided');
      await expectRefused(await post(first.auth, 'x'));
      expect((await post(other.auth, 'x')).status).toBe(200);
      expect((await post(second.auth, 'x')).status).toBe(200);
    });

    test('of twenty issued at once for one thing is one', async () => {
      const issued = await Promise.all(Array.from({ length: 20 }, () => up('contended')));
      const answers = [];
      for (const { auth } of issued) answers.push((await post(auth, 'x')).status);
      expect(answers.filter((status) => status === 200)).toHaveLength(1);
    });

    test('on which an upload is running outlives the next one', async () => {
      const first = await up('running');
      const request = feed(first.auth);
      const begun = desk.next();
      request.write('first half');
      await begun;
      const second = await up('running');
      request.destroy();
      await until(async () => !(await transfers.running('desk', 'running')), 'the transfer to be over');
      expect((await post(first.auth, 'x')).status).toBe(200);
      expect((await post(second.auth, 'x')).status).toBe(200);
    });

    test('is known to have been used, for some minutes after its transfer', async () => {
      expect(await transfers.lastRunning('desk', 'used')).toBe(-Infinity);
      const upload = feed((await up('used')).auth);
      upload.write('ab');
      await until(() => transfers.running('desk', 'used'), 'the transfer to run');
      clock.advance(1);
      expect(await transfers.lastRunning('desk', 'used')).toBe(clock.millis());
      upload.end('c');
      await answerTo(upload);
      const ended = clock.millis();
      clock.advance(599);
      expect(await transfers.lastRunning('desk', 'used')).toBe(ended);
      clock.advance(1);
      await post((await up()).auth, 'x');
      expect(await transfers.lastRunning('desk', 'used')).toBe(-Infinity);
    });

    test('comes free within a minute after its server died', async () => {
      const { auth, authHash } = await up('crashed');
      await new AuthTable(dataSource, clock).claim([authHash], 'up', uuid7());
      await expectRefused(await post(auth, 'x'));
      expect(await transfers.running('desk', 'crashed')).toBe(true);
      clock.advance(60);
      expect(await transfers.running('desk', 'crashed')).toBe(false);
      expect((await post(auth, 'x')).status).toBe(200);
    });

    test('that was revoked ends what is running on it', async () => {
      const { auth } = await up('revoked');
      const request = feed(auth);
      const begun = desk.next();
      request.write('first half');
      await begun;
      const answer = answerTo(request);
      await transfers.revoke('desk', 'revoked');
      expect((await answer).status).toBe(400);
      request.destroy();
      expect(desk.taken).toEqual([]);
      await expectRefused(await post(auth, 'x'));
    });

    test('that another process revoked lets nothing complete', async () => {
      const { auth } = await up('elsewhere');
      const request = feed(auth);
      const begun = desk.next();
      request.write('first half');
      await begun;
      await new AuthTable(dataSource, clock).revoke('desk', 'elsewhere');
      request.end('second half');
      expect((await answerTo(request)).status).toBe(400);
      expect(desk.taken).toEqual([]);
    });

    test('that has expired is purged, unless a transfer is running on it', async () => {
      await transfers.purge(clock.now());
      const old = await up('old', 10);
      const running = await up('in use', 10);
      const young = await up('young', 300);
      await new AuthTable(dataSource, clock).claim([running.authHash], 'up', uuid7());
      clock.advance(20);
      expect(await transfers.purge(clock.now())).toBeGreaterThanOrEqual(1);
      const { rows } = await database.pool.query<{ hash: string }>('select hash from transfer.auth');
      const left = rows.map((row) => row.hash);
      expect(left).not.toContain(old.authHash);
      expect(left).toEqual(expect.arrayContaining([running.authHash, young.authHash]));
    });
  });

  test('a known path answers a wrong verb with what it serves', async () => {
    const answer = await fetch(`${origin}/upstream/?auth=x`, { method: 'DELETE' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST, PUT']);
    expect((await fetch(`${origin}/downstream/?auth=x`, { method: 'HEAD' })).status).toBe(405);
  });

  test('transfers are counted by direction, purpose and outcome', async () => {
    const { body } = await metrics.text();
    for (const label of [
      'direction="up",purpose="desk",outcome="complete"',
      'direction="down",purpose="counter",outcome="broken"',
    ]) {
      expect(body).toContain(`symbolon_transfers_total{${label}}`);
    }
  });

  test('a purpose has one handler', () => {
    expect(() => transfers.register(new Desk())).toThrow('up desk has a handler already');
  });

  describe('with little patience and many signs of life', () => {
    beforeAll(() => serve(dataSource, { idleMillis: 150, renewMillis: 20 }));

    test('a sender that falls silent is broken off and told so', async () => {
      const { auth } = await up();
      const request = feed(auth);
      request.write('first half');
      const answer = await answerTo(request);
      expect([answer.status, JSON.parse(answer.body).code]).toEqual([400, 'request_malformed']);
      request.destroy();
      expect(desk.taken).toEqual([]);
      expect((await post(auth, 'x')).status).toBe(200);
    });

    test('a receiver that falls silent is broken off', async () => {
      const { auth } = await down({ length: 64 * mebibyte }, 'silent');
      const request = httpRequest(`${origin}/downstream/?auth=${auth}`, { agent: false }).end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      await until(async () => !(await transfers.running('counter', 'silent')), 'the transfer to be over');
      expect(counter.sent).toEqual([]);
      response.destroy();
    });

    test('a slow handler is no silent sender, and its transfer keeps the auth', async () => {
      const { auth } = await up('slow');
      let go: () => void = () => undefined;
      desk.answer = () => new Promise((resolve) => (go = () => resolve({ taken: true })));
      const answer = post(auth, 'x');
      await until(() => transfers.running('desk', 'slow'), 'the transfer to run');
      clock.advance(60);
      await until(() => transfers.running('desk', 'slow'), 'the transfer to run');
      await expectRefused(await post(auth, 'x'));
      go();
      expect((await answer).status).toBe(200);
    });

    test('a transfer that lost its auth ends', async () => {
      const { auth } = await up('lost');
      const request = feed(auth);
      const begun = desk.next();
      request.write('first half');
      await begun;
      await new AuthTable(dataSource, clock).revoke('desk', 'lost');
      expect((await answerTo(request)).status).toBe(400);
      request.destroy();
    });

    test('what follows a download is tried until it is done, and the auth stays taken meanwhile', async () => {
      const { auth } = await down({ length: 10 });
      let failing = true;
      let tries = 0;
      counter.onSent = async () => {
        tries++;
        if (failing) throw new Unavailable('event-store');
      };
      await (await get(auth)).arrayBuffer();
      await until(() => tries > 2, 'a third try');
      await expectRefused(await get(auth));
      failing = false;
      await until(() => counter.sent.length === 1, 'the message to be sent');
    });

    test('a stop breaks what is running, leaves its auth usable and takes no more', async () => {
      const { auth } = await up('stopped');
      const request = feed(auth);
      const begun = desk.next();
      request.write('first half');
      await begun;
      const answer = answerTo(request);
      await transfers.stop();
      expect((await answer).status).toBe(400);
      request.destroy();
      expect(await transfers.running('desk', 'stopped')).toBe(false);
      expect((await post(auth, 'x')).status).toBe(503);
    });
  });

  describe('while the database is away', () => {
    let cable: Cable;
    let through: DataSource;
    beforeAll(async () => {
      cable = new Cable(new URL(database.url));
      through = new DataSource({ type: 'postgres', url: await cable.lay(), poolErrorHandler: () => undefined });
      await serve(await through.initialize());
    });
    afterAll(async () => {
      await through.destroy();
      cable.remove();
    });

    test('every transfer answers 503, and works again when it is back', async () => {
      const { auth } = await up('away');
      cable.cut();
      for (const answer of [await post(auth, 'x'), await get(auth)]) {
        expect([answer.status, await codeOf(answer)]).toEqual([503, 'dependency_unavailable']);
      }
      await expect(up('new')).rejects.toThrow(Unavailable);
      await expect(transfers.running('desk', 'away')).rejects.toThrow(Unavailable);
      cable.mend();
      expect((await post(auth, 'x')).status).toBe(200);
    });
  });
});
