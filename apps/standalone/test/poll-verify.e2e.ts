import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { uuid7 } from '@symbolon/crypto';
import { type Taken, TestDevice, type TestProfile, TestServer } from '@symbolon/testing';
import { buildPrograms, temporaryFolder } from './server-process';

jest.setTimeout(180_000);
const program = join(__dirname, '../../../dist/apps/cli/main.cjs');

let server: TestServer;
let ada: TestProfile;
let folder: string;
let poolId: string;
const devices: TestDevice[] = [];

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A verb as an operator types it: beside the server, or with `elsewhere` on a machine that knows nothing of it. */
function symbolon(command: string, { elsewhere = false } = {}): Promise<Ran> {
  const args = [program, ...command.split(' '), '--data-dir', elsewhere ? join(folder, 'none') : server.dataDir];
  const env = { PATH: process.env['PATH'], ...(elsewhere ? {} : { DATABASE_URL: server.database.url }) };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

async function ballot(device: TestDevice): Promise<Taken> {
  return device.got('ballot.issued');
}

/** The pool as its owner sees it, once it is so. */
async function untilPool(so: (pool: any) => boolean): Promise<void> {
  for (const giveUp = performance.now() + 20_000; ;) {
    const { body } = await server.get(`/voting/check-pool-status/${poolId}`, { token: ada.token });
    if (so(body)) return;
    if (performance.now() > giveUp) throw new Error(`the poll stands at ${JSON.stringify(body)}`);
  }
}

async function authenticator(signing: boolean): Promise<TestDevice> {
  const device = await TestDevice.of(server, ada, { storage: false, signing });
  await server.done('/verified-authenticator/register', { deviceIdentifier: device.deviceIdentifier }, ada.token);
  await device.connect();
  devices.push(device);
  return device;
}

beforeAll(async () => {
  buildPrograms();
  folder = temporaryFolder();
  server = await TestServer.start();
  ada = await server.profile();
  const [first, second] = [await authenticator(true), await authenticator(true)];
  await authenticator(false);
  const rules = { name: 'two', timeLimit: 3600, strategy: 'threshold', countRequired: 2 };
  await server.done('/verified-authenticator/voting-configuration/register', rules, ada.token);
  const asked = { votingConfigurationId: 'two', title: 'A private title', question: 'A private question' };
  poolId = (await server.done('/voting/create', asked, ada.token)).body.poolId;
  // Two yes decide: the no is counted before the second of them is cast.
  first.vote(await ballot(first), 'no');
  await untilPool(({ no }) => no === 1);
  second.vote(await ballot(second), 'yes');
  await untilPool(({ yes }) => yes === 1);
  const third = devices[2]!;
  third.vote(await ballot(third), 'yes');
  await untilPool(({ status }) => status === 'succeeded');
});

afterAll(async () => {
  for (const device of devices) await device.leave();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

test('a poll is counted again from the log', async () => {
  const { code, stdout, stderr } = await symbolon(`poll verify ${poolId}`);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toBe(
    `The poll ${poolId} ended as succeeded, with 2 yes and 1 no on 3 ballots: 2 checked with the keys of their devices. 1 came from devices without signing key: for these there is only the server's word.\n`,
  );
  const told = JSON.parse((await symbolon(`poll verify ${poolId} --json`)).stdout);
  expect(told).toEqual({
    ...{
      poolId,
      outcome: 'succeeded',
      yes: 2,
      no: 1,
      ballotsIssued: 3,
      signed: 2,
      unsigned: 1,
      faults: [],
      right: true,
    },
  });
});

test('and from a file, without the installation', async () => {
  const file = join(folder, 'poll.json');
  const made = await symbolon(`poll export ${poolId} -o ${file}`);
  expect([made.code, made.stdout]).toEqual([0, expect.stringContaining(`${file} holds the poll ${poolId}`)]);
  const text = await readFile(file, 'utf8');
  expect(text).not.toMatch(/private|sealed|example\.org/);
  expect((await symbolon(`poll export ${poolId}`)).stdout).toBe(text);
  expect(await symbolon(`poll export ${poolId} -o ${file}`)).toMatchObject({ code: 5 });

  expect((await symbolon(`poll verify --file ${file}`, { elsewhere: true })).code).toBe(0);
  const { keys } = JSON.parse(text);
  const [first, second] = devices.map(({ deviceIdentifier }) => deviceIdentifier);
  const key = (id: string) => keys.devices[id][0].signingKey;
  const pinned = `--server-key ${keys.server[0]} --device-key ${first}=${key(first!)} ${second}=${key(second!)}`;
  expect((await symbolon(`poll verify --file ${file} ${pinned}`, { elsewhere: true })).code).toBe(0);
  const wrong = await symbolon(`poll verify --file ${file} --device-key ${first}=${key(second!)}`, { elsewhere: true });
  expect([wrong.code, wrong.stderr]).toEqual([7, expect.stringContaining('does not bear checking')]);
  expect((await symbolon(`poll verify --file ${file} --server-key x`, { elsewhere: true })).code).toBe(2);
  expect((await symbolon(`poll verify ${uuid7()} --file ${file}`, { elsewhere: true })).code).toBe(4);
  await writeFile(file, '{}');
  expect((await symbolon(`poll verify --file ${file}`, { elsewhere: true })).code).toBe(5);
});

/** J6: whoever has the database can write what he likes into it, but not a vote of a device that signs. */
test('a vote that the server makes up is found', async () => {
  const [first] = devices;
  const sql = (text: string, ...values: unknown[]) => server.database.pool.query(text, values);
  const where = `stream = $1 and type = 'ballot.cast' and data->>'deviceIdentifier' = $2`;
  const found = await sql(`select data from es.event where ${where}`, `poll-${poolId}`, first!.deviceIdentifier);
  const { rows } = await sql(
    `select data from es.event where stream = $1 and type = 'poll.resolved'`,
    `poll-${poolId}`,
  );
  const rewrite = async (cast: object, resolved: object) => {
    await sql('alter table es.event disable trigger user');
    await sql(
      `update es.event set data = $3::jsonb where ${where}`,
      `poll-${poolId}`,
      first!.deviceIdentifier,
      JSON.stringify(cast),
    );
    await sql(
      `update es.event set data = $2::jsonb where stream = $1 and type = 'poll.resolved'`,
      `poll-${poolId}`,
      JSON.stringify(resolved),
    );
    await sql('alter table es.event enable trigger user');
  };
  const [cast, resolved] = [found.rows[0].data, rows[0].data];
  // The no becomes a yes, everywhere where it is counted.
  await rewrite({ ...cast, vote: 'yes' }, { ...resolved, yes: 3, no: 0 });
  const turned = await symbolon(`poll verify ${poolId}`);
  expect([turned.code, turned.stdout]).toEqual([7, '']);
  expect(turned.stderr).toContain(`The vote on the ballot ${cast.ballotId} has a statement of something else.`);
  // It becomes one of a device that does not sign.
  const votes = resolved.votes.map((vote: any) =>
    vote.ballotId === cast.ballotId ? { ...vote, statementHash: null } : vote,
  );
  await rewrite({ ...cast, vote: 'yes', statement: null, signed: false }, { ...resolved, yes: 3, no: 0, votes });
  const unsigned = await symbolon(`poll verify ${poolId} --json`);
  expect(unsigned.code).toBe(7);
  expect(JSON.parse(unsigned.stdout).error).toMatchObject({
    key: 'poll_distrusted',
    message: expect.stringContaining('has no statement, though its device has a signing key'),
  });
  await rewrite(cast, resolved);
  expect((await symbolon(`poll verify ${poolId}`)).code).toBe(0);
});

test('what is asked wrongly is said', async () => {
  expect((await symbolon(`poll verify ${uuid7()}`)).code).toBe(4);
  expect((await symbolon('poll verify')).code).toBe(2);
  expect((await symbolon('poll export')).code).toBe(2);
});
