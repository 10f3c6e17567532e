import { gunzipSync } from 'node:zlib';
import { hex, run, vectorFile } from '../test/pieces';
import { SealError } from './cobblestone';
import { type KeyEngine, keyEngine, softwareEngine, webEngine } from './key-engine';

const engines: [string, KeyEngine][] = [
  ['WebCrypto', webEngine],
  ['JavaScript', softwareEngine()],
];
const info = run(1, 20);
const secret = run(10, 41);

interface Wycheproof<G> {
  readonly testGroups: readonly G[];
}
const wycheproof = <G>(name: string): readonly G[] =>
  (JSON.parse(vectorFile(name).toString()) as Wycheproof<G>).testGroups;

interface HpkeVector {
  readonly mode: number;
  readonly kem_id: number;
  readonly kdf_id: number;
  readonly aead_id: number;
  readonly info: string;
  readonly skRm: string;
  readonly skEm: string;
  readonly pkRm: string;
  readonly enc: string;
}

it('chooses WebCrypto where it has both curves', async () => {
  expect(await keyEngine()).toBe(webEngine);
});

describe.each(engines)('%s', (_name, engine) => {
  it('seals to a public key, for its secret and the same info alone', async () => {
    const receiver = await engine.agreementPublic(secret);
    const sealed = await engine.seal(receiver, info, run(0, 31));
    expect([sealed.enc.length, sealed.ciphertext.length]).toEqual([32, 48]);
    expect(await engine.open(secret, info, sealed)).toEqual(run(0, 31));
    await expect(engine.open(secret, run(1, 19), sealed)).rejects.toThrow(SealError);
    await expect(engine.open(run(11, 42), info, sealed)).rejects.toThrow(SealError);
    const cut = { ...sealed, ciphertext: sealed.ciphertext.subarray(0, 36) };
    await expect(engine.open(secret, info, cut)).rejects.toThrow(SealError);
  });

  it('wraps one key differently each time', async () => {
    const receiver = await engine.agreementPublic(secret);
    const [one, two] = [await engine.seal(receiver, info, run(0, 31)), await engine.seal(receiver, info, run(0, 31))];
    expect(one.enc).not.toEqual(two.enc);
    expect(one.ciphertext).not.toEqual(two.ciphertext);
  });

  it('refuses every point of low order, as receiver and as encapsulated key', async () => {
    const low = wycheproof<{ tests: { public: string; flags: string[] }[] }>('x25519_test.json')
      .flatMap(({ tests }) => tests)
      .filter(({ flags }) => flags.includes('ZeroSharedSecret'));
    expect(low.length).toBe(31);
    for (const { public: point } of low) {
      await expect(engine.seal(hex(point), info, run(0, 31))).rejects.toThrow();
      await expect(engine.open(secret, info, { enc: hex(point), ciphertext: run(0, 47) })).rejects.toThrow(SealError);
    }
  });

  it('verifies signatures as RFC 8032 says', async () => {
    const groups = wycheproof<{
      publicKey: { pk: string };
      tests: { tcId: number; msg: string; sig: string; result: string }[];
    }>('ed25519_test.json');
    const wrong: number[] = [];
    for (const { publicKey, tests } of groups) {
      for (const { tcId, msg, sig, result } of tests) {
        const held = await engine.verify(hex(publicKey.pk), hex(msg), hex(sig));
        if (held !== (result === 'valid')) wrong.push(tcId);
      }
    }
    expect(wrong).toEqual([]);
  });

  it('is understood by the other', async () => {
    const [other] = engines.map(([, one]) => one).filter((one) => one !== engine);
    expect(await engine.agreementPublic(secret)).toEqual(await other!.agreementPublic(secret));
    expect(await engine.signingPublic(secret)).toEqual(await other!.signingPublic(secret));
    expect(await engine.sign(secret, info)).toEqual(await other!.sign(secret, info));
    const sealed = await engine.seal(await other!.agreementPublic(secret), info, run(5, 36));
    expect(await other!.open(secret, info, sealed)).toEqual(run(5, 36));
  });
});

describe('HPKE against RFC 9180', () => {
  const vector = (
    JSON.parse(gunzipSync(vectorFile('vectors_rfc9180_5f503c5.json.gz')).toString()) as HpkeVector[]
  ).find(({ mode, kem_id, kdf_id, aead_id }) => mode === 0 && kem_id === 0x20 && kdf_id === 1 && aead_id === 2)!;

  it('encapsulates with a given ephemeral key as the vector does, and WebCrypto opens it', async () => {
    const fixed = softwareEngine(() => hex(vector.skEm));
    const sealed = await fixed.seal(hex(vector.pkRm), hex(vector.info), run(0, 31));
    expect(Buffer.from(sealed.enc).toString('hex')).toBe(vector.enc);
    expect(await webEngine.open(hex(vector.skRm), hex(vector.info), sealed)).toEqual(run(0, 31));
  });

  it('gives the sealed message of the API contract, byte for byte', async () => {
    // Contract, section 15.
    const fixed = softwareEngine(() => hex('52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736'));
    const contractInfo = Buffer.from(
      'symbolon v1 envelope|01937b4a-6d2e-7c31-9a55-3f0c8e2b7d10|storage.write_ack|01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f',
    );
    const plain = Buffer.from('{"objectId":"e727d72273d3cc6f9f39dc5589beadf3","version":1}');
    const receiver = hex('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f');
    const { enc, ciphertext } = await fixed.seal(receiver, contractInfo, plain);
    expect(Buffer.concat([enc, ciphertext]).toString('base64')).toBe(
      'N/2jVnvb1ijohmjDyNfpfR0SU7bU6m1EwVD3QfG/RDGWx4H4EEejp4kgB/EagX4YM2KE/jWqVN0u+PoAXF2guiSfcq7oVN6nakraIVal1IXWiQ0nR3JCYE5kfBdqq6FO6LqAeDXJuKcG5zA=',
    );
    const ownSecret = hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb');
    expect(Buffer.from(await webEngine.open(ownSecret, contractInfo, { enc, ciphertext })).equals(plain)).toBe(true);
  });
});
