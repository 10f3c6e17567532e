import { WebSocket } from 'ws';
import { FakeVault, problem, profileId } from '../test/fake-vault';
import { drained, streamed, textBytes } from '../test/pieces';
import { SealError } from './cobblestone';
import { connect, registerProfile } from './connect';
import { encodePublicKey, fingerprintOf, ProfileKeys } from './profile-keys';
import { kindOf, Refused, TimedOut, Unreachable } from './refused';
import type { Session } from './session';
import { KeysMissing, PinMismatch, RolledBack } from './session-errors';
import type { ConnectOptions } from './session-options';
import type { WebSocketClass } from './channel';

const webSocket = WebSocket as unknown as WebSocketClass;

let vault: FakeVault;
let keys: ProfileKeys;
const sessions: Session[] = [];

const signedIn = async (options: Partial<ConnectOptions> = {}): Promise<Session> => {
  const session = await connect({ url: vault.url, token: 'T-token', keys, webSocket, ...options });
  sessions.push(session);
  return session;
};
const polling = (): Promise<Session> => signedIn({ webSocket: undefined });

beforeAll(async () => {
  keys = await ProfileKeys.generate();
});
beforeEach(async () => {
  vault = await FakeVault.start();
});
afterEach(async () => {
  for (const session of sessions.splice(0)) session.close();
  await vault.stop();
});

const refusal = (error: unknown) => {
  expect(error).toBeInstanceOf(Refused);
  const { key, status, kind } = error as Refused;
  return { key, status, kind };
};
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => {
      throw new Error('did not fail');
    },
    (error: unknown) => error,
  );

describe('signing in', () => {
  it('gives a session that has joined its channel, with the token', async () => {
    const session = await connect({ url: vault.url, username: 'ada', password: 'right', webSocket });
    sessions.push(session);
    expect(session.token).toBe('T-token');
    expect(vault.channels).toBe(1);
    expect(await session.profileId()).toBe(profileId);
    expect(vault.calls('/profile/retrieve-profile-id')[0]!.headers['x-dpt-authorization']).toBe('T-token');
  });

  it('is refused with wrong credentials', async () => {
    const error = await failure(connect({ url: vault.url, username: 'ada', password: 'wrong', webSocket }));
    expect(refusal(error)).toEqual({ key: 'unauthorized', status: 401, kind: 'unauthorized' });
  });

  it('waits for a login that is voted on, and asks for its token once the vote has succeeded', async () => {
    vault.hold = true;
    vault.intercept('/profile/authenticate', (_request, response) => {
      vault.commands.set('0193-vote', { type: 'profile/authenticate', verdict: { succeeded: null }, final: true });
      response.writeHead(202, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ commandId: '0193-vote', status: 'started' }));
    });
    const session = await connect({ url: vault.url, username: 'ada', password: 'right' });
    expect(session.token).toBe('T-token');
    expect(vault.calls('/profile/authenticate').map(({ fields }) => fields['commandId'])).toEqual([
      undefined,
      '0193-vote',
    ]);
  });

  it('calls itself as the program wants, with every call', async () => {
    const session = await connect({
      url: vault.url,
      username: 'ada',
      password: 'right',
      userAgent: 'backup/2',
      webSocket,
    });
    await session.profileId();
    for (const path of ['/profile/authenticate', '/profile/retrieve-profile-id'])
      expect(vault.calls(path)[0]!.headers['user-agent']).toBe('backup/2');
  });

  it('says why a login was refused that was voted down while the call was held', async () => {
    vault.intercept('/profile/authenticate', (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const status = { commandId: '0193-vote', status: 'rejected', command_status: 3, reason: 'poll.rejected' };
      response.end(JSON.stringify(status));
    });
    vault.intercept('/profile/authenticate', (_request, response) => {
      response.writeHead(403, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ status: 403, code: 'poll.rejected', title: 'Rejected' }));
    });
    const error = await failure(connect({ url: vault.url, username: 'ada', password: 'right', webSocket }));
    expect(refusal(error)).toEqual({ key: 'poll.rejected', status: 403, kind: 'forbidden' });
  });

  it('refuses a server whose key is not the pinned one, before it sends a password', async () => {
    const publicKey = (await ProfileKeys.generate()).publicKey;
    const served = (_request: unknown, response: import('node:http').ServerResponse): void => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ publicKey, keyId: 'k' }));
    };
    // Well formed and with a good checksum, as anybody can make one.
    const attacker = encodePublicKey(new Uint8Array(32).fill(9));
    for (const pin of [await fingerprintOf(attacker), keys.fingerprint]) {
      vault.intercept('/dptcab/public-key', served);
      await expect(connect({ url: vault.url, username: 'ada', password: 'right', pin })).rejects.toThrow(PinMismatch);
    }
    expect(vault.calls('/profile/authenticate')).toEqual([]);
    vault.intercept('/dptcab/public-key', served);
    const session = await connect({
      url: vault.url,
      username: 'ada',
      password: 'right',
      pin: await fingerprintOf(publicKey),
    });
    expect(session.token).toBe('T-token');
  });

  it('goes on without a channel when the server does not let it join', async () => {
    vault.refuseJoin = true;
    const session = await signedIn();
    vault.verdicts.set('/x/do', () => ({ succeeded: { done: 1 } }));
    expect((await session.command('/x/do')).body).toEqual({ done: 1 });
  });

  it('takes http and https addresses only', async () => {
    await expect(connect({ url: 'ftp://127.0.0.1', token: 'T-x' })).rejects.toThrow(TypeError);
  });

  it('registers a profile without a token', async () => {
    vault.verdicts.set('/profile/register-profile', () => ({ succeeded: { profileId } }));
    expect(await registerProfile({ url: vault.url, username: 'ada', password: 'right' })).toEqual({ profileId });
    expect(vault.calls('/profile/register-profile')[0]!.headers['x-dpt-authorization']).toBeUndefined();
  });
});

describe('a command', () => {
  it('that is final at once resolves with its body', async () => {
    vault.verdicts.set('/x/do', (fields) => ({ succeeded: { got: fields['a'] } }));
    const outcome = await (await signedIn()).command('/x/do', { a: 5 });
    expect(outcome).toEqual({ commandId: expect.any(String) as unknown, body: { got: 5 }, poolId: null });
  });

  it('that takes its time resolves by the channel', async () => {
    vault.hold = true;
    vault.verdicts.set('/x/do', () => ({ succeeded: { done: 1 } }));
    const session = await signedIn();
    const outcome = session.command('/x/do');
    await vault.until(() => vault.commands.size === 1);
    vault.release([...vault.commands.keys()][0]!);
    expect((await outcome).body).toEqual({ done: 1 });
    expect(vault.seen.filter(({ path }) => path.startsWith('/request-status'))).toEqual([]);
  });

  it('is heard of even when the message comes before the answer has been read', async () => {
    vault.hold = true;
    const session = await signedIn();
    const early = new Promise((resolve) => session.listen(resolve));
    vault.intercept('/x/do', (_request, response) => {
      vault.commands.set('c-1', { type: 'x/do', verdict: { succeeded: 'early' }, final: false });
      vault.release('c-1');
      void early.then(() => response.writeHead(202).end(JSON.stringify({ commandId: 'c-1', status: 'started' })));
    });
    expect((await session.command('/x/do')).body).toBe('early');
  });

  it('rejects with its reason key, whichever way it comes', async () => {
    vault.verdicts.set('/x/do', () => ({ rejected: 'storage.no_devices' }));
    const expected = { key: 'storage.no_devices', status: null, kind: 'refused' };
    expect(refusal(await failure((await polling()).command('/x/do')))).toEqual(expected);
    vault.hold = true;
    const held = failure((await signedIn()).command('/x/do'));
    await vault.until(() => vault.commands.size === 2);
    vault.release([...vault.commands.keys()][1]!);
    expect(refusal(await held)).toEqual(expected);
  });

  it('is reconciled by its status when the channel broke, and the channel comes back', async () => {
    vault.hold = true;
    vault.verdicts.set('/x/do', () => ({ succeeded: 'reconciled' }));
    const session = await signedIn();
    const outcome = session.command('/x/do');
    await vault.until(() => vault.commands.size === 1);
    vault.release([...vault.commands.keys()][0]!, false);
    vault.dropChannels();
    expect((await outcome).body).toBe('reconciled');
    await vault.until(() => vault.channels === 1);
    expect(vault.seen.filter(({ path }) => path.startsWith('/request-status')).length).toBe(1);
  });

  it('is heard of by a late join: what was said while the channel was away is said again', async () => {
    vault.hold = true;
    vault.verdicts.set('/x/do', () => ({ succeeded: 'late' }));
    const session = await signedIn();
    const outcome = session.command('/x/do');
    await vault.until(() => vault.commands.size === 1);
    const [id] = [...vault.commands.keys()];
    vault.dropChannels();
    await vault.until(() => vault.calls(`/request-status/${id}`).length > 0);
    vault.release(id!, false);
    expect((await outcome).body).toBe('late');
  });

  it('is asked for by holding calls where there is no channel', async () => {
    vault.hold = true;
    const session = await polling();
    const outcome = session.command('/x/do');
    await vault.until(() => vault.commands.size === 1);
    const [id] = [...vault.commands.keys()];
    await vault.until(() => vault.calls(`/request-status/${id}`).length > 0);
    vault.release(id!);
    expect((await outcome).body).toBeNull();
    expect(vault.calls(`/request-status/${id}`)[0]!.headers['prefer']).toBe('wait=30');
  });

  it('whose answer was lost is repeated under its idempotency key, and runs once', async () => {
    const session = await polling();
    vault.intercept('/x/do', (request) => request.socket.destroy());
    vault.intercept('/x/do', (_request, response) =>
      problem(response, 503, 'dependency_unavailable', { retryAfter: 1 }),
    );
    await session.command('/x/do');
    const sent = new Set(vault.calls('/x/do').map(({ headers }) => headers['idempotency-key']));
    expect([vault.calls('/x/do').length, sent.size, vault.commands.size]).toEqual([3, 1, 1]);
  });

  it('takes a key of the caller', async () => {
    const session = await polling();
    const [one, two] = [
      await session.command('/x/do', {}, { idempotencyKey: 'mine' }),
      await session.command('/x/do', {}, { idempotencyKey: 'mine' }),
    ];
    expect(one.commandId).toBe(two.commandId);
  });

  it('that is not final in the time given ends as TimedOut, and can be waited for later', async () => {
    vault.hold = true;
    const session = await signedIn();
    const error = await failure(session.command('/x/do', {}, { timeout: 0.01 }));
    expect(error).toBeInstanceOf(TimedOut);
    const { commandId } = error as TimedOut;
    const outcome = session.outcome(commandId);
    await vault.until(() => vault.calls(`/request-status/${commandId}`).length > 0);
    vault.release(commandId);
    expect((await outcome).commandId).toBe(commandId);
  });

  it('can be given up by its caller', async () => {
    vault.hold = true;
    const session = await signedIn();
    const aborting = new AbortController();
    const outcome = failure(session.command('/x/do', {}, { signal: aborting.signal }));
    await vault.until(() => vault.commands.size === 1);
    aborting.abort(new Error('given up'));
    expect(await outcome).toEqual(new Error('given up'));
  });

  it('tells problems apart: fields, permission, absence, limits, faults, no server', async () => {
    const session = await polling();
    const answers: [number, string, string][] = [
      [422, 'validation_failed', 'invalid'],
      [413, 'payload_too_large', 'invalid'],
      [401, 'unauthorized', 'unauthorized'],
      [403, 'profile.public_key_required', 'forbidden'],
      [404, 'data_token.not_found', 'missing'],
      [409, 'device.not_approved', 'refused'],
      [429, 'profile.login_locked', 'unavailable'],
      [500, 'internal_error', 'unexpected'],
    ];
    for (const [status, code, kind] of answers) {
      vault.intercept('/x/do', (_request, response) => problem(response, status, code, { errors: { a: ['is bad'] } }));
      const error = await failure(session.command('/x/do'));
      expect(refusal(error)).toEqual({ key: code, status, kind });
      expect((error as Refused).errors).toEqual({ a: ['is bad'] });
    }
    expect(kindOf('data_token.not_found', null)).toBe('missing');
    expect(kindOf('storage.no_device_answered', null)).toBe('unavailable');
    vault.intercept('/x/do', (_request, response) => response.writeHead(502).end('<html>'));
    expect(refusal(await failure(session.command('/x/do')))).toEqual({
      key: 'internal_error',
      status: 502,
      kind: 'unexpected',
    });
    await vault.stop();
    expect(await failure(session.call('/x/do'))).toBeInstanceOf(Unreachable);
  });
});

describe('store and fetch', () => {
  const big = Uint8Array.from({ length: 700_001 }, (_, i) => (i * 13) % 256);

  it.each<[string, Uint8Array, 'bytes' | 'stream' | 'iterable', string]>([
    ['nothing', new Uint8Array(), 'bytes', '/data-token/exchange-data-for-token'],
    ['a few bytes', textBytes('hello'), 'bytes', '/data-token/exchange-data-for-token'],
    ['much in memory', big, 'bytes', '/upstream/'],
    ['a stream', big, 'stream', '/upstream/'],
    ['an iterable', big, 'iterable', '/upstream/'],
    ['an empty stream', new Uint8Array(), 'stream', '/upstream/'],
  ])('%s: comes back as it was, and went sealed', async (_name, plain, form, way) => {
    const session = await signedIn();
    const source =
      form === 'bytes' ? plain : form === 'stream' ? streamed(plain, [100_000]) : piecewise(plain, 300_000);
    const progress: number[] = [];
    const stored = await session.store(source, {
      context: 'invoices/2026',
      ttl: 7,
      onProgress: (n) => progress.push(n),
    });
    expect(stored).toEqual({ token: expect.stringMatching(/^dt_/) as unknown, version: 1, size: plain.length });
    expect(progress.at(-1) ?? 0).toBe(plain.length);
    expect(vault.calls('/data-token/reserve-token-space')[0]!.fields).toEqual({ context: 'invoices/2026', ttl: 7 });
    expect(vault.calls(way).length).toBe(1);
    const payload = vault.payloads.get(stored.token)!;
    expect(payload.subarray(0, 5).toString('latin1')).toBe('SYM1\u0001');
    if (plain.length > 0) expect(payload.includes(Buffer.from(plain.subarray(0, 5)))).toBe(false);

    const out: number[] = [];
    const fetched = await session.fetch(stored.token, { onProgress: (n) => out.push(n) });
    expect([fetched.version, fetched.size]).toEqual([1, plain.length]);
    const { bytes, error } = await drained(fetched.stream);
    expect([error, bytes.equals(plain), out.at(-1) ?? 0]).toEqual([null, true, plain.length]);
  });

  async function* piecewise(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += length) yield await Promise.resolve(bytes.subarray(at, at + length));
  }

  it('raw bytes go and come as they are, without keys', async () => {
    const session = await signedIn({ keys: undefined });
    const { token } = await session.store(textBytes('as it is'), { raw: true });
    expect(vault.payloads.get(token)!.toString()).toBe('as it is');
    const { stream, version, size } = await session.fetch(token, { raw: true });
    expect([(await drained(stream)).bytes.toString(), version, size]).toEqual(['as it is', null, 8]);
  });

  it('without keys nothing is reserved, stored or fetched', async () => {
    const session = await signedIn({ keys: undefined });
    await expect(session.store(textBytes('secret'))).rejects.toThrow(KeysMissing);
    await expect(session.fetch('dt_x')).rejects.toThrow(KeysMissing);
    expect(vault.seen).toEqual([]);
  });

  it('refuses unsealed bytes, and bytes of another token, in the place of sealed ones', async () => {
    const session = await signedIn();
    const one = await session.store(textBytes('one'));
    const two = await session.store(textBytes('two'));
    const own = vault.payloads.get(one.token)!;
    for (const served of [
      Buffer.from('something else, in the clear'),
      vault.payloads.get(two.token)!,
      own.subarray(0, 90),
    ]) {
      vault.payloads.set(one.token, served);
      await expect(session.fetch(one.token)).rejects.toThrow(SealError);
    }
    vault.payloads.set(one.token, own);
    expect((await drained((await session.fetch(one.token)).stream)).bytes.toString()).toBe('one');
  });

  it('refuses an older version than the caller has seen', async () => {
    const session = await signedIn();
    const { token, version } = await session.store(textBytes('one'));
    const error = await failure(session.fetch(token, { atLeast: version + 1 }));
    expect(error).toBeInstanceOf(RolledBack);
    expect([(error as RolledBack).version, (error as RolledBack).expected]).toEqual([1, 2]);
    expect((await session.fetch(token, { atLeast: version })).version).toBe(1);
  });

  it('a damaged end is an error of the stream, not an early end', async () => {
    const session = await signedIn();
    const { token } = await session.store(big);
    const payload = vault.payloads.get(token)!;
    payload[payload.length - 1]! ^= 1;
    const { stream } = await session.fetch(token);
    const { bytes, error } = await drained(stream);
    expect(error).toBeInstanceOf(SealError);
    expect(bytes.equals(Buffer.from(big.subarray(0, bytes.length)))).toBe(true);
  });

  it('holds a bounded part of a large source', async () => {
    const session = await signedIn();
    vault.discard = true;
    const before = process.memoryUsage().arrayBuffers;
    let peak = 0;
    async function* large(): AsyncGenerator<Uint8Array> {
      for (let piece = 0; piece < 1200; piece++) {
        yield await Promise.resolve(new Uint8Array(262_144));
        if (piece % 40 === 0) globalThis.gc?.();
        peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
      }
    }
    expect((await session.store(large())).size).toBe(1200 * 262_144);
    expect(peak).toBeLessThan(150 * 2 ** 20);
  });

  it('follows no redirection, with a token or with data', async () => {
    const session = await signedIn();
    const elsewhere = (_request: unknown, response: import('node:http').ServerResponse): void => {
      response.writeHead(307, { location: `${vault.url}/x/elsewhere` }).end();
    };
    vault.intercept('/x/do', elsewhere);
    expect(await failure(session.call('/x/do'))).toBeInstanceOf(Unreachable);
    vault.intercept('/upstream/', elsewhere);
    expect(await failure(session.store(big))).toBeInstanceOf(Unreachable);
    expect(vault.calls('/x/elsewhere')).toEqual([]);
  });

  it('an upload whose answer was lost is looked for, and one that was cut off is not', async () => {
    const session = await signedIn();
    const listed = (status: string | null) => (_request: unknown, response: import('node:http').ServerResponse) => {
      const items = status === null ? [] : [{ status }];
      response.writeHead(200).end(JSON.stringify({ items, meta: { count: items.length, page: 1, perPage: 25 } }));
    };
    const lost = (request: import('node:http').IncomingMessage): void => void request.socket.destroy();
    for (const status of ['temporary', 'permanent']) vault.intercept('/data-token/list-data-tokens', listed(status));
    vault.intercept('/upstream/', lost);
    expect(await session.store(big)).toMatchObject({ version: 1, size: big.length });

    vault.intercept('/data-token/list-data-tokens', listed(null));
    vault.intercept('/upstream/', lost);
    expect(await failure(session.store(big))).toBeInstanceOf(Unreachable);

    const asked = vault.calls('/data-token/list-data-tokens').length;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let n = 0; ; n++) {
        yield await Promise.resolve(big);
        if (n === 3) vault.breakUploads();
      }
    }
    expect(await failure(session.store(endless()))).toBeInstanceOf(Unreachable);
    expect(vault.calls('/data-token/list-data-tokens').length).toBe(asked);
  });

  it('an upload that the server refuses rejects with its reason', async () => {
    const session = await signedIn();
    vault.intercept('/upstream/', (_request, response) => problem(response, 413, 'payload_too_large'));
    expect(refusal(await failure(session.store(big)))).toEqual({
      key: 'payload_too_large',
      status: 413,
      kind: 'invalid',
    });
    vault.verdicts.set('/upstream/', () => ({ rejected: 'storage.no_device_answered' }));
    expect(refusal(await failure(session.store(big))).key).toBe('storage.no_device_answered');
  });

  it('a source that fails is the error, and one that is not read any more is cancelled', async () => {
    const session = await signedIn();
    const failing = new ReadableStream<Uint8Array>({
      pull: () => {
        throw new Error('disk gone');
      },
    });
    await expect(session.store(failing)).rejects.toThrow('disk gone');
    const cancelled = jest.fn();
    vault.intercept('/data-token/reserve-token-space', (_request, response) =>
      problem(response, 403, 'profile.public_key_required'),
    );
    const waiting = new ReadableStream<Uint8Array>(
      { pull: (out) => out.enqueue(big), cancel: cancelled },
      { highWaterMark: 0 },
    );
    expect(refusal(await failure(session.store(waiting))).kind).toBe('forbidden');
    expect(cancelled).toHaveBeenCalledTimes(1);
  });

  it('sends filters under the names of the API', async () => {
    const list = await (
      await signedIn({ keys: undefined })
    ).list({ context: 'a*', fileName: 'b', status: 'permanent' }, { page: 2, perPage: 5 });
    expect((list as unknown as { asked: unknown }).asked).toEqual({
      'filters[context]': 'a*',
      'filters[meta.file.fileName]': 'b',
      'filters[status]': 'permanent',
      page: '2',
      perPage: '5',
    });
  });
});

it('registers both public halves, and no private one', async () => {
  const session = await polling();
  vault.verdicts.set('/public-key/register-public-key', () => ({ succeeded: { fingerprint: keys.fingerprint } }));
  expect(await session.registerKeys(keys)).toEqual({ fingerprint: keys.fingerprint });
  expect(vault.calls('/public-key/register-public-key')[0]!.fields).toEqual({
    publicKey: keys.publicKey,
    signingKey: keys.signingKey,
  });
  expect(vault.calls('/public-key/generate-keys')).toEqual([]);
});
