import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProfileKeys } from '@symbolon/sdk';
import { Credentials, homeDirectory, writePrivately } from './credentials';
import { CliError } from './failure';

const login = { username: 'ada', profileId: 'p-1', token: 'T-secret', expiresAt: 'later', pin: 'f00d' };

let dir: string;
let credentials: Credentials;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'symbolon-cli-'));
  credentials = Credentials.at({ SYMBOLON_HOME: join(dir, 'home') });
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

it('lies where SYMBOLON_HOME or the system says', () => {
  expect(homeDirectory({ SYMBOLON_HOME: '/a/b', HOME: '/home/ada' })).toBe('/a/b');
  expect(homeDirectory({ XDG_CONFIG_HOME: '/x', HOME: '/home/ada' })).toBe('/x/symbolon');
  expect(homeDirectory({ HOME: '/home/ada' })).toBe('/home/ada/.config/symbolon');
});

it('is empty before anybody has signed in', async () => {
  expect(await credentials.signedIn('http://a')).toBeNull();
  expect(await credentials.keys('p-1')).toBeNull();
});

it('can be read by its owner alone, whatever the umask is, and leaves no drafts', async () => {
  const umask = process.umask(0);
  try {
    await credentials.signIn('http://a', login);
  } finally {
    process.umask(umask);
  }
  expect(await modeOf(credentials.path)).toBe(0o600);
  expect(await modeOf(join(dir, 'home'))).toBe(0o700);
  expect(await readdir(join(dir, 'home'))).toEqual(['credentials.json']);
  expect(await credentials.signedIn('http://a')).toEqual(login);
});

it.each([0o640, 0o604, 0o660])('is not used when its mode is %o', async (mode) => {
  await credentials.signIn('http://a', login);
  await chmod(credentials.path, mode);
  await expect(credentials.signedIn('http://a')).rejects.toThrow(CliError);
  await expect(credentials.signIn('http://b', login)).rejects.toThrow('chmod 600');
  await chmod(credentials.path, 0o600);
  expect(await credentials.signedIn('http://a')).toEqual(login);
});

it('is not overwritten when it is damaged', async () => {
  await credentials.signIn('http://a', login);
  await writeFile(credentials.path, '{"version":1,"keys":{"p-1":"AQ');
  await expect(credentials.signIn('http://b', login)).rejects.toThrow('damaged');
  expect(await readFile(credentials.path, 'utf8')).toBe('{"version":1,"keys":{"p-1":"AQ');
});

it('keeps keys when logins come and go', async () => {
  const keys = await ProfileKeys.generate();
  await credentials.signIn('http://a', login);
  await credentials.keepKeys('p-1', keys);
  await credentials.signIn('http://a', { ...login, username: 'eve', profileId: 'p-2' });
  await credentials.signOut('http://a');
  expect(await credentials.signedIn('http://a')).toBeNull();
  expect((await credentials.keys('p-1'))?.fingerprint).toBe(keys.fingerprint);
});

it('loses nothing when several programs write at once', async () => {
  const names = Array.from({ length: 12 }, (_, i) => `http://server-${i}`);
  await Promise.all(names.map((name) => Credentials.at({ SYMBOLON_HOME: join(dir, 'home') }).signIn(name, login)));
  for (const name of names) expect(await credentials.signedIn(name)).toEqual(login);
});

it('is not held up by the lock of a program that was killed', async () => {
  const lock = `${credentials.path}.lock`;
  await mkdir(lock, { recursive: true });
  await utimes(lock, 1, 1);
  await credentials.signIn('http://a', login);
  expect(await credentials.signedIn('http://a')).toEqual(login);
});

it('a private file replaces the old one whole, or not at all', async () => {
  const path = join(dir, 'file');
  await writePrivately(path, 'old');
  await chmod(path, 0o644);
  await writePrivately(path, 'new');
  expect([await readFile(path, 'utf8'), await modeOf(path)]).toEqual(['new', 0o600]);
  await mkdir(join(dir, 'taken'));
  await expect(writePrivately(join(dir, 'taken'), 'x')).rejects.toThrow();
  expect((await readdir(dir)).sort()).toEqual(['file', 'taken']);
});
