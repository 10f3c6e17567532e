import {
  type Appended,
  type Batch,
  type Draft,
  type EventStore,
  type Expected,
  type Guard,
  instant,
  type Meta,
  millisOf,
  type Recorded,
} from '@symbolon/kernel';

export interface StoreUnderTest {
  readonly store: EventStore;
  /** Releases what `make` has taken. */
  stop?(): Promise<void>;
}

let drafts = 0;

/** A draft with a fresh id. */
export function draft(type = 'thing.happened', data: unknown = {}): Draft {
  return { id: `00000000-0000-7000-8000-${(++drafts).toString(16).padStart(12, '0')}`, type, version: 1, data };
}

export const meta: Meta = {
  commandId: null,
  correlationId: 'correlation',
  causationId: 'cause',
  actor: { profileId: null, kind: 'system' },
};

/** What every adapter of the event store has to do. `make` gives an empty store of its own to each test. */
export function eventStoreContract(name: string, make: () => Promise<StoreUnderTest>): void {
  describe(`the event store: ${name}`, () => {
    let store: EventStore;
    let stop: StoreUnderTest['stop'];
    let stopFollowing: AbortController;

    beforeEach(async () => {
      ({ store, stop } = await make());
      stopFollowing = new AbortController();
    });
    afterEach(async () => {
      stopFollowing.abort();
      await stop?.();
    });

    const append = (stream: string, expected: Expected, ...events: Draft[]) =>
      store.append(stream, expected, events, meta);
    const follow = (categories: string[], after: string | null = null) =>
      store.follow(categories, after, stopFollowing.signal);

    describe('append', () => {
      test('creates a stream where none is expected', async () => {
        expect(await append('thing-1', 'none', draft(), draft())).toMatchObject({ status: 'appended', revision: 1n });
      });

      test('conflicts where none is expected and one is there', async () => {
        await append('thing-1', 'none', draft());
        expect(await append('thing-1', 'none', draft())).toEqual({ status: 'conflict', revision: 0n });
        expect(await revisions('thing-1')).toEqual([0n]);
      });

      test('extends a stream at the exact revision', async () => {
        await append('thing-1', 'none', draft(), draft());
        expect(await append('thing-1', 1n, draft())).toMatchObject({ status: 'appended', revision: 2n });
      });

      test.each([0n, 2n])('conflicts at revision %s and tells the true one', async (stale) => {
        await append('thing-1', 'none', draft(), draft());
        expect(await append('thing-1', stale, draft())).toEqual({ status: 'conflict', revision: 1n });
      });

      test('conflicts with revision -1 where a stream is expected and none is there', async () => {
        expect(await append('thing-1', 0n, draft())).toEqual({ status: 'conflict', revision: -1n });
      });

      test('extends whatever is there when anything is expected', async () => {
        expect(await append('thing-1', 'any', draft())).toMatchObject({ status: 'appended', revision: 0n });
        expect(await append('thing-1', 'any', draft())).toMatchObject({ status: 'appended', revision: 1n });
      });

      test.each<Expected>(['none', 'any', 0n, 1n, 2n, 9n])(
        'answers a repeat with the first answer, expecting %s',
        async (expected) => {
          const events = [draft(), draft()];
          const first = await append('thing-1', 'none', ...events);
          await append('thing-1', 1n, draft());
          expect(await append('thing-1', expected, ...events)).toEqual({ ...first, status: 'duplicate' });
          expect(await revisions('thing-1')).toEqual([0n, 1n, 2n]);
        },
      );

      test.each<Expected>(['any', 1n])(
        'conflicts where only some of the events are known, expecting %s',
        async (expected) => {
          const known = draft();
          await append('thing-1', 'none', known, draft());
          expect(await append('thing-1', expected, known, draft())).toEqual({ status: 'conflict', revision: 1n });
        },
      );

      test('refuses to append nothing', async () => {
        await expect(append('thing-1', 'any')).rejects.toThrow(RangeError);
      });

      test('lets one of twenty rivals create a stream', async () => {
        const answers = await Promise.all(Array.from({ length: 20 }, () => append('thing-1', 'none', draft())));
        expect(answers.filter(({ status }) => status === 'appended')).toHaveLength(1);
        expect(answers.filter(({ status, revision }) => status === 'conflict' && revision === 0n)).toHaveLength(19);
      });

      test('answers each of many at once on its own', async () => {
        await append('thing-taken', 'none', draft());
        const repeated = draft();
        await append('thing-repeated', 'none', repeated);
        const streams = Array.from({ length: 30 }, (_, n) => `thing-${n}`);
        const [taken, duplicate, ...fresh] = await Promise.all([
          append('thing-taken', 'none', draft()),
          append('thing-repeated', 'none', repeated),
          ...streams.map((stream) => append(stream, 'none', draft())),
        ]);
        expect(taken).toEqual({ status: 'conflict', revision: 0n });
        expect(duplicate).toMatchObject({ status: 'duplicate', revision: 0n });
        expect(fresh.map(({ status }) => status)).toEqual(streams.map(() => 'appended'));
      });

      describe('under a guard', () => {
        const guarded = (stream: string, guard: Guard, ...events: Draft[]) =>
          store.append(stream, 'any', events, meta, guard);

        test('is kept by this adapter', () => expect(store.guards).toBe(true));

        test('writes while the other stream stands where it was seen', async () => {
          const absent = { stream: 'other-1', revision: 'none' } as const;
          expect(await guarded('thing-1', absent, draft())).toMatchObject({ status: 'appended', revision: 0n });
          await append('other-1', 'none', draft(), draft());
          const seen = { stream: 'other-1', revision: 1n };
          expect(await guarded('thing-1', seen, draft())).toMatchObject({ status: 'appended', revision: 1n });
        });

        test('writes nothing when the other stream has moved, and tells where it stands', async () => {
          await append('other-1', 'none', draft(), draft());
          for (const revision of ['none', 0n, 2n] as const) {
            const answer = await guarded('thing-1', { stream: 'other-1', revision }, draft());
            expect(answer).toEqual({ status: 'guarded', revision: 1n });
          }
          const gone = await guarded('thing-1', { stream: 'other-2', revision: 0n }, draft());
          expect(gone).toEqual({ status: 'guarded', revision: -1n });
          expect(await revisions('thing-1')).toEqual([]);
        });

        test('answers a repeat as such, whatever the other stream did since', async () => {
          const event = draft();
          await guarded('thing-1', { stream: 'other-1', revision: 'none' }, event);
          await append('other-1', 'none', draft());
          const repeat = await guarded('thing-1', { stream: 'other-1', revision: 'none' }, event);
          expect(repeat).toMatchObject({ status: 'duplicate', revision: 0n });
        });

        test('answers a conflict as such', async () => {
          await append('thing-1', 'none', draft());
          const guard = { stream: 'other-1', revision: 4n };
          const answer = await store.append('thing-1', 'none', [draft()], meta, guard);
          expect(answer).toEqual({ status: 'conflict', revision: 0n });
        });

        test('may be the stream that is written itself', async () => {
          await append('thing-1', 'none', draft());
          expect(await guarded('thing-1', { stream: 'thing-1', revision: 0n }, draft())).toMatchObject({
            revision: 1n,
          });
          expect(await guarded('thing-1', { stream: 'thing-1', revision: 0n }, draft())).toMatchObject({
            status: 'guarded',
            revision: 1n,
          });
        });

        test('is looked at append by append where many leave together', async () => {
          const none = (stream: string) => ({ stream, revision: 'none' }) as const;
          const [before, moved, after, beside] = await Promise.all([
            guarded('thing-1', none('other-1'), draft()),
            append('other-1', 'none', draft()),
            guarded('thing-2', none('other-1'), draft()),
            guarded('thing-3', none('other-2'), draft()),
          ]);
          expect([before, moved, after, beside].map(({ status }) => status)).toEqual([
            'appended',
            'appended',
            'guarded',
            'appended',
          ]);
        });
      });

      test('keeps the order in which one caller appends to a stream without waiting', async () => {
        const events = Array.from({ length: 40 }, () => draft());
        const answers = await Promise.all(events.map((event) => append('thing-1', 'any', event)));
        expect(answers.map(({ revision }) => revision)).toEqual(events.map((_, n) => BigInt(n)));
        expect((await all(store.read('thing-1'))).map(({ id }) => id)).toEqual(events.map(({ id }) => id));
      });
    });

    describe('read', () => {
      test('gives back what was appended', async () => {
        const event = {
          ...draft('thing.renamed', { name: 'Zoë "𝄞" \\u0041', none: null, list: [1, 0.1, true, { a: [] }] }),
          version: 3,
        };
        const cause: Meta = {
          ...meta,
          commandId: 'c',
          actor: { profileId: 'p', kind: 'device', deviceIdentifier: 'd' },
        };
        await store.append('thing-1-2', 'none', [event], cause);
        const [read] = await all(store.read('thing-1-2'));
        expect(read).toEqual({
          ...event,
          stream: 'thing-1-2',
          revision: 0n,
          meta: cause,
          recordedAt: expect.any(String),
        });
        expect(read?.recordedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/);
      });

      test('begins at a revision', async () => {
        await append('thing-1', 'none', draft(), draft(), draft());
        expect((await all(store.read('thing-1', 1n))).map(({ revision }) => revision)).toEqual([1n, 2n]);
        expect(await all(store.read('thing-1', 3n))).toEqual([]);
      });

      test('is empty where there is no stream', async () => {
        expect(await all(store.read('thing-1'))).toEqual([]);
      });

      test('reads streams of many pages', async () => {
        await append('thing-1', 'none', ...Array.from({ length: 1201 }, () => draft()));
        expect(await revisions('thing-1')).toEqual(Array.from({ length: 1201 }, (_, n) => BigInt(n)));
      });
    });

    describe('follow', () => {
      test('catches up in order, then follows', async () => {
        await append('thing-1', 'none', draft('a'), draft('b'));
        await append('thing-2', 'none', draft('c'));
        const seen: string[] = [];
        for await (const { events } of follow(['thing'])) {
          seen.push(...events.map(({ type }) => type));
          if (seen.length === 3) await append('thing-1', 1n, draft('d'));
          if (seen.length === 4) break;
        }
        expect(seen).toEqual(['a', 'b', 'c', 'd']);
      });

      test('gives to a waiting follower what is appended later', async () => {
        const seen = take(follow(['thing']), 2);
        await append('thing-1', 'none', draft('a'));
        await append('thing-1', 0n, draft('b'));
        expect((await seen).map(({ type, revision }) => `${type}${revision}`)).toEqual(['a0', 'b1']);
      });

      test('goes on behind a cursor', async () => {
        const first = await append('thing-1', 'none', draft('a'));
        await append('thing-2', 'none', draft('b'));
        expect((await take(follow(['thing'], cursorOf(first)), 1)).map(({ type }) => type)).toEqual(['b']);
      });

      test('gives only the wanted categories', async () => {
        await append('other-1', 'none', draft('x'));
        await append('thing-1', 'none', draft('a'));
        await append('thingy-1', 'none', draft('y'));
        await append('third-1', 'none', draft('b'));
        expect((await take(follow(['thing', 'third']), 2)).map(({ type }) => type)).toEqual(['a', 'b']);
      });

      test('moves the cursor past events of other categories', async () => {
        const old = await append('other-1', 'none', draft());
        const caughtUp = until(follow(['thing']), cursorOf(old));
        expect((await caughtUp).flatMap(({ events }) => events)).toEqual([]);

        const live = follow(['thing'], cursorOf(old));
        const moved = (async () => until(live, cursorOf(await append('other-1', 0n, draft()))))();
        expect((await moved).flatMap(({ events }) => events)).toEqual([]);
      });

      test('feeds many followers that stand at different places', async () => {
        const cursors: (string | null)[] = [null];
        for (let n = 0; n < 5; n++) cursors.push(cursorOf(await append(`thing-${n}`, 'none', draft(String(n)))));
        const seen = cursors.map((cursor, n) => take(follow(['thing'], cursor), 7 - n));
        await append('thing-5', 'none', draft('5'));
        await append('thing-6', 'none', draft('6'));
        for (const [n, events] of (await Promise.all(seen)).entries()) {
          expect(events.map(({ type }) => Number(type))).toEqual(Array.from({ length: 7 - n }, (_, i) => i + n));
        }
      });

      test('is not held by a follower that does not take what it is given', async () => {
        const slow = follow(['thing'])[Symbol.asyncIterator]();
        await append('thing-first', 'none', draft('first'));
        expect((await slow.next()).value.events).toHaveLength(1);
        const fast = take(follow(['thing']), 61);
        for (let n = 0; n < 6; n++) {
          await append(`thing-${n}`, 'none', ...Array.from({ length: 10 }, () => draft()));
        }
        expect(await fast).toHaveLength(61);
        const late: Recorded[] = [];
        while (late.length < 60) late.push(...(await slow.next()).value.events);
        expect(late.map(({ id }) => id)).toEqual((await fast).slice(1).map(({ id }) => id));
      });

      test('ends when the signal aborts, waiting or not', async () => {
        const waiting = all(follow(['thing']));
        stopFollowing.abort();
        expect(await waiting).toEqual([]);
        expect(await all(follow(['thing']))).toEqual([]);
      });
    });

    describe('cursors', () => {
      test('has no tail in an empty log, then the place of the newest event', async () => {
        expect(await store.tail()).toBeNull();
        await append('thing-1', 'none', draft());
        const newest = await append('thing-2', 'none', draft(), draft());
        expect(await store.tail()).toBe(cursorOf(newest));
      });

      test('are found by time: whoever follows from there misses nothing recorded after', async () => {
        expect(await store.since('2000-01-01T00:00:00.000+00:00')).toBeNull();
        await append('thing-1', 'none', draft('a'));
        const [first] = await all(store.read('thing-1'));
        await append('thing-2', 'none', draft('b'));
        expect(await store.since('2000-01-01T00:00:00.000+00:00')).toBeNull();
        const justBefore = instant(millisOf(first!.recordedAt) - 1);
        expect((await take(follow(['thing'], await store.since(justBefore)), 2)).map(({ type }) => type)).toEqual([
          'a',
          'b',
        ]);
        expect(await store.since('3000-01-01T00:00:00.000+00:00')).toBe(await store.tail());
      });

      test('are ordered as the log is', async () => {
        const cursors: string[] = [];
        for (let n = 0; n < 12; n++) cursors.push(cursorOf(await append('thing-1', 'any', draft())));
        for (const [n, cursor] of cursors.entries()) {
          expect(cursors.map((target) => store.reached(cursor, target))).toEqual(cursors.map((_, m) => m <= n));
          expect(store.reached(null, cursor)).toBe(false);
        }
      });

      test('of an append is reached exactly with its last event', async () => {
        const before = cursorOf(await append('thing-1', 'none', draft()));
        const target = cursorOf(await append('thing-2', 'none', draft(), draft()));
        expect(store.reached(before, target)).toBe(false);
        const batches = await until(follow(['thing']), target);
        expect(batches.flatMap(({ events }) => events)).toHaveLength(3);
      });
    });

    async function revisions(stream: string): Promise<bigint[]> {
      return (await all(store.read(stream))).map(({ revision }) => revision);
    }

    /** All batches up to the one that reaches `target`. */
    async function until(batches: AsyncIterable<Batch>, target: string): Promise<Batch[]> {
      const seen: Batch[] = [];
      for await (const batch of batches) {
        seen.push(batch);
        if (store.reached(batch.cursor, target)) return seen;
      }
      throw new Error('the follower ended early');
    }
  });
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const gathered: T[] = [];
  for await (const item of items) gathered.push(item);
  return gathered;
}

/** The first `count` events; more only if they come in the same batch. */
export async function take(batches: AsyncIterable<Batch>, count: number): Promise<Recorded[]> {
  const events: Recorded[] = [];
  for await (const batch of batches) {
    events.push(...batch.events);
    if (events.length >= count) return events;
  }
  throw new Error(`the follower ended after ${events.length} of ${count} events`);
}

export function cursorOf(answer: Appended): string {
  if (answer.status === 'conflict') throw new Error(`conflict at revision ${answer.revision}`);
  return answer.cursor;
}
