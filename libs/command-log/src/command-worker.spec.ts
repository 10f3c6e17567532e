import type { CommandBus } from '@nestjs/cqrs';
import type { CommandEvent } from '@symbolon/contracts';
import { type KeyStore, type PersonalBoxes, uuid5, uuid7 } from '@symbolon/crypto';
import { MemoryEventStore } from '@symbolon/event-store';
import { ManualClock, type Personal, type Recorded, Streams } from '@symbolon/kernel';
import type { DataSource } from 'typeorm';
import type { Caller } from './caller';
import {
  type CommandMessage,
  CommandType,
  type Context,
  type HandlerResult,
  rejected,
  succeeded,
} from './command-type';
import { CommandWorker } from './command-worker';
import { Commands } from './commands';

@CommandType('test/whole')
class Whole implements CommandMessage<object> {
  static readonly type: string;

  constructor(
    readonly data: object,
    readonly context: Context,
  ) {}
}

@CommandType('test/part')
class Part implements CommandMessage<object> {
  static readonly type: string;

  constructor(
    readonly data: object,
    readonly context: Context,
  ) {}
}

const profileId = uuid7();
const caller: Caller = {
  actor: { profileId, kind: 'user' },
  client: { ip: '192.0.2.7', userAgent: 'test', location: null },
  profileId,
  tokenId: 'token',
  idempotencyKey: null,
  answered: Promise.resolve(),
};

/** Boxes that are not locked: what matters here is the way of a command. */
const boxes = {
  seal: (event: { data: unknown }, personal: readonly Personal[]) =>
    Promise.resolve({
      ...(event.data as object),
      sealed: Object.fromEntries(personal.map(({ subject, fields }) => [subject, fields])),
    }),
  open: (event: Recorded, subject: string) =>
    Promise.resolve((event.data as { sealed: Record<string, Record<string, unknown>> }).sealed[subject] ?? null),
};

class Bench {
  readonly store = new MemoryEventStore();
  readonly streams = new Streams(this.store, boxes, uuid5);
  readonly commands = new Commands(this.store, this.streams, {} as KeyStore, new ManualClock(0), {
    passed: () => Promise.resolve(),
  });
  readonly ran: string[] = [];
  saved: string | null = null;

  worker(handle: (message: Whole | Part) => Promise<HandlerResult>, atOnce?: number): CommandWorker {
    const bus = {
      execute: (message: Whole | Part) => {
        this.ran.push(message.context.commandId);
        return handle(message);
      },
    } as unknown as CommandBus;
    const dataSource = {
      query: (sql: string, [, cursor]: [string, string]) => {
        if (sql.startsWith('select')) return Promise.resolve(this.saved === null ? [] : [{ cursor: this.saved }]);
        this.saved = cursor;
        return Promise.resolve([]);
      },
    } as unknown as DataSource;
    const log = { warn: () => undefined, error: () => undefined };
    return new CommandWorker(
      this.store,
      boxes as unknown as PersonalBoxes,
      bus,
      this.commands,
      dataSource,
      log,
      atOnce,
    );
  }

  submit(type = 'test/whole'): Promise<string> {
    return this.commands.submit({ type, caller, input: { secret: 'sealed' } }).then(({ commandId }) => commandId);
  }

  async types(commandId: string): Promise<string[]> {
    const types: string[] = [];
    for await (const event of this.store.read(`command-${commandId}`)) types.push(event.type);
    return types;
  }

  async ended(commandId: string): Promise<CommandEvent> {
    const ends = MemoryEventStore.prototype.follow.call(this.store, ['command'], null, AbortSignal.timeout(20_000));
    for await (const { events } of ends) {
      const end = events.find(
        ({ type, data }) => /succeeded|rejected/.test(type) && (data as { commandId: string }).commandId === commandId,
      );
      if (end) return end as unknown as CommandEvent;
    }
    throw new Error('the command did not end');
  }
}

test('a command runs once and ends once', async () => {
  const bench = new Bench();
  const worker = bench.worker(async () => succeeded({ done: true }));
  worker.start();
  const commandId = await bench.submit();
  await bench.ended(commandId);
  await worker.stop();
  expect(bench.ran).toEqual([commandId]);
  expect(await bench.types(commandId)).toEqual(['command.accepted', 'command.cleared', 'command.succeeded']);
});

test('commands that wait for parts of themselves leave room for these, however few run at once', async () => {
  const bench = new Bench();
  const worker = bench.worker(async (message) => {
    if (message instanceof Part) return rejected('public_key.already_in_use');
    const refusal = await bench.commands.part(
      { ...message.context.cause, commandId: message.context.commandId },
      'test/part',
      profileId,
      {},
    );
    return refusal === null ? succeeded(null) : rejected(refusal);
  }, 1);
  worker.start();
  const ids = await Promise.all([bench.submit(), bench.submit(), bench.submit()]);
  for (const commandId of ids) {
    expect(await bench.ended(commandId)).toMatchObject({
      type: 'command.rejected',
      data: { reason: 'public_key.already_in_use' },
    });
  }
  await worker.stop();
});

test('a command that was interrupted runs again at the next start, one that ended does not', async () => {
  const bench = new Bench();
  let interrupted = () => undefined as void;
  const reached = new Promise<void>((resolve) => (interrupted = resolve));
  const first = bench.worker(async ({ context }) => {
    if (context.commandId === held) {
      interrupted();
      await new Promise(() => undefined);
    }
    return succeeded(null);
  });
  const held = await bench.submit();
  const done = await bench.submit();
  first.start();
  await Promise.all([reached, bench.ended(done)]);
  await first.stop();

  const second = bench.worker(async () => succeeded(null));
  second.start();
  await bench.ended(held);
  await second.stop();
  expect(bench.ran.filter((id) => id === held)).toHaveLength(2);
  expect(bench.ran.filter((id) => id === done)).toHaveLength(1);
});

test('a fault that does not pass rejects the command with internal_error', async () => {
  const bench = new Bench();
  const worker = bench.worker(() => Promise.reject(new Error('a bug')));
  worker.start();
  const commandId = await bench.submit();
  expect(await bench.ended(commandId)).toMatchObject({ type: 'command.rejected', data: { reason: 'internal_error' } });
  await worker.stop();
  expect(bench.ran).toHaveLength(5);
});

test('an outage is waited for, and of two ends the first stays', async () => {
  const bench = new Bench();
  let outages = 0;
  const worker = bench.worker(async () => {
    if (++outages <= 7) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    return succeeded(null);
  });
  worker.start();
  const commandId = await bench.submit();
  await bench.ended(commandId);
  await worker.stop();
  await bench.commands.settle(commandId, { status: 'rejected', reason: 'internal_error', cursor: null }, profileId);
  expect(await bench.types(commandId)).toEqual(['command.accepted', 'command.cleared', 'command.succeeded']);
});

test('a fault while the log is read does not end the worker', async () => {
  const bench = new Bench();
  const follow = bench.store.follow.bind(bench.store);
  let faults = 0;
  bench.store.follow = (...args) => {
    if (++faults <= 2) throw new Error('a row that cannot be read');
    return follow(...args);
  };
  const worker = bench.worker(async () => succeeded(null));
  worker.start();
  const commandId = await bench.submit();
  await bench.ended(commandId);
  await worker.stop();
  expect(bench.ran).toEqual([commandId]);
});
