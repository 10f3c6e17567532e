import { createHash, sign } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  bindingText,
  bodyContext,
  cekContext,
  encodeHeader,
  layers,
  suites,
  uuidBytes,
  wrapText,
} from '@symbolon/contracts';
import {
  encodePublicKey,
  generateEd25519,
  generateKeyPair,
  KeyStore,
  parsePublicKey,
  randomBytes,
  seal,
  sealMessage,
} from '@symbolon/crypto';
import {
  connect,
  KeysMissing,
  PinMismatch,
  ProfileKeys,
  registerProfile,
  RolledBack,
  SealError,
  sealForToken,
  serverKey,
  type Session,
} from '@symbolon/sdk';
import { TestServer } from '@symbolon/testing';
import { runAgent } from '../../../device-agent/src/agent';
import { exits } from '../../../device-agent/src/halt';
import { FalseCentral } from './false-central';
import { type Application, application, fetched, StorageDevice } from './parties';

jest.setTimeout(60_000);

const first = Buffer.from('the first payload');
const second = Buffer.from('the second payload, which is another one');

let server: TestServer;
let central: FalseCentral;
let ada: Application;
let attic: StorageDevice;
/** Ada at the server that lies. */
let session: Session;

beforeAll(async () => {
  server = await TestServer.start();
  central = await FalseCentral.before(server.url);
  ada = await application(server.url);
  attic = await StorageDevice.of(ada, server.url);
  session = await connect({ url: central.url, token: ada.session.token!, keys: ada.keys, channel: false });
});
afterEach(() => central.repent());
afterAll(async () => {
  ada.session.close();
  await attic.discard();
  await central.stop();
  await server.stop();
});

const here = () => ({ ...ada, session });
/** Central answers a request for one token with the bytes of another. */
const serve = (bytesOf: string, as: string) => {
  central.question = (path, fields) =>
    path === '/data-token/request-data' && fields['token'] === as ? { ...fields, token: bytesOf } : fields;
};
/** Bytes at the server under a token of their own: central may take any bytes it likes from there. */
const planted = async (bytes: Uint8Array) => (await ada.session.store(bytes, { raw: true })).token;
const sealedFor = async (token: string, version: number, bytes: Uint8Array, keys = ada.keys): Promise<Buffer> => {
  const place = { token, profileId: ada.profileId };
  const source = new Response(Buffer.from(bytes)).body as ReadableStream<Uint8Array>;
  return buffer(Readable.fromWeb((await sealForToken(keys, place, version, source)) as never));
};
/** Reserves a token and hands in what the application sealed for it as its `version`-th write. */
async function written(version: number, bytes: Uint8Array): Promise<string> {
  const { commandId } = await ada.session.command('/data-token/reserve-token-space', { context: 'sealed' });
  const { token } = await ada.session.query<{ token: string }>(
    `/data-token/retrieve-temporary-data-token/${commandId}`,
  );
  const data = (await sealedFor(token, version, bytes)).toString('base64');
  await ada.session.command('/data-token/exchange-data-for-token', { temporaryTokenSpace: token, data });
  return token;
}

describe('W3: central serves', () => {
  test('the bytes of one token as another’s: refused', async () => {
    const { token: one } = await ada.session.store(first);
    const { token: other } = await ada.session.store(second);
    serve(one, other);
    await expect(fetched(here(), other)).rejects.toBeInstanceOf(SealError);
    // The bytes did come: taken as they are, they are the first token's, which opens them.
    const raw = await fetched(here(), other, true);
    central.repent();
    expect(raw).toEqual(await fetched(here(), one, true));
    expect(await fetched(here(), one)).toEqual(first);
    expect(await fetched(here(), other)).toEqual(second);
  });

  test('an older version as the present one: refused by atLeast, and by whoever has seen the newer one', async () => {
    const token = await written(2, second);
    const older = await planted(await sealedFor(token, 1, first));
    const fresh = () => connect({ url: central.url, token: ada.session.token!, keys: ada.keys, channel: false });
    serve(older, token);
    const never = await fresh();
    await expect(never.fetch(token, { atLeast: 2 })).rejects.toMatchObject({ version: 1, expected: 2 });
    await expect(never.fetch(token, { atLeast: 2 })).rejects.toBeInstanceOf(RolledBack);
    central.repent();
    const witness = await fresh();
    expect((await witness.fetch(token, { atLeast: 2 })).version).toBe(2);
    serve(older, token);
    await expect(witness.fetch(token)).rejects.toBeInstanceOf(RolledBack);
    // Whoever never saw a version and asks for none has nothing to compare with: crypto.md, section 20.
    expect((await never.fetch(token)).version).toBe(1);
  });

  test('an older version with a newer number: refused', async () => {
    const token = await written(2, second);
    const older = await sealedFor(token, 1, first);
    older.writeUInt32LE(3, 7);
    serve(await planted(older), token);
    await expect(fetched(here(), token)).rejects.toBeInstanceOf(SealError);
  });
});

describe('C4: central seals to the application’s public key', () => {
  /** A perfect envelope but for the signature: whoever knows the token and the public key can make it. */
  function forged(token: string, by: (text: Uint8Array) => Buffer): Buffer {
    const { raw, thumbprint } = parsePublicKey(ada.keys.publicKey);
    const binding = createHash('sha256').update(bindingText(token)).digest().subarray(0, 16);
    const owner = uuidBytes(ada.profileId);
    const frame = { layer: layers.application, suite: suites.hpke, flags: 0, version: 1, binding, owner };
    const cek = randomBytes(32);
    const info = cekContext(frame, owner);
    const message = sealMessage(raw, info, cek);
    const [enc, wrapped] = [message.subarray(0, 32), message.subarray(32)];
    const kid = Buffer.from(thumbprint, 'base64url');
    const header = encodeHeader({
      ...frame,
      wraps: [{ kid, enc, wrapped, signature: by(wrapText(info, enc, wrapped)) }],
    });
    return Buffer.concat([header, seal(cek, bodyContext(frame), Buffer.from('what central would have it read'))]);
  }

  test.each<[string, (text: Uint8Array) => Buffer]>([
    ['without a signature', () => Buffer.alloc(0)],
    ['with a signature of its own', (text) => sign(null, text, generateEd25519().privateKey)],
    [
      'with its own signing key’s signature',
      (text) => sign(null, text, server.served.app.get(KeyStore).signKey().private),
    ],
  ])('%s: refused', async (_, by) => {
    const { token } = await ada.session.store(first);
    serve(await planted(forged(token, by)), token);
    await expect(fetched(here(), token)).rejects.toBeInstanceOf(SealError);
    central.repent();
    expect(await fetched(here(), token)).toEqual(first);
  });

  test('with the wrap of one envelope on the body of another, or the other way: refused', async () => {
    const { token } = await ada.session.store(first);
    const genuine = await fetched(here(), token, true);
    const own = forged(token, () => Buffer.alloc(64, 1));
    expect(own.length - 31).toBe(genuine.length - first.length);
    const header = genuine.length - first.length - 72;
    for (const mixed of [
      Buffer.concat([genuine.subarray(0, header), own.subarray(header)]),
      Buffer.concat([own.subarray(0, header), genuine.subarray(header)]),
    ]) {
      serve(await planted(mixed), token);
      await expect(fetched(here(), token)).rejects.toBeInstanceOf(SealError);
    }
    serve(await planted(genuine), token);
    expect(await fetched(here(), token)).toEqual(first);
  });

  test('what another profile sealed for this very token: refused', async () => {
    const { token } = await ada.session.store(first);
    serve(await planted(await sealedFor(token, 1, second, await ProfileKeys.generate())), token);
    await expect(fetched(here(), token)).rejects.toBeInstanceOf(SealError);
  });
});

test.each([
  ['plain bytes', Buffer.from('these are not sealed')],
  ['no bytes but the mark', Buffer.from('SYM1')],
  [
    'an envelope of another layer',
    Buffer.concat([Buffer.from('SYM1'), Buffer.from([2, 0x10, 1, 0, 0, 0, 0, 0]), randomBytes(100)]),
  ],
])('C5: central serves %s for a token that the SDK wrote: refused unless asked for raw', async (_, bytes) => {
  const { token } = await ada.session.store(first);
  serve(await planted(bytes), token);
  await expect(fetched(here(), token)).rejects.toBeInstanceOf(SealError);
  expect(await fetched(here(), token, true)).toEqual(bytes);
  const keyless = await connect({ url: central.url, token: ada.session.token!, channel: false });
  await expect(keyless.fetch(token)).rejects.toBeInstanceOf(KeysMissing);
});

describe('W1: a key of the attacker’s in the 100-byte form', () => {
  // No secret is needed for it: tag, key and an unkeyed checksum.
  const { publicKey } = generateKeyPair();

  test('as central’s key: the SDK refuses what is not pinned, before it says anything secret', async () => {
    const { fingerprint: pin } = await serverKey({ url: server.url });
    central.answer = (path, body) => (path === '/dptcab/public-key' ? { ...body, publicKey } : body);
    central.asked.length = 0;
    const { username, password } = ada;
    const origin = { url: central.url, channel: false, pin };
    await expect(connect({ ...origin, username, password })).rejects.toBeInstanceOf(PinMismatch);
    await expect(registerProfile({ ...origin, username: 'new@example.org', password })).rejects.toBeInstanceOf(
      PinMismatch,
    );
    expect(new Set(central.asked)).toEqual(new Set(['GET /dptcab/public-key']));
    central.repent();
    expect((await connect({ ...origin, username, password })).token).toMatch(/^T-/);
  });

  test('as central’s key in a device’s configuration: the agent refuses to start', async () => {
    await attic.stop();
    attic.write('device.json', { ...attic.configuration, 'cab-public-key': publicKey });
    const refusing = runAgent({ dir: attic.dir });
    await expect(refusing.ready).rejects.toMatchObject({ exit: exits.serverChanged });
    attic.write('device.json', attic.configuration);
    await attic.start();
  });

  test('as the key of somebody else’s device or profile: registration is refused, and nothing changes', async () => {
    const mallory = await application(server.url);
    const { deviceIdentifier } = attic;
    const keyOf = () => ada.session.registeredKey(deviceIdentifier);
    const [before, profile] = [await keyOf(), await ada.session.registeredKey()];
    const register = (fields: object) =>
      mallory.session.command('/public-key/register-public-key', { publicKey, ...fields });
    await expect(register({ deviceIdentifier })).rejects.toMatchObject({ key: 'device.not_found' });
    await register({ profileId: ada.profileId, username: ada.username });
    expect(await keyOf()).toEqual(before);
    expect(await ada.session.registeredKey()).toEqual(profile);
    expect((await mallory.session.registeredKey())!.publicKey).toBe(publicKey);
    mallory.session.close();
  });

  test('with a device’s login: another device’s key is out of its reach', async () => {
    const cellar = await StorageDevice.of(ada, server.url);
    const { body } = await server.post('/profile/authenticate', {
      json: { username: cellar.login.username, password: cellar.login.password },
    });
    const token = body.authorizationToken as string;
    const keysOf = async () => [
      await ada.session.registeredKey(attic.deviceIdentifier),
      await ada.session.registeredKey(),
    ];
    const before = await keysOf();
    const answer = await server.post('/public-key/register-public-key', {
      json: { publicKey, deviceIdentifier: attic.deviceIdentifier },
      token,
      wait: 20,
    });
    expect(answer.body.status === 'succeeded').toBe(false);
    expect(await keysOf()).toEqual(before);
    const own = await server.done('/public-key/register-public-key', { publicKey: generateKeyPair().publicKey }, token);
    expect(own.status).toBe('succeeded');
    await cellar.discard();
  });

  test('a key that another profile has registered is not taken as one’s own', async () => {
    const mallory = await application(server.url);
    const stolen = { publicKey: ada.keys.publicKey, signingKey: ada.keys.signingKey };
    await expect(mallory.session.command('/public-key/register-public-key', stolen)).rejects.toMatchObject({
      key: 'public_key.already_in_use',
    });
    mallory.session.close();
  });

  test('in a form whose checksum is wrong, or of a point of low order: refused', async () => {
    const damaged = publicKey.slice(0, -1) + (publicKey.endsWith('0') ? '1' : '0');
    for (const bad of [damaged, encodePublicKey(Buffer.alloc(32)), publicKey.slice(2)])
      await expect(ada.session.command('/public-key/register-public-key', { publicKey: bad })).rejects.toMatchObject({
        status: 422,
      });
  });
});
