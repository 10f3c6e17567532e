import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '@symbolon/testing';
import { buildPrograms, ServerProcess } from './server-process';

jest.setTimeout(180_000);
const run = promisify(execFile);
const root = join(__dirname, '../../..');

beforeAll(() => buildPrograms());

function cli(server: ServerProcess, ...args: string[]): Promise<any> {
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    SYMBOLON_HOME: join(server.dataDir, 'client'),
    SYMBOLON_URL: server.url,
  };
  return run(process.execPath, [join(root, 'dist/apps/cli/main.cjs'), ...args, '--json'], { env }).then(({ stdout }) =>
    JSON.parse(stdout),
  );
}

/** Every file below a folder that holds the bytes. */
function filesWith(folder: string, needle: Buffer): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => readFileSync(path).includes(needle));
}

describe('the first start on a PostgreSQL of its own', () => {
  let server: ServerProcess;
  const plaintext = Buffer.from('the needle that nobody but the application may find'.repeat(40));

  beforeAll(async () => {
    server = await ServerProcess.create({}, []);
    const file = join(server.dataDir, '..', `needle-${process.pid}.txt`);
    writeFileSync(file, plaintext);
    await server.start('--tour-file', file);
    await until(async () => server.output.includes('Symbolon stays up'), 'the end of the tour');
  });

  afterAll(() => server.stop());

  test('shows the tour and stays up', async () => {
    expect(server.output).toContain(`The same ${plaintext.length} bytes came back`);
    expect(server.output).toMatch(/server {7}1 wrapped key of the data, 0 bytes of payload/);
    expect(server.output).toMatch(/device {7}\d+ bytes that it cannot open further: 53594d31/);
    expect((await server.call('GET', '/health/ready')).status).toBe(200);
  });

  test('neither the database nor the device holds plaintext or a token', async () => {
    const [{ token }] = (await cli(server, 'ls')).items;
    const needles = [plaintext.subarray(0, 40), Buffer.from(token), Buffer.from(token.slice(3))];
    for (const needle of needles) {
      for (const folder of ['postgres', 'parcels', 'agent'])
        expect(filesWith(join(server.dataDir, folder), needle)).toEqual([]);
    }
    // The search does find what is there.
    expect(filesWith(join(server.dataDir, 'postgres'), Buffer.from('data_token.made_permanent'))).not.toEqual([]);
    expect(filesWith(join(server.dataDir, 'agent'), Buffer.from('SYM1'))).not.toEqual([]);
    const password = readFileSync(join(server.dataDir, 'client', 'password'), 'utf8').trim();
    expect(filesWith(join(server.dataDir, 'client'), Buffer.from(password))).toHaveLength(1);
  });

  test('kill -9, and the next start adopts the database, brings the agent back and still gives the data', async () => {
    const [{ token }] = (await cli(server, 'ls')).items;
    await server.kill('SIGKILL');
    await server.start();
    await until(async () => (await cli(server, 'device', 'list')).items[0].online, 'the device to be online');
    const back = join(server.dataDir, 'back');
    await cli(server, 'get', token, '-o', back);
    expect(readFileSync(back).equals(plaintext)).toBe(true);
  });

  test('kill -9 of PostgreSQL is mended without hands', async () => {
    const postmaster = Number(readFileSync(postmasterFile(server.dataDir), 'utf8').split('\n')[0]);
    process.kill(postmaster, 'SIGKILL');
    await until(
      async () => Number(readFileSync(postmasterFile(server.dataDir), 'utf8').split('\n')[0]) !== postmaster,
      'another postmaster',
    );
    await until(async () => (await server.call('GET', '/health')).status === 200, 'the server to be healthy');
    expect((await cli(server, 'ls')).items).toHaveLength(1);
  });

  test('a second server on the same data directory is told so', async () => {
    const args = [join(root, 'dist/apps/standalone/main.cjs'), '--port', '0', '--data-dir', server.dataDir];
    await expect(run(process.execPath, args)).rejects.toMatchObject({
      code: 4,
      stderr: expect.stringContaining(`in use by a running Symbolon (process ${server.pid})`),
    });
  });

  test('SIGTERM ends it, its PostgreSQL and its agent, with exit code 0', async () => {
    const postmaster = Number(readFileSync(postmasterFile(server.dataDir), 'utf8').split('\n')[0]);
    expect(await server.kill('SIGTERM')).toBe(0);
    expect(() => process.kill(postmaster, 0)).toThrow('ESRCH');
  });
});

function postmasterFile(dataDir: string): string {
  const [found] = readdirSync(join(dataDir, 'postgres'), { recursive: true, withFileTypes: true }).filter(
    ({ name }) => name === 'postmaster.pid',
  );
  return join(found!.parentPath, found!.name);
}

describe('a start that cannot be', () => {
  async function failed(args: string[], environment: Record<string, string> = {}) {
    const program = join(root, 'dist/apps/standalone/main.cjs');
    const env = { PATH: process.env['PATH'], ...environment };
    return run(process.execPath, [program, ...args], { env }).then(
      () => ({ code: 0, stderr: '' }),
      ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
    );
  }

  test('says which port is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const other = await ServerProcess.create();
    const { code, stderr } = await failed(['--port', String(port), '--data-dir', other.dataDir, '--no-tour']);
    await other.stop();
    taken.close();
    expect([code, stderr.trim()]).toEqual([
      6,
      `Port ${port} is taken by another program: stop that one, or start with --port N.`,
    ]);
  });

  test.each([
    ['an option that is none', ['--fast'], {}, 2, /fast/],
    ['a port that is none', ['--port', 'x'], {}, 2, /--port takes a number/],
    [
      'a password verifier that is too cheap',
      [],
      { SYMBOLON_ARGON2_MEMORY_KIB: '1024' },
      3,
      /SYMBOLON_ARGON2_MEMORY_KIB/,
    ],
    ['an empty master key', [], { SYMBOLON_MASTER_KEY: '' }, 3, /SYMBOLON_MASTER_KEY/],
    ['a data directory that is a file', ['--data-dir', __filename], {}, 4, /not a folder/],
  ])('says what is wrong with %s', async (_, args, environment, code, says) => {
    const answer = await failed(args, environment);
    expect([answer.code, answer.stderr]).toEqual([code, expect.stringMatching(says)]);
    expect(answer.stderr).not.toMatch(/\n\s+at /);
  });

  test('--print-config shows every setting without secrets', async () => {
    const program = join(root, 'dist/apps/standalone/main.cjs');
    const env = { SYMBOLON_MASTER_KEY: 'ab'.repeat(32), DATABASE_URL: 'postgres://me:hunter22@127.0.0.1/x' };
    const { stdout } = await run(process.execPath, [program, '--print-config'], { env });
    expect(stdout).toContain('SYMBOLON_TOKEN_TTL');
    expect(stdout).not.toContain('hunter22');
    expect(stdout).not.toContain('abab');
  });
});
