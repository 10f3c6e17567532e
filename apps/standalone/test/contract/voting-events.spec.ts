import { PersonalBoxes } from '@symbolon/crypto';
import { type Taken, TestDevice, type TestProfile, TestServer } from '@symbolon/testing';

interface Stored {
  readonly type: string;
  readonly stream: string;
  readonly id: string;
  readonly data: Record<string, unknown> & { sealed?: Record<string, string> };
  readonly personal: Record<string, unknown>;
}

const settings = 'strategy strategyParams countRequired';
const configuration = `id profileId name timeLimit ${settings} percentageRequired deviceIdentifiers quorumSize numberOfAttempts category`;

/** Section 18: fields of each event, those with † (in the box of the subject), and what processes keep besides. */
const fields: Record<string, readonly [clear: string, personal?: string, bookkeeping?: string]> = {
  'authenticator.registered': ['deviceIdentifier profileId'],
  'authenticator.verified': ['deviceIdentifier profileId'],
  'authenticator.removed': ['deviceIdentifier profileId'],
  'voting.quorum_size_set': ['profileId quorumSize'],
  'voting.quorum_strategy_set': [`profileId ${settings}`],
  'voting.time_limit_set': ['profileId timeLimit'],
  'voting.max_attempts_set': ['profileId numberOfAttempts'],
  'voting_configuration.registered': [configuration],
  'voting_configuration.updated': ['id timeLimit'],
  'voting_configuration.deleted': ['id name'],
  'poll.created': [
    'poolId profileId commandId directoryId operation strategy strategyParams quorumSize timeLimit attempt maxAttempts previousPoolId expiresAt',
    'title question nonce context opNonce',
    'chainId gated op countRequired deviceIdentifiers skipped',
  ],
  'ballot.issued': ['ballotId poolId deviceIdentifier expiresAt statement', '', 'profileId'],
  'ballot.vote_received': [
    '',
    'comment',
    'envelopeId deviceIdentifier profileId ballotId vote votedAt signed statement receivedAt',
  ],
  'ballot.cast': ['ballotId poolId deviceIdentifier vote votedAt signed statement', 'comment'],
  'ballot.voided': ['ballotId poolId deviceIdentifier reason'],
  'ballot.vote_discarded': ['ballotId deviceIdentifier reason', '', 'envelopeId'],
  'ballot.vote_refused': ['', '', 'envelopeId deviceIdentifier profileId ballotId poolId commandId reason'],
  'poll.resolved': [
    'poolId outcome reason yes no ballotsIssued votes nextPoolId',
    '',
    'chainId profileId commandId gated',
  ],
  'poll.refused': ['', '', 'poolId chainId profileId commandId gated reason'],
};

const texts = {
  title: 'a private title',
  question: 'a private question',
  comment: 'a private comment',
  nonce: 'a private nonce',
};

let server: TestServer;
let ada: TestProfile;
let events: readonly Stored[];

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile();
  await live();
  events = await read();
});
afterAll(() => server.stop());

async function live(): Promise<void> {
  const group = '/verified-authenticator';
  const done = (path: string, json: object) => server.done(path, json, ada.token);
  const device = await TestDevice.of(server, ada, { storage: false });
  const { deviceIdentifier } = device;
  await done(`${group}/register`, { deviceIdentifier });
  await done(`${group}/set-quorum-size`, { size: 1 });
  await done(`${group}/set-quorum-strategy`, { strategy: 'single' });
  await done(`${group}/set-voting-time-limit`, { timeLimit: 60 });
  await done(`${group}/set-maximum-voting-attempts`, { numberOfAttempts: 2 });
  await done(`${group}/voting-configuration/register`, { name: 'rules', timeLimit: 60, strategy: 'unanimous' });
  await done(`${group}/voting-configuration/update`, { name: 'rules', timeLimit: 70 });
  await done(`${group}/voting-configuration/register`, { name: 'gone', timeLimit: 60, strategy: 'unanimous' });
  await done(`${group}/voting-configuration/delete`, { name: 'gone' });
  await device.connect();
  const { title, question, nonce, comment } = texts;
  await done('/voting/create', { votingConfigurationId: 'rules', title, question, nonce });
  const issued = await device.got('ballot.issued');
  device.vote(issued, 'yes', { comment, change: { statement: null } });
  await answered(device, 1);
  device.vote(issued, 'no', { comment });
  await device.got('ballot.issued', 2);
  device.vote(issued, 'no', { comment });
  await answered(device, 2);
  // Nobody is left for the third: there are two attempts, and the authenticator goes before the second has ended.
  await done('/voting/create', { votingConfigurationId: 'rules', title, question });
  await done(`${group}/remove`, { deviceIdentifier });
  await seen('poll.refused');
  await device.leave();
}

const answered = (device: TestDevice, count: number): Promise<Taken> => device.got('error', count);

async function seen(type: string): Promise<void> {
  const found = () => server.database.pool.query('select 1 from es.event where type = $1', [type]);
  while ((await found()).rowCount === 0) await new Promise(setImmediate);
}

async function read(): Promise<Stored[]> {
  const boxes = server.served.app.get(PersonalBoxes);
  const { rows } = await server.database.pool.query<Omit<Stored, 'personal'>>(
    `select type, stream, id, data from es.event where category in ('voting', 'poll', 'vote') order by position`,
  );
  return Promise.all(
    rows.map(async (row) => {
      const opened = Object.keys(row.data.sealed ?? {}).map((subject) => boxes.open(row as never, subject));
      return { ...row, personal: Object.assign({}, ...(await Promise.all(opened))) as Record<string, unknown> };
    }),
  );
}

const words = (text = '') => text.split(' ').filter(Boolean);

test.each(Object.entries(fields))(
  '%s has its fields, personal ones in the subject’s box',
  (type, [clear, personal, more]) => {
    const found = events.filter((event) => event.type === type);
    expect(found).not.toEqual([]);
    for (const event of found) {
      const { sealed: _, ...data } = event.data;
      expect(Object.keys(data).sort()).toEqual([...words(clear), ...words(more)].sort());
      const { ip: __, userAgent: ___, ...own } = event.personal;
      expect(Object.keys(own).sort()).toEqual(words(personal).sort());
    }
  },
);

test('there are no others, and none holds personal data in the clear', () => {
  expect(new Set(events.map(({ type }) => type))).toEqual(new Set(Object.keys(fields)));
  const clear = JSON.stringify(events.map(({ data }) => data));
  for (const text of [...Object.values(texts), ada.username, 'attic server']) expect(clear).not.toContain(text);
  const sealed = events.find(({ type }) => type === 'poll.created')!.personal;
  expect(sealed).toMatchObject({ title: texts.title, question: texts.question, nonce: texts.nonce });
  expect(events.find(({ type }) => type === 'ballot.cast')!.personal).toMatchObject({ comment: texts.comment });
});
