import { encodeHeader, flags, layers, splitEnvelope, suites, uuidBytes } from '@symbolon/contracts';
import { hex, run } from '../test/pieces';
import { joined, SealError } from './cobblestone';
import { decodePublicKey, encodePublicKey, fingerprintOf, KeyFormError, ProfileKeys } from './profile-keys';

const profileId = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f';
const other = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e10';
// Contract, section 15.
const rawKey = '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a';
const keyForm =
  '314205008520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6aad2a4e0766a451cb541f08d5b800e07a7e72c8f1c1160c4a85731f7bbe96614a34086e20766cdb02019543cd678cf8d55e9215ef78574e5229244f66d1fe91c4';

describe('the 100-byte form of a public key', () => {
  it('is that of the contract, in either case', () => {
    expect(encodePublicKey(hex(rawKey))).toBe(keyForm);
    expect(decodePublicKey(keyForm)).toEqual(hex(rawKey));
    expect(decodePublicKey(keyForm.toUpperCase())).toEqual(hex(rawKey));
  });

  it.each([
    ['too short', keyForm.slice(2)],
    ['too long', `${keyForm}00`],
    ['not hexadecimal', keyForm.replace('3142', 'xyz2')],
    ['another tag', keyForm.replace('31420500', '31420501')],
    ['a damaged key', keyForm.replace('8520f0', '8520f1')],
    ['a damaged checksum', `${keyForm.slice(0, -1)}5`],
    ['a point of low order', encodePublicKey(new Uint8Array(32))],
    ['empty', ''],
  ])('%s: refused', async (_name, text) => {
    expect(() => decodePublicKey(text)).toThrow(KeyFormError);
    await expect(fingerprintOf(text)).rejects.toThrow(KeyFormError);
  });
});

describe('keys of a profile', () => {
  it('are fresh each time, and come back from their bytes', async () => {
    const [one, two] = [await ProfileKeys.generate(), await ProfileKeys.generate()];
    expect(one.publicKey).not.toBe(two.publicKey);
    const back = await ProfileKeys.fromBytes(one.toBytes());
    expect([back.publicKey, back.signingKey, back.fingerprint]).toEqual([
      one.publicKey,
      one.signingKey,
      one.fingerprint,
    ]);
    expect(one.fingerprint).toBe(await fingerprintOf(one.publicKey));
    expect(one.signingKey).toMatch(/^[0-9a-f]{64}$/);
  });

  it('do not show their secrets', async () => {
    const keys = await ProfileKeys.generate();
    const secret = Buffer.from(keys.toBytes().subarray(2, 34));
    const shown = JSON.stringify(keys) + JSON.stringify(Object.values(keys)) + String(keys);
    expect(shown).not.toContain(secret.toString('hex'));
    expect(Object.keys(keys).sort()).toEqual(['fingerprint', 'publicKey', 'signingKey']);
  });

  it.each([
    ['nothing', new Uint8Array()],
    ['another format', Uint8Array.of(2, 1, ...run(0, 63))],
    ['no generation', Uint8Array.of(1, 0)],
    ['fewer bytes than it says', Uint8Array.of(1, 2, ...run(0, 63))],
  ])('a bundle with %s: refused', async (_name, bundle) => {
    await expect(ProfileKeys.fromBytes(bundle)).rejects.toThrow(KeyFormError);
  });

  const frame = {
    layer: layers.application,
    suite: suites.hpke,
    flags: 0,
    version: 1,
    binding: run(0, 15),
    owner: uuidBytes(profileId),
  };

  it('open what older ones wrapped, and older ones do not open what the new ones wrap', async () => {
    const old = await ProfileKeys.generate();
    const renewed = await old.renewed();
    expect(renewed.publicKey).not.toBe(old.publicKey);
    expect(await renewed.unwrap(frame, [await old.wrap(frame, run(0, 31))])).toEqual(run(0, 31));
    expect(await renewed.unwrap(frame, [await renewed.wrap(frame, run(0, 31))])).toEqual(run(0, 31));
    await expect(old.unwrap(frame, [await renewed.wrap(frame, run(0, 31))])).rejects.toThrow(SealError);
    expect((await ProfileKeys.fromBytes(renewed.toBytes())).publicKey).toBe(renewed.publicKey);
  });

  it('refuse a wrap without signature, with another one, or out of place', async () => {
    const keys = await ProfileKeys.generate();
    const stranger = await ProfileKeys.generate();
    const wrap = await keys.wrap(frame, run(0, 31));
    const foreign = await stranger.wrap(frame, run(0, 31));
    for (const bad of [
      { ...wrap, signature: new Uint8Array() },
      { ...wrap, signature: foreign.signature },
      { ...wrap, signature: wrap.signature.map((byte, i) => (i === 0 ? byte ^ 1 : byte)) },
      { ...wrap, enc: foreign.enc },
      foreign,
    ]) {
      await expect(keys.unwrap(frame, [bad])).rejects.toThrow(SealError);
    }
    await expect(keys.unwrap({ ...frame, version: 2 }, [wrap])).rejects.toThrow(SealError);
    await expect(keys.unwrap({ ...frame, binding: run(1, 16) }, [wrap])).rejects.toThrow(SealError);
    await expect(keys.unwrap(frame, [])).rejects.toThrow(SealError);
    expect(await keys.unwrap(frame, [foreign, wrap])).toEqual(run(0, 31));
  });
});

describe('a key bundle under a passphrase', () => {
  it('opens with passphrase and profile, and with nothing else', async () => {
    const keys = await (await ProfileKeys.generate()).renewed();
    const sealed = await keys.seal('tall green walnut tree', profileId);
    expect(Buffer.from(sealed).includes(Buffer.from(keys.toBytes().subarray(2, 34)))).toBe(false);
    expect((await ProfileKeys.open(sealed, 'tall green walnut tree', profileId)).toBytes()).toEqual(keys.toBytes());
    await expect(ProfileKeys.open(sealed, 'tall green walnut tee', profileId)).rejects.toThrow(SealError);
    await expect(ProfileKeys.open(sealed, 'tall green walnut tree', other)).rejects.toThrow(SealError);
  });

  it('has no parameters that could be weakened: other suites, flags and versions are refused', async () => {
    const sealed = await (await ProfileKeys.generate()).seal('tall green walnut tree', profileId);
    const { header, body } = splitEnvelope(sealed, { layer: layers.bundle, suites: [suites.passphrase] })!;
    const open = (parts: Partial<typeof header>) =>
      ProfileKeys.open(joined([encodeHeader({ ...header, ...parts }), body]), 'tall green walnut tree', profileId);
    await expect(open({})).resolves.toBeInstanceOf(ProfileKeys);
    await expect(open({ suite: suites.symmetric })).rejects.toThrow(SealError);
    await expect(open({ flags: flags.padded })).rejects.toThrow(SealError);
    await expect(open({ version: 1 })).rejects.toThrow(SealError);
    await expect(open({ layer: layers.device })).rejects.toThrow(SealError);
    await expect(open({ wraps: [...header.wraps, ...header.wraps] })).rejects.toThrow(SealError);
    await expect(ProfileKeys.open(sealed.subarray(0, 50), 'x', profileId)).rejects.toThrow(SealError);
  });
});
