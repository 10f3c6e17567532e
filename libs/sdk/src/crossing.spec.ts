import { pipeline } from 'node:stream';
import * as server from '@symbolon/crypto';
import { drained, hex, run, streamed, textBytes } from '../test/pieces';
import { type BodyCipher, openForToken, sealForToken } from './application-layer';
import { open, seal, SealError } from './cobblestone';
import { webEngine } from './key-engine';
import { decodePublicKey, ProfileKeys } from './profile-keys';

// The server has its own implementation of every format, on node:crypto. Each side opens what the other made.

it('messages of Cobblestone-256', async () => {
  const [key, context, salt] = [run(0, 31), textBytes('a context'), run(0x60, 0x77)];
  for (const length of [0, 1, 16_383, 16_384, 16_385, 100_003]) {
    const plain = Uint8Array.from({ length }, (_, i) => i % 253);
    const here = await seal(key, context, plain, salt);
    expect(Buffer.from(here).equals(server.seal(key, context, plain, salt))).toBe(true);
    expect(server.open(key, context, here).equals(plain)).toBe(true);
    expect(Buffer.from(await open(key, context, server.seal(key, context, plain))).equals(plain)).toBe(true);
  }
});

it('sealed messages (HPKE)', async () => {
  const pair = server.generateKeyPair();
  const receiver = decodePublicKey(pair.publicKey);
  const { enc, ciphertext } = await webEngine.seal(receiver, textBytes('info'), textBytes('from here'));
  const there = server.openMessage(
    [server.importX25519Private(pair.privateKey)],
    'info',
    Buffer.concat([enc, ciphertext]),
  );
  expect(there.toString()).toBe('from here');
  const sealed = server.sealMessage(receiver, 'info', textBytes('from there'));
  const parts = { enc: sealed.subarray(0, 32), ciphertext: sealed.subarray(32) };
  expect(Buffer.from(await webEngine.open(hex(pair.privateKey), textBytes('info'), parts)).toString()).toBe(
    'from there',
  );
});

it('public and signing keys of a profile', async () => {
  const keys = await ProfileKeys.generate();
  expect(server.parsePublicKey(keys.publicKey)).toMatchObject({ hex: keys.publicKey, fingerprint: keys.fingerprint });
  expect(server.parseSigningKey(keys.signingKey)).toBe(keys.signingKey);
});

it('key bundles under a passphrase', async () => {
  const keys = await ProfileKeys.generate();
  const profileId = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f';
  const secret = { passphrase: 'tall green walnut tree' };
  const here = await keys.seal(secret.passphrase, profileId);
  expect(Buffer.from(keys.toBytes()).equals(await server.openBundle(secret, profileId, here))).toBe(true);
  const there = await server.sealBundle(secret, profileId, keys.toBytes());
  expect((await ProfileKeys.open(there, secret.passphrase, profileId)).publicKey).toBe(keys.publicKey);
});

describe('bodies by the cryptography of Node', () => {
  const cipher: BodyCipher = {
    seal: (source, key, context) => pipeline(source, new server.CobblestoneSealer(key, context), () => undefined),
    open: (source, key, context) => pipeline(source, new server.CobblestoneOpener(key, context), () => undefined),
  };
  const place = { token: 'dt_token', profileId: '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f' };
  const plain = Uint8Array.from({ length: 600_001 }, (_, i) => i % 249);

  it('are those of WebCrypto, in both directions', async () => {
    const keys = await ProfileKeys.generate();
    for (const [sealing, opening] of [
      [cipher, undefined],
      [undefined, cipher],
    ]) {
      const sealed = await drained(await sealForToken(keys, place, 3, streamed(plain), { cipher: sealing }));
      const opened = await openForToken(keys, place, streamed(sealed.bytes, [70_000]), null, opening);
      const { bytes, error } = await drained(opened.stream);
      expect([opened.version, error, bytes.equals(plain)]).toEqual([3, null, true]);
    }
  });

  it('fail as those do: damage is a SealError, a broken source is its own error', async () => {
    const keys = await ProfileKeys.generate();
    const { bytes: sealed } = await drained(await sealForToken(keys, place, 3, streamed(plain)));
    const damaged = Buffer.from(sealed).fill(0, sealed.length - 10);
    const opened = await openForToken(keys, place, streamed(damaged, [70_000]), null, cipher);
    expect((await drained(opened.stream)).error).toBeInstanceOf(SealError);

    let sent = false;
    const breaking = new ReadableStream<Uint8Array>({
      pull: (out) => {
        if (sent) out.error(new Error('line cut'));
        else out.enqueue(sealed.subarray(0, 100_000));
        sent = true;
      },
    });
    const { stream } = await openForToken(keys, place, breaking, null, cipher);
    expect((await drained(stream)).error).toEqual(new Error('line cut'));
    const { error } = await drained(await sealForToken(keys, place, 3, failing(), { cipher }));
    expect(error).toEqual(new Error('disk gone'));
  });

  const failing = () => new ReadableStream<Uint8Array>({ pull: (out) => out.error(new Error('disk gone')) });
});
