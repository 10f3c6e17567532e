import fc from 'fast-check';
import { canonicalJson } from './canonical';
import { plainLength, sealedLength } from './cobblestone';
import { decodeHeader, encodeHeader, headerLength, suites } from './header';
import { pad, unpad } from './padding';
import { le64, pae } from './pae';
import { fromBase64url, fromHex, idPart, objectIdBytes, toBase64url, toHex, uuidBytes } from './text';

test('hex and base64url come back as they were, and are those of Buffer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
      expect(toBase64url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
      expect(fromHex(toHex(bytes).toUpperCase())).toEqual(bytes);
      expect(fromBase64url(toBase64url(bytes))).toEqual(bytes);
    }),
  );
});

test('base64url has one spelling', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{0,12}$/), (text) => {
      const bytes = fromBase64url(text);
      if (bytes) expect(toBase64url(bytes)).toBe(text);
    }),
  );
  for (const wrong of ['A', 'AB', 'AAAAA', 'AA==', 'A+AA', 'A/AA', 'AA A', 'ÄAAA', 'AAB'])
    expect(fromBase64url(wrong)).toBeNull();
  for (const wrong of ['a', 'zz', '0x00', ' 00']) expect(fromHex(wrong)).toBeNull();
});

test('ids give their bytes', () => {
  const uuid = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f';
  expect(toHex(uuidBytes(uuid))).toBe(uuid.replaceAll('-', ''));
  expect(toHex(objectIdBytes('e727d72273d3cc6f9f39dc5589beadf3'))).toBe('e727d72273d3cc6f9f39dc5589beadf3');
  expect(idPart('7')).toBe('7');
  expect(idPart(uuid)).toEqual(uuidBytes(uuid));
  for (const wrong of ['', uuid.toUpperCase(), `${uuid} `, uuid.slice(1), `{${uuid}}`]) {
    expect(() => uuidBytes(wrong)).toThrow(RangeError);
    expect(() => objectIdBytes(wrong)).toThrow(RangeError);
  }
});

test('PAE is injective', () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 6 }), { maxLength: 4 });
  fc.assert(
    fc.property(parts, parts, (a, b) => {
      const same = a.length === b.length && a.every((part, index) => toHex(part) === toHex(b[index] ?? le64(0)));
      expect(toHex(pae(...a)) === toHex(pae(...b))).toBe(same);
    }),
  );
  expect(toHex(le64(2n ** 64n - 1n))).toBe('f'.repeat(16));
});

test('lengths of plaintext and message belong together', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (length) => {
      fc.pre(length < 2 ** 52);
      expect(plainLength(sealedLength(length))).toBe(length);
    }),
  );
  for (const wrong of [0, 55, 56, 71, 56 + 16_400, 56 + 16_400 + 15, -1, 0.5, NaN])
    expect(plainLength(wrong)).toBeNull();
  expect([72, 56 + 16_400 + 16].map(plainLength)).toEqual([0, 16_384]);
});

test('headers come back as they were, whole or as the beginning of more', () => {
  const wraps = fc.array(
    fc.record({
      kid: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      enc: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      wrapped: fc.uint8Array({ minLength: 48, maxLength: 48 }),
      signature: fc.constantFrom(new Uint8Array(0), new Uint8Array(64)),
    }),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(
    fc.property(wraps, fc.nat(), fc.constantFrom(0, 2), (list, version, flags) => {
      const header = { layer: 8, suite: suites.hpke, flags, version, wraps: list };
      const bytes = encodeHeader(header);
      const expected = { layer: 8, suites: [suites.symmetric, suites.hpke] };
      const more = new Uint8Array([...bytes, 1, 2, 3]);
      expect(decodeHeader(more, expected)).toEqual({ ...header, length: bytes.length });
      expect(decodeHeader(bytes.subarray(0, bytes.length - 1), expected)).toBe('incomplete');
    }),
  );
  expect([
    headerLength(suites.symmetric, 0, false),
    headerLength(suites.hpke, 1, true),
    headerLength(suites.symmetric, 1, false),
  ]).toEqual([12, 194, 138]);
  expect(() => headerLength(2, 1, false)).toThrow(RangeError);
});

test('nothing that a header begins with makes the decoder throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
      const bytes = new Uint8Array([0x53, 0x59, 0x4d, 0x31, 1, 1, ...noise]);
      const decoded = decodeHeader(bytes, { layer: 1, suites: [suites.hpke] });
      expect(typeof decoded === 'string' ? ['incomplete', 'malformed'] : [decoded]).toContain(decoded);
    }),
  );
});

test('padding comes back as it was', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 3000 }), (payload) => expect(unpad(pad(payload))).toEqual(payload)));
});

test('canonical JSON (RFC 8785)', () => {
  expect(canonicalJson({ b: 1, a: [true, null, { d: 'x', c: 1e21 }], '\u20ac': '\u000f\n"', z: undefined })).toBe(
    '{"a":[true,null,{"c":1e+21,"d":"x"}],"b":1,"€":"\\u000f\\n\\""}',
  );
  expect(canonicalJson({ '\ud83d\ude00': 1, '\ufb33': 2, '1': 3, '\r': 4 })).toBe(
    '{"\\r":4,"1":3,"\ud83d\ude00":1,"\ufb33":2}',
  );
  expect(canonicalJson([-0, 333333333.33333329, 1e-7])).toBe('[0,333333333.3333333,1e-7]');
  fc.assert(
    fc.property(fc.jsonValue(), (value) =>
      expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value))),
    ),
  );
  for (const wrong of [NaN, Infinity, undefined, 1n, () => 1]) expect(() => canonicalJson(wrong)).toThrow(TypeError);
});

test('PAE takes texts of any length and script as their UTF-8', () => {
  const parts = fc.array(
    fc.oneof(fc.string({ unit: 'binary' }), fc.constant('ß'.repeat(700)), fc.constant('a'.repeat(2000))),
  );
  fc.assert(
    fc.property(parts, (texts) => {
      const bytes = texts.map((text) => new TextEncoder().encode(text));
      expect(pae(...texts)).toEqual(pae(...bytes));
      const expected = [le64(texts.length), ...bytes.flatMap((each) => [le64(each.length), each])];
      expect(Buffer.compare(pae(...texts), Buffer.concat(expected))).toBe(0);
    }),
  );
});
