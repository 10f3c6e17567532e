import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rowContext } from '@symbolon/contracts';
import { open, randomBytes, seal, sha256Hex, uuid7 } from '@symbolon/crypto';
import { instant } from '@symbolon/kernel';
import type { FrameSeal } from './journal';
import { type Entry, forgetAt, keepFor, Ledger } from './ledger';

const key = randomBytes(32);
const device = uuid7();
const frameSeal: FrameSeal = {
  seal: (place, plaintext) => seal(key, rowContext(device, 'ledger', place), plaintext),
  open: (place, sealed) => open(key, rowContext(device, 'ledger', place), sealed),
};
const sha256 = sha256Hex('x');

let dir: string;
let paths: { main: string; copy: string };
let now = 0;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'symbolon-ledger-'));
  paths = { main: join(dir, 'ledger'), copy: join(dir, 'ledger.copy') };
  now = Date.parse('2026-02-21T00:00:00Z');
});

afterEach(() => rmSync(dir, { recursive: true }));

const openLedger = () => Ledger.open(paths, frameSeal, () => now);
const stored = (objectId: string, version = 1): Entry => ['stored', objectId, version, 1, sha256];
const id = (number: number): string => number.toString(16).padStart(32, '0');
const listed = (ledger: Ledger): string[] =>
  [...ledger.after(null)].flatMap(([objectId, versions]) =>
    versions.map(({ version }) => `${Number(`0x${objectId}`)}.${version}`),
  );

it('keeps what was recorded', async () => {
  const { ledger, state } = await openLedger();
  expect(state).toBe('missing');
  const order = uuid7();
  await ledger.record(stored(id(2), 2), stored(id(2), 1), stored(id(1)), ['done', order, instant(now), now + keepFor]);
  await ledger.record(['deleted', id(2), 1]);
  await ledger.close();
  const again = await openLedger();
  expect(again.state).toBe('whole');
  expect(listed(again.ledger)).toEqual(['1.1', '2.2']);
  expect(again.ledger.find(id(2), 2)).toEqual({ version: 2, size: 1, sha256 });
  expect(again.ledger.done(order)).toEqual({ answeredAt: instant(now), until: now + keepFor });
  await again.ledger.close();
});

it('gives objects after any id, in order, also while they come and go', async () => {
  const { ledger } = await openLedger();
  for (const number of [5, 3, 9]) await ledger.record(stored(id(number)));
  expect(listed(ledger)).toEqual(['3.1', '5.1', '9.1']);
  await ledger.record(['deleted', id(5), 9]);
  await ledger.record(stored(id(4)), stored(id(7)));
  await ledger.record(stored(id(5)));
  expect(listed(ledger)).toEqual(['3.1', '4.1', '5.1', '7.1', '9.1']);
  expect([...ledger.after(id(4))].map(([objectId]) => objectId)).toEqual([id(5), id(7), id(9)]);
  expect([...ledger.after(id(6))].map(([objectId]) => objectId)).toEqual([id(7), id(9)]);
  expect([...ledger.after(id(9))]).toEqual([]);
  await ledger.close();
});

it('drops a single version that went', async () => {
  const { ledger } = await openLedger();
  await ledger.record(stored(id(1), 1), stored(id(1), 2), stored(id(1), 3));
  await ledger.record(['gone', id(1), 2]);
  expect(listed(ledger)).toEqual(['1.1', '1.3']);
  await ledger.close();
});

it('forgets an order when no repetition can be young enough', async () => {
  const { ledger } = await openLedger();
  const order = uuid7();
  await ledger.record(['done', order, instant(now), forgetAt(instant(now - 1000), now)]);
  now += keepFor;
  ledger.sweep();
  expect(ledger.done(order)).not.toBeNull();
  now += 1;
  ledger.sweep();
  expect(ledger.done(order)).toBeNull();
  expect(forgetAt(instant(now + 5000), now)).toBe(now + 5000 + keepFor);
  await ledger.close();
});

it('writes what comes together as one frame', async () => {
  const { ledger } = await openLedger();
  await Promise.all(Array.from({ length: 500 }, (_, number) => ledger.record(stored(id(number)))));
  const together = readFileSync(paths.main).length;
  await ledger.close();
  rmSync(paths.main);
  rmSync(paths.copy);
  const single = await openLedger();
  for (let number = 0; number < 500; number++) await single.ledger.record(stored(id(number)));
  expect(readFileSync(paths.main).length).toBeGreaterThan(together + 400 * 76);
  await single.ledger.close();
});

it.each([1, 3, 4, 60, 100])('cuts off a last frame of which %i bytes are missing', async (missing) => {
  const { ledger } = await openLedger();
  await ledger.record(stored(id(1)));
  await ledger.record(stored(id(2)));
  await ledger.close();
  rmSync(paths.copy);
  truncateSync(paths.main, readFileSync(paths.main).length - missing);
  const again = await openLedger();
  expect(again.state).toBe('whole');
  expect(listed(again.ledger)).toEqual(['1.1']);
  await again.ledger.record(stored(id(3)));
  await again.ledger.close();
  const third = await openLedger();
  expect(listed(third.ledger)).toEqual(['1.1', '3.1']);
  await third.ledger.close();
});

describe('damage', () => {
  const spoil = (path: string, at: number): void => {
    const bytes = readFileSync(path);
    bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at);
    writeFileSync(path, bytes);
  };

  beforeEach(async () => {
    const { ledger } = await openLedger();
    for (const number of [1, 2, 3]) await ledger.record(stored(id(number)));
    await ledger.close();
  });

  it('is mended from the copy', async () => {
    spoil(paths.main, 100);
    const { ledger, state } = await openLedger();
    expect(state).toBe('whole');
    expect(listed(ledger)).toEqual(['1.1', '2.1', '3.1']);
    await ledger.close();
  });

  it('of both files is told, and costs only the damaged frames', async () => {
    spoil(paths.main, 100);
    spoil(paths.copy, 100);
    const { ledger, state } = await openLedger();
    expect(state).toBe('damaged');
    expect(listed(ledger)).toEqual(['2.1', '3.1']);
    await ledger.close();
  });

  it.each(['main', 'copy'] as const)('does no harm where the %s is gone', async (which) => {
    rmSync(paths[which]);
    const { ledger, state } = await openLedger();
    expect(state).toBe('whole');
    expect(listed(ledger)).toEqual(['1.1', '2.1', '3.1']);
    await ledger.close();
    rmSync(paths[which === 'main' ? 'copy' : 'main']);
    const again = await openLedger();
    expect(listed(again.ledger)).toEqual(['1.1', '2.1', '3.1']);
    await again.ledger.close();
  });

  it('by exchanged frames is seen', async () => {
    const bytes = readFileSync(paths.main);
    const first = 12 + bytes.readUInt32LE(8);
    const second = first + 4 + bytes.readUInt32LE(first);
    const swapped = [
      bytes.subarray(0, 8),
      bytes.subarray(first, second),
      bytes.subarray(8, first),
      bytes.subarray(second),
    ];
    writeFileSync(paths.main, Buffer.concat(swapped));
    rmSync(paths.copy);
    const { ledger, state } = await openLedger();
    expect(state).toBe('damaged');
    expect(listed(ledger)).toEqual(['3.1']);
    await ledger.close();
  });
});

it('shows nothing of what it holds', async () => {
  const { ledger } = await openLedger();
  const objectId = randomBytes(16).toString('hex');
  await ledger.record(stored(objectId));
  await ledger.close();
  for (const path of Object.values(paths)) {
    const bytes = readFileSync(path);
    for (const secret of [objectId, sha256]) {
      expect(bytes.includes(secret) || bytes.includes(Buffer.from(secret, 'hex'))).toBe(false);
    }
  }
});

it('refuses what it cannot write, keeps the rest, and goes on once it can', async () => {
  const { ledger } = await openLedger();
  await ledger.record(stored(id(1)));
  // A directory in the place of the copy makes every rewrite fail, and the frame below asks for one.
  rmSync(paths.copy);
  mkdirSync(join(paths.copy, 'in-the-way'), { recursive: true });
  const large = Array.from({ length: 60_000 }, (_, number): Entry => ['gone', id(number + 10), 1]);
  await ledger.record(...large);
  await ledger.record(...large);
  await expect(ledger.record(stored(id(2)))).rejects.toThrow();
  expect(listed(ledger)).toEqual(['1.1']);
  renameSync(paths.copy, join(dir, 'away'));
  await ledger.record(stored(id(3)));
  await ledger.close();
  const again = await openLedger();
  expect(listed(again.ledger)).toEqual(['1.1', '3.1']);
  await again.ledger.close();
});
