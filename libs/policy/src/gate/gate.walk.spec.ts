import { type Caller, Commands } from '@symbolon/command-log';
import type { GateOpened, PolicyEvent, PollResolved, VotingEvent } from '@symbolon/contracts';
import { type KeyStore, type PersonalBoxes, uuid5, uuid7 } from '@symbolon/crypto';
import { MemoryEventStore } from '@symbolon/event-store';
import {
  type Appended,
  type Draft,
  EventStore,
  type Expected,
  type Guard,
  type Guarded,
  ManualClock,
  type Meta,
  type Personal,
  type Recorded,
  Streams,
  system,
} from '@symbolon/kernel';
import type { Logger } from '@symbolon/observe';
import { Registry } from '@symbolon/platform';
import { activated, ada, authenticators, configurationId, id, otherId, registered } from '../policy/sample-events';
import { Evaluation } from './evaluation';
import { GateReactors } from './gates.reactors';
import type { SignIns } from './sign-ins.query';

class Crash extends Error {}

/** Ends its process at the n-th append, before or after it is stored. */
class CrashingStore extends EventStore {
  appends = 0;

  constructor(
    private readonly inner: MemoryEventStore,
    private readonly crash: { readonly at: number; readonly stored: boolean } | null,
  ) {
    super();
  }

  override get guards(): boolean {
    return true;
  }

  async append(
    stream: string,
    expected: Expected,
    events: readonly Draft[],
    meta: Meta,
    guard?: Guard,
  ): Promise<Appended & Guarded> {
    const last = ++this.appends === this.crash?.at;
    if (last && !this.crash?.stored) throw new Crash();
    const appended = await this.inner.append(stream, expected, events, meta, guard);
    if (last) throw new Crash();
    return appended as Appended & Guarded;
  }

  read = (stream: string, from?: bigint) => this.inner.read(stream, from);
  follow = (...wanted: Parameters<EventStore['follow']>) => this.inner.follow(...wanted);
  since = (at: string) => this.inner.since(at);
  tail = () => this.inner.tail();
  reached = (cursor: string | null, target: string) => this.inner.reached(cursor, target);
}

/** Boxes that are not locked: what matters here is the way of a command. */
const boxes = {
  seal: (event: { data: unknown }, personal: readonly Personal[]) =>
    Promise.resolve({
      ...(event.data as object),
      sealed: Object.fromEntries(personal.map(({ subject, fields }) => [subject, fields])),
    }),
  open: (event: Recorded, subject: string) =>
    Promise.resolve((event.data as { sealed?: Record<string, Record<string, unknown>> }).sealed?.[subject] ?? null),
};

const commandId = uuid7();
const input = { tokenId: uuid7(), context: 'invoices/2026', ttlMinutes: 5, meta: {} };
const named: VotingEvent = {
  type: 'voting_configuration.registered',
  version: 1,
  data: {
    ...{ id: configurationId, profileId: ada, name: 'night', strategy: 'unanimous', strategyParams: null },
    ...{ countRequired: null, timeLimit: 60, percentageRequired: null, deviceIdentifiers: [], quorumSize: null },
    ...{ numberOfAttempts: null, category: null },
  },
};

function policy(changed: Partial<typeof registered.data>, configuration: Record<string, unknown>): PolicyEvent[] {
  const fields = { policyTemplateId: 'data_change', applyingEventIds: ['data_token.space_reserved'] };
  const data = { ...registered.data, ...fields, ...changed };
  const personal = { subject: ada, fields: { configuration } };
  return [
    { ...registered, data, personal },
    { ...activated, data: { id: data.id } },
  ];
}

interface Story {
  readonly policies: readonly PolicyEvent[];
  /** How the chains end, in their order. */
  readonly reasons: ReadonlyArray<string | null>;
}

const first = policy({}, { context: 'invoices/*' });
const second = policy({ id: otherId, name: 'night', votingConfigurationId: configurationId }, {});
const stories: ReadonlyArray<[string, Story]> = [
  ['one vote that holds', { policies: first, reasons: [null] }],
  ['one vote that does not', { policies: first, reasons: ['poll.rejected'] }],
  ['two votes that hold', { policies: [...first, ...second], reasons: [null, null] }],
  ['two votes of which one fails', { policies: [...first, ...second], reasons: [null, 'poll.timed_out'] }],
  ['two votes that fail', { policies: [...first, ...second], reasons: ['poll.rejected', 'poll.timed_out'] }],
  ['no policy that matches', { policies: policy({}, { context: 'elsewhere' }), reasons: [] }],
  ['a policy that cannot be read', { policies: policy({}, { colour: 'red' }), reasons: [] }],
];

/** One process: all reactors around gates, a voter, and a worker, over the log as it is. Answers its appends. */
async function run(log: MemoryEventStore, { reasons }: Story, crash: CrashingStore['crash']): Promise<number> {
  const store = new CrashingStore(log, crash);
  const streams = new Streams(store, boxes, uuid5);
  const projections = { passed: () => Promise.resolve() };
  const commands = new Commands(store, streams, {} as KeyStore, new ManualClock(0), projections);
  const logger = { error: () => undefined } as unknown as Logger;
  const evaluation = new Evaluation(store, streams, boxes as unknown as PersonalBoxes, {} as SignIns, logger);
  const registry = new Registry();
  new GateReactors(registry, store, streams, commands, evaluation).onModuleInit();
  const { reactors } = registry.contents();

  const causedBy = (event: Recorded, step: string) => {
    const causationId = uuid5(`${event.id}/${step}`);
    return { commandId: null, correlationId: causationId, causationId, actor: system };
  };
  const voter = async (event: Recorded) => {
    if (event.type !== 'policy.gate_opened') return;
    for (const [n, { poolId }] of (event.data as GateOpened['data']).chains.entries()) {
      const reason = reasons[n]!;
      const outcome = reason === null ? 'succeeded' : 'rejected';
      const counted = { yes: 0, no: 0, ballotsIssued: 0, votes: [], nextPoolId: null };
      const poll = { poolId, chainId: poolId, profileId: ada, commandId, gated: true, outcome, reason } as const;
      const resolved: PollResolved = { type: 'poll.resolved', version: 1, data: { ...poll, ...counted } };
      await streams.append(`poll-${poolId}`, 'any', [resolved], causedBy(event, poolId));
    }
  };
  const worker = (event: Recorded) =>
    event.type === 'command.cleared'
      ? commands.settle(commandId, { status: 'succeeded', result: null, cursor: null }, ada)
      : Promise.resolve();

  await commands.submit({ type: 'data-token/reserve-token-space', caller, input, commandId });
  for (let handled = 0; ;) {
    const events = await all(log);
    if (handled === events.length) return store.appends;
    for (const event of events.slice(handled)) {
      for (const { on } of reactors) await on[event.type]?.(event);
      await voter(event);
      await worker(event);
    }
    handled = events.length;
  }
}

const caller: Caller = {
  actor: { profileId: ada, kind: 'user' },
  client: { ip: '192.0.2.7', userAgent: 'test', location: null },
  profileId: ada,
  tokenId: 'token',
  idempotencyKey: null,
  answered: Promise.resolve(),
};

async function begun({ policies }: Story): Promise<MemoryEventStore> {
  const log = new MemoryEventStore();
  const streams = new Streams(log, boxes, uuid5);
  const cause = () => {
    const causationId = uuid7();
    return { commandId: null, correlationId: causationId, causationId, actor: system };
  };
  await streams.append(`voting-${ada}`, 'none', [...authenticators(uuid7()), named], cause());
  await streams.append(`policies-${ada}`, 'none', policies, cause());
  return log;
}

async function all(log: MemoryEventStore): Promise<Recorded[]> {
  const tail = (await log.tail())!;
  const events: Recorded[] = [];
  const stop = new AbortController();
  const categories = ['command', 'gate', 'poll', 'policies', 'voting'];
  for await (const batch of log.follow(categories, null, stop.signal)) {
    events.push(...batch.events);
    if (log.reached(batch.cursor, tail)) break;
  }
  return events;
}

/** What the log says of the command, polls by their place in the gate. */
async function told(log: MemoryEventStore): Promise<string[]> {
  const events = await all(log);
  const opened = events.find(({ type }) => type === 'policy.gate_opened')?.data as GateOpened['data'] | undefined;
  const streams = [
    `command-${commandId}`,
    `gate-${commandId}`,
    ...(opened?.chains ?? []).map(({ poolId }) => `poll-${poolId}`),
  ];
  return events
    .filter(({ stream }) => streams.includes(stream))
    .map(({ stream, type, data }) => {
      const { reason, cancel } = data as { reason?: string | null; cancel?: string[] };
      return `${streams.indexOf(stream)} ${type} ${String(reason)} ${String(cancel?.length)}`;
    })
    .sort();
}

describe.each(stories)('a gate with %s', (_, story) => {
  test('ends as it would have, wherever its process is killed', async () => {
    const whole = await begun(story);
    const appends = await run(whole, story, null);
    const expected = await told(whole);
    expect(expected.filter((line) => /command\.(succeeded|rejected)/.test(line))).toHaveLength(1);
    const waits = expected.some((line) => line.includes('command.pending_vote'));
    expect(waits).toBe(story.reasons.length > 0);

    for (let at = 1; at <= appends; at++) {
      for (const stored of [false, true]) {
        const log = await begun(story);
        await expect(run(log, story, { at, stored })).rejects.toThrow(Crash);
        await run(log, story, null);
        expect([at, stored, await told(log)]).toEqual([at, stored, expected]);
      }
    }
  });

  test('says the same when everything is told twice', async () => {
    const log = await begun(story);
    await run(log, story, null);
    const once = await told(log);
    await run(log, story, null);
    expect(await told(log)).toEqual(once);
  });
});

test('a gate names the policies that it asks for', async () => {
  const story = stories.find(([name]) => name === 'two votes that hold')![1];
  const log = await begun(story);
  await run(log, story, null);
  const opened = (await all(log)).find(({ type }) => type === 'policy.gate_opened')!;
  const { chains } = opened.data as GateOpened['data'];
  expect(chains.map(({ policyIds }) => policyIds)).toEqual([[id], [otherId]]);
});
