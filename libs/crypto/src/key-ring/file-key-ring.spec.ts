import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clockAtStart } from '../../test/key-stores';
import { FileKeyRing } from './file-key-ring';
import { KeyRingError, purposes } from './key-ring';

let folder: string;
const options = () => ({ path: join(folder, 'ring'), masterPath: join(folder, 'master') });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'symbolon-ring-'));
});

afterEach(() => rm(folder, { recursive: true }));

const idsOf = (ring: FileKeyRing) => purposes.map((purpose) => ring.all(purpose).map(({ id }) => id));

test('the first start makes ring and master, readable by the owner only; the next one reads them', async () => {
  const ring = await FileKeyRing.open(options());
  expect(ring.madeMaster).toBe(true);
  for (const path of Object.values(options())) expect((await stat(path)).mode % 0o1000).toBe(0o600);
  const again = await FileKeyRing.open(options());
  expect(again.madeMaster).toBe(false);
  expect(idsOf(again)).toEqual(idsOf(ring));
  for (const purpose of purposes) expect(again.current(purpose).bytes).toEqual(ring.current(purpose).bytes);
  expect((await readdir(folder)).sort()).toEqual(['master', 'ring']);
});

test('several first starts at once make one ring', async () => {
  const rings = await Promise.all(Array.from({ length: 5 }, () => FileKeyRing.open(options())));
  for (const ring of rings) expect(idsOf(ring)).toEqual(idsOf(rings[0] as FileKeyRing));
  expect(rings.filter(({ madeMaster }) => madeMaster)).toHaveLength(1);
});

test('two installations share no key, and no key is derived from the master', async () => {
  const one = await FileKeyRing.open(options());
  const master = randomBytes(32);
  const two = await FileKeyRing.open({ ...options(), path: join(folder, 'two'), master });
  const three = await FileKeyRing.open({ ...options(), path: join(folder, 'three'), master });
  const keys = [one, two, three].flatMap((ring) =>
    purposes.map((purpose) => ring.current(purpose).bytes.toString('hex')),
  );
  expect(new Set(keys).size).toBe(3 * purposes.length);
});

test('a configured master opens without a master file', async () => {
  const master = randomBytes(32);
  const ring = await FileKeyRing.open({ ...options(), master });
  expect(await readdir(folder)).toEqual(['ring']);
  expect(idsOf(await FileKeyRing.open({ ...options(), master }))).toEqual(idsOf(ring));
  await expect(FileKeyRing.open({ ...options(), master: randomBytes(32) })).rejects.toThrow(KeyRingError);
});

test.each([
  ['empty', new Uint8Array(0)],
  ['short', randomBytes(31)],
  ['long', randomBytes(33)],
  ['zeros', new Uint8Array(32)],
  ['a word', Buffer.from('change-me-change-me-change-me-ch')],
])('W10: a configured master that is %s stops the start, and no ring is made', async (_, master) => {
  const start = FileKeyRing.open({ ...options(), master });
  await expect(start).rejects.toThrow(/master key/);
  expect(await readdir(folder)).toEqual([]);
});

test.each(['', '\n', 'secret', 'ab'.repeat(31), '00'.repeat(32)])(
  'a master file that holds %j stops the start',
  async (text) => {
    await writeFile(options().masterPath, text, { mode: 0o600 });
    await expect(FileKeyRing.open(options())).rejects.toThrow(KeyRingError);
    expect(await readdir(folder)).toEqual(['master']);
  },
);

test('a ring whose master file is lost stays closed, and no other is made', async () => {
  await FileKeyRing.open(options());
  await rm(options().masterPath);
  await expect(FileKeyRing.open(options())).rejects.toThrow(/master is missing/);
  expect(await readdir(folder)).toEqual(['ring']);
});

test('a crash between master and ring is continued', async () => {
  await FileKeyRing.open(options());
  await rm(options().path);
  expect((await FileKeyRing.open(options())).madeMaster).toBe(false);
});

test('files that others can read stop the start', async () => {
  await FileKeyRing.open(options());
  for (const path of Object.values(options())) {
    await chmod(path, 0o640);
    await expect(FileKeyRing.open(options())).rejects.toThrow(/0600/);
    await chmod(path, 0o600);
  }
});

test('a ring changed in any byte does not open', async () => {
  await FileKeyRing.open(options());
  const whole = await readFile(options().path);
  for (let at = 0; at < whole.length; at += 7) {
    const broken = Buffer.from(whole);
    broken[at] = (broken[at] ?? 0) ^ 1;
    await writeFile(options().path, broken);
    await expect(FileKeyRing.open(options())).rejects.toThrow(KeyRingError);
  }
  await writeFile(options().path, whole);
  await FileKeyRing.open(options());
});

test('changes are durable, concurrent ones in one process all hold, and others see them after a refresh', async () => {
  const ring = await FileKeyRing.open(options());
  const other = await FileKeyRing.open(options());
  const added = await Promise.all([ring.rotate('password'), ring.rotate('password'), ring.rotate('engine-sign')]);
  for (const key of added) expect(ring.byId(key.id)?.bytes).toEqual(key.bytes);
  expect(other.byId(added[0].id)).toBeNull();
  await other.refresh();
  expect(idsOf(other)).toEqual(idsOf(ring));
  expect(ring.all('password').map(({ id }) => id)).toEqual([added[1].id, added[0].id, ring.all('password')[2]?.id]);
  await ring.destroy(added[0].id);
  await ring.destroy(added[0].id);
  expect(idsOf(await FileKeyRing.open(options()))).toEqual(idsOf(ring));
});

test('what another process changed is seen within a minute of use', async () => {
  const clock = clockAtStart();
  const ring = await FileKeyRing.open({ ...options(), clock });
  const other = await FileKeyRing.open({ ...options(), clock });
  const added = await other.rotate('engine-sign');
  expect(ring.current('engine-sign').id).not.toBe(added.id);
  clock.advance(61);
  ring.current('engine-sign');
  await ring.rotate('password');
  expect(ring.current('engine-sign').id).toBe(added.id);
});

test('the only key of a purpose is not destroyed', async () => {
  const ring = await FileKeyRing.open(options());
  await expect(ring.destroy(ring.current('guess').id)).rejects.toThrow(KeyRingError);
  expect(ring.current('guess').bytes).toHaveLength(32);
  await ring.rotate('guess');
  expect(ring.all('guess')).toHaveLength(2);
});

test('keys show in no text', async () => {
  const { inspect } = await import('node:util');
  const ring = await FileKeyRing.open(options());
  const key = ring.current('epoch-kek');
  const master = (await readFile(options().masterPath, 'latin1')).trim();
  expect(inspect(ring, { depth: 9, showHidden: true })).not.toContain(inspect(Buffer.from(master, 'hex')).slice(8, 60));
  const shown = JSON.stringify(key) + inspect(key, { depth: 9, showHidden: true }) + String(key);
  for (const form of ['hex', 'base64', 'base64url', 'latin1'] as const)
    expect(shown).not.toContain(key.bytes.toString(form));
  expect(shown).not.toContain(inspect(key.bytes).slice(8, 60));
});
