import { type FreshDatabase, until } from '@symbolon/testing';
import { draft, meta } from './event-store.contract';
import { freshLog } from './fresh-log.contract';
import { countBehind, logEntries, type LogEntry } from './log-entries';
import { PostgresEventStore } from './postgres-event-store';

let database: FreshDatabase;
let store: PostgresEventStore;

beforeEach(async () => {
  database = await freshLog();
  store = await PostgresEventStore.open(database.pool);
});
afterEach(async () => {
  await store.close();
  await database.drop();
});

const names = (entries: readonly LogEntry[]) => entries.map(({ stream, revision }) => `${stream}@${revision}`);

async function newest(last: number, ...categories: string[]): Promise<LogEntry[]> {
  const found: LogEntry[] = [];
  for await (const page of logEntries(database.pool, { categories, last, follow: false })) found.push(...page);
  return found;
}

/** What others write on the same server may hold back what was appended last. */
const readable = (count: number) =>
  until(async () => (await newest(count)).length === count, `${count} events that followers may see`);

test('the newest events in their order, without what they hold', async () => {
  expect(await newest(5)).toEqual([]);
  await store.append('thing-a', 'none', [draft(), draft()], meta);
  await store.append('other-b', 'none', [draft()], meta);
  const last = await store.append('thing-c', 'none', [draft('made')], meta);
  await readable(4);
  expect(names(await newest(3))).toEqual(['thing-a@1', 'other-b@0', 'thing-c@0']);
  expect(names(await newest(2, 'thing'))).toEqual(['thing-a@1', 'thing-c@0']);
  expect(names(await newest(9, 'other', 'none'))).toEqual(['other-b@0']);
  const [entry] = await newest(1);
  expect(Object.keys(entry!).sort()).toEqual(['id', 'meta', 'place', 'recordedAt', 'revision', 'stream', 'type']);
  expect(entry).toMatchObject({ place: (last as { cursor: string }).cursor, type: 'made', meta });
});

test('then those to come, from the end that was seen', async () => {
  await store.append('thing-a', 'none', [draft()], meta);
  const entries = logEntries(database.pool, { categories: ['thing'], last: 1, follow: true, pollMillis: 5 });
  const pages = entries[Symbol.asyncIterator]();
  expect(names((await pages.next()).value as LogEntry[])).toEqual(['thing-a@0']);
  await store.append('other-b', 'none', [draft()], meta);
  await store.append('thing-c', 'none', [draft()], meta);
  expect(names((await pages.next()).value as LogEntry[])).toEqual(['thing-c@0']);
  await pages.return?.(undefined);
});

test('counts what lies behind a cursor', async () => {
  expect(await countBehind(database.pool, null)).toBe(0);
  const first = await store.append('thing-a', 'none', [draft()], meta);
  await store.append('thing-a', 'any', [draft(), draft()], meta);
  await readable(3);
  expect(await countBehind(database.pool, (first as { cursor: string }).cursor)).toBe(2);
  expect(await countBehind(database.pool, await store.tail())).toBe(0);
});
