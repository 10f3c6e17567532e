import {
  bodyContext,
  cekContext,
  encodeHeader,
  flags,
  headerLength,
  layers,
  le64,
  padmeLength,
  sealedLength,
  splitEnvelope,
  suites,
  toHex,
  uuidBytes,
  type Wrap,
  wrapText,
} from '@symbolon/contracts';
import fc from 'fast-check';
import { drained, hex, run, streamed, textBytes } from '../test/pieces';
import { openForToken, sealForToken } from './application-layer';
import { joined, open, seal, SealError } from './cobblestone';
import { softwareEngine } from './key-engine';
import { ProfileKeys } from './profile-keys';

const token = 'dt_oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8';
const profileId = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f';
const place = { token, profileId };
const bindingId = '90c0124d947349f0146b772182016a47';

let keys: ProfileKeys;
beforeAll(async () => {
  keys = await ProfileKeys.generate();
});

const sealed = async (plain: Uint8Array, version = 1, padTo?: number): Promise<Uint8Array> => {
  const { bytes, error } = await drained(await sealForToken(keys, place, version, streamed(plain), { padTo }));
  expect(error).toBeNull();
  return bytes;
};
const opened = async (envelope: Uint8Array, where = place, who = keys, cuts = [envelope.length || 1]) => {
  const { stream, version, size } = await openForToken(who, where, streamed(envelope, cuts), envelope.length);
  return { ...(await drained(stream)), version, size };
};

describe('the known answer of layer 1', () => {
  // Design of the formats, section 5: L1 of "abc". Receiver, ephemeral and signing key are those of the API contract.
  const known =
    '53594d3101010001000000012082242a8a04ff20a72ecc7974155277939b6cdff4d6340c6fb02d3c519b1f70cf200037fda3567bdbd628e88668c3c8d7e97d' +
    '1d1253b6d4ea6d44c150f741f1bf443130002c1b659ec180848fecea8ecd8676ce8f6cd26755e021f1cf5be2be72d803710e7d0a47035d7051d81a0fdd16aa' +
    '762017403149e08c529c3c25c553a05a9f76daa56bfc4d2f5a6965042cc30f25cb52b32940ba52a6e545b35cb516253cdfb590547a7b0b3f02562532204f75' +
    '49d17d800e606162636465666768696a6b6c6d6e6f707172737475767703fc47cce48601fd0621aa5708c217a9b59703a95475c916f98fb72ab1e6d3797096' +
    '629bda698d61167ce709cc5db99e5b4ede';
  const agreement = hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb');
  const signing = hex('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60');

  it('opens', async () => {
    const owner = await ProfileKeys.fromBytes(joined([Uint8Array.of(1, 1), agreement, signing]));
    const { bytes, error, version, size } = await opened(hex(known), place, owner);
    expect([bytes.toString(), error, version, size]).toEqual(['abc', null, 1, 3]);
  });

  it('is made again, byte for byte, from its inputs', async () => {
    const engine = softwareEngine(() => hex('52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736'));
    const frame = {
      layer: layers.application,
      suite: suites.hpke,
      flags: 0,
      version: 1,
      binding: hex(bindingId),
      owner: uuidBytes(profileId),
    };
    const cek = run(0xc0, 0xdf);
    const info = cekContext(frame, frame.owner);
    const { enc, ciphertext } = await engine.seal(await engine.agreementPublic(agreement), info, cek);
    const { header } = splitEnvelope(hex(known), { layer: 1, suites: [1] })!;
    const wraps = [
      {
        kid: header.wraps[0]!.kid,
        enc,
        wrapped: ciphertext,
        signature: await engine.sign(signing, wrapText(info, enc, ciphertext)),
      },
    ];
    const body = await seal(cek, bodyContext(frame), textBytes('abc'), run(0x60, 0x77));
    expect(toHex(joined([encodeHeader({ ...frame, wraps }), body]))).toBe(known);
  });
});

describe('sealing for a token', () => {
  it('gives back what went in, at any length and in any cuts', async () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 50_000 }), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(
        fc.nat(120_000),
        cuts,
        fc.integer({ min: 1, max: 0xffff_ffff }),
        async (length, cut, version) => {
          const plain = Uint8Array.from({ length }, (_, i) => (i * 7) % 256);
          const envelope = await sealed(plain, version);
          expect(envelope.length).toBe(headerLength(suites.hpke, 1, true) + sealedLength(length));
          const result = await opened(envelope, place, keys, cut);
          expect([result.error, result.version, result.size]).toEqual([null, version, length]);
          expect(result.bytes.equals(plain)).toBe(true);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('never gives the same bytes twice', async () => {
    const [one, two] = [await sealed(textBytes('abc')), await sealed(textBytes('abc'))];
    expect(one.subarray(12 + 33)).not.toEqual(two.subarray(12 + 33));
  });

  it('reports the failure of its source', async () => {
    const failing = new ReadableStream<Uint8Array>({
      pull: (out) => out.error(new Error('disk gone')),
    });
    const { error } = await drained(await sealForToken(keys, place, 1, failing));
    expect(error).toEqual(new Error('disk gone'));
  });
});

describe('what is not this token, this profile, or not by this profile', () => {
  it('another token, another profile, other keys: refused before a byte is given out', async () => {
    const envelope = await sealed(textBytes('secret'));
    const otherToken = { ...place, token: token.replace('oKG', 'oKH') };
    const otherProfile = { ...place, profileId: profileId.replace('9e0f', '9e10') };
    await expect(opened(envelope, otherToken)).rejects.toThrow(SealError);
    await expect(opened(envelope, otherProfile)).rejects.toThrow(SealError);
    await expect(opened(envelope, place, await ProfileKeys.generate())).rejects.toThrow(SealError);
    expect((await opened(envelope)).bytes.toString()).toBe('secret');
  });

  it('a claimed version that is not the signed one: refused', async () => {
    const { header, body } = splitEnvelope(await sealed(textBytes('old'), 1), { layer: 1, suites: [1] })!;
    const raised = joined([encodeHeader({ ...header, version: 2 }), body]);
    await expect(opened(raised)).rejects.toThrow(SealError);
    expect((await opened(joined([encodeHeader(header), body]))).version).toBe(1);
  });

  it("the server's own envelope to the profile's public key: refused for its signature", async () => {
    const forger = await ProfileKeys.generate();
    // Everything the server knows: the public key, token and profile; it signs with a key of its own.
    const mine = splitEnvelope(await sealed(textBytes('x')), { layer: 1, suites: [1] })!.header.wraps[0]!;
    const frame = {
      layer: 1,
      suite: 1,
      flags: 0,
      version: 1,
      binding: hex(bindingId),
      owner: uuidBytes(profileId),
    };
    const cek = run(0, 31);
    const info = cekContext(frame, frame.owner);
    const engine = softwareEngine();
    const { enc, ciphertext } = await engine.seal(hex(keys.publicKey.slice(8, 72)), info, cek);
    const body = await seal(cek, bodyContext(frame), textBytes('forged'));
    const envelopeWith = (signature: Uint8Array): Uint8Array => {
      const wrap: Wrap = { kid: mine.kid, enc, wrapped: ciphertext, signature };
      return joined([encodeHeader({ ...frame, wraps: [wrap] }), body]);
    };
    const forgers = await engine.sign(forger.toBytes().slice(34, 66), wrapText(info, enc, ciphertext));
    for (const signature of [forgers, mine.signature, new Uint8Array()]) {
      await expect(opened(envelopeWith(signature))).rejects.toThrow(SealError);
    }
    const own = await engine.sign(keys.toBytes().slice(34, 66), wrapText(info, enc, ciphertext));
    expect((await opened(envelopeWith(own))).bytes.toString()).toBe('forged');
  });

  it('the wrap of one envelope before the body of another: refused', async () => {
    const [one, two] = [await sealed(textBytes('one')), await sealed(textBytes('two'))];
    const length = headerLength(suites.hpke, 1, true);
    const { error, bytes } = await opened(joined([one.subarray(0, length), two.subarray(length)]));
    expect([error, bytes.length]).toEqual([expect.any(SealError), 0]);
  });

  it.each<[string, (envelope: Uint8Array) => Uint8Array]>([
    ['raw bytes', () => textBytes('not sealed at all, and long enough to be something')],
    ['nothing', () => new Uint8Array()],
    ['half a header', (e) => e.subarray(0, 100)],
    ['a layer-2 envelope', (e) => Buffer.from(e).fill(2, 4, 5)],
    ['an unknown suite', (e) => Buffer.from(e).fill(2, 5, 6)],
    ['unknown flags', (e) => Buffer.from(e).fill(4, 6, 7)],
    ['detached with wraps', (e) => Buffer.from(e).fill(1, 6, 7)],
    ['65 wraps', (e) => Buffer.from(e).fill(65, 11, 12)],
    ['no wrap', (e) => Buffer.from(e).fill(0, 11, 12)],
    ['a header without body', (e) => e.subarray(0, headerLength(suites.hpke, 1, true))],
  ])('%s: refused', async (_name, attack) => {
    const envelope = await sealed(textBytes('abc'));
    await expect(opened(attack(envelope))).rejects.toThrow(SealError);
    expect((await opened(envelope)).bytes.toString()).toBe('abc');
  });

  it('each bit of the header counts', async () => {
    const envelope = await sealed(textBytes('abc'));
    for (let bit = 0; bit < (headerLength(suites.hpke, 1, true) + 56) * 8; bit += 13) {
      const copy = envelope.slice();
      copy[Math.floor(bit / 8)]! ^= 1 << (bit % 8);
      const result = await opened(copy).catch((error: unknown) => ({ error, bytes: Buffer.alloc(0) }));
      expect([bit, result.error, result.bytes.length]).toEqual([bit, expect.any(SealError), 0]);
    }
  });

  it('a truncated body gives its valid prefix and then fails', async () => {
    const plain = Uint8Array.from({ length: 50_000 }, (_, i) => i % 256);
    const envelope = await sealed(plain);
    const { stream } = await openForToken(keys, place, streamed(envelope.subarray(0, -1), [20_000]), null);
    const { bytes, error } = await drained(stream);
    expect(error).toBeInstanceOf(SealError);
    expect(bytes.equals(plain.subarray(0, bytes.length))).toBe(true);
    expect(bytes.length).toBeLessThan(plain.length);
  });

  it('a refused envelope is not read on', async () => {
    const cancelled = jest.fn();
    const endless = new ReadableStream<Uint8Array>({
      pull: (out) => out.enqueue(textBytes('not an envelope')),
      cancel: cancelled,
    });
    await expect(openForToken(keys, place, endless, null)).rejects.toThrow(SealError);
    expect(cancelled).toHaveBeenCalledTimes(1);
  });
});

describe('padding', () => {
  const paddedEnvelope = async (payload: Uint8Array): Promise<Uint8Array> => {
    const frame = {
      layer: 1,
      suite: 1,
      flags: flags.padded,
      version: 1,
      binding: hex(bindingId),
      owner: uuidBytes(profileId),
    };
    const cek = run(0, 31);
    const header = encodeHeader({ ...frame, wraps: [await keys.wrap(frame, cek)] });
    return joined([header, await seal(cek, bodyContext(frame), payload)]);
  };

  it('hides the length and gives back the bytes', async () => {
    for (const length of [0, 1, 7, 1000, 1013, 70_000]) {
      const plain = Uint8Array.from({ length }, (_, i) => i % 256);
      const envelope = await sealed(plain, 1, length);
      expect(envelope.length).toBe(headerLength(suites.hpke, 1, true) + sealedLength(padmeLength(8 + length)));
      const { bytes, error, size } = await opened(envelope, place, keys, [999]);
      expect([bytes.equals(plain), error, size]).toEqual([true, null, null]);
    }
  });

  it('fails when the source has another length than announced', async () => {
    for (const announced of [2, 4]) {
      const { error } = await drained(await sealForToken(keys, place, 1, streamed(run(1, 3)), { padTo: announced }));
      expect(error).toBeInstanceOf(RangeError);
    }
  });

  it.each<[string, Uint8Array]>([
    [
      'filling that is not zero',
      joined([le64(1000), new Uint8Array(1000), Uint8Array.of(0, 0, 1), new Uint8Array(13)]),
    ],
    ['a length beyond the body', joined([le64(5000), new Uint8Array(1016)])],
    ['a length beyond every number', joined([new Uint8Array(8).fill(255), new Uint8Array(1016)])],
    ['another size than the padded one', joined([le64(1000), new Uint8Array(1000 + 17)])],
    ['no length at all', new Uint8Array(5)],
  ])('%s: refused', async (_name, payload) => {
    const { error } = await opened(await paddedEnvelope(payload));
    expect(error).toBeInstanceOf(SealError);
  });

  it('the same payload with proper filling opens', async () => {
    const { error, bytes } = await opened(await paddedEnvelope(joined([le64(1000), new Uint8Array(1000 + 16)])));
    expect([error, bytes.length]).toEqual([null, 1000]);
  });
});

it('the body alone opens with the content key and its context', async () => {
  const { header, body } = splitEnvelope(await sealed(textBytes('abc')), { layer: 1, suites: [1] })!;
  const frame = { ...header, binding: hex(bindingId), owner: uuidBytes(profileId) };
  const cek = await keys.unwrap(frame, header.wraps);
  expect(Buffer.from(await open(cek, bodyContext(frame), body)).toString()).toBe('abc');
});
