import { uuid5, uuid7 } from './ids';
import { publicRandom } from './random-pool';
import { mintSecret, randomBytes, sameSecret } from './secrets';

test('a UUIDv7 holds the time and 74 random bits', () => {
  const before = Date.now();
  const ids = Array.from({ length: 5_000 }, uuid7);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const millis = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
    expect(millis).toBeGreaterThanOrEqual(before);
    expect(millis).toBeLessThanOrEqual(Date.now());
  }
  const tails = ids.map((id) => BigInt(`0x${id.slice(24)}`));
  const rising = tails.filter((tail, index) => index > 0 && tail > (tails[index - 1] ?? 0n)).length;
  expect(rising).toBeGreaterThan(2_000);
  expect(rising).toBeLessThan(3_000);
});

test('a UUIDv5 is the same for the same name', () => {
  expect(uuid5('a#b#0')).toBe(uuid5('a#b#0'));
  expect(uuid5('a#b#1')).not.toBe(uuid5('a#b#0'));
  expect(uuid5('a#b#0')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(uuid5('symbolon')).toBe('f5010c8d-42cf-5214-a6a4-3617fc11d53e');
});

test('the pool gives no byte twice', () => {
  const drawn = Array.from({ length: 3_000 }, () => publicRandom(24).toString('hex'));
  expect(new Set(drawn).size).toBe(drawn.length);
});

test('secrets are 256 random bits behind their prefix', () => {
  expect(mintSecret()).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(mintSecret('T-')).toMatch(/^T-[A-Za-z0-9_-]{43}$/);
  expect(randomBytes(7)).toHaveLength(7);
});

test('equal secrets are the same, others are not', () => {
  expect(sameSecret('abc', 'abc')).toBe(true);
  expect(sameSecret('', '')).toBe(true);
  for (const [a, b] of [
    ['abc', 'abd'],
    ['abc', 'ab'],
    ['', 'a'],
    ['abc', 'ABC'],
  ] as const)
    expect(sameSecret(a, b)).toBe(false);
});
