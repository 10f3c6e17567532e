import * as fc from 'fast-check';
import { base64Fault, oversized } from './fields';

const limit = 262_144;

describe('base64 in a field', () => {
  test('is taken in either alphabet, with padding or without', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (bytes) => {
        const buffer = Buffer.from(bytes);
        const text = buffer.toString('base64');
        const url = buffer.toString('base64url');
        for (const form of [text, text.replace(/=+$/, ''), url, url.padEnd(Math.ceil(url.length / 4) * 4, '=')]) {
          expect(base64Fault(form, limit)).toBeNull();
          expect(Buffer.from(form, 'base64')).toEqual(buffer);
        }
      }),
    );
  });

  test.each(['', '=', '==', 'A', 'AA=', 'AAA==', 'AA AA', ' AAAA', 'AA\n', 'ä', 'AA+_', 'AAAA=', '=AAA'])(
    'is refused as %j',
    (text) => {
      expect(base64Fault(text, limit)).toBe('must be base64 of at least one byte');
    },
  );

  test('may hold as many bytes as the limit and not one more', () => {
    for (const form of ['base64', 'base64url'] as const) {
      expect(base64Fault(Buffer.alloc(limit).toString(form), limit)).toBeNull();
      expect(base64Fault(Buffer.alloc(limit + 1).toString(form), limit)).toBe(oversized);
    }
  });
});
