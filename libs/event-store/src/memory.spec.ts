import { ManualClock, Unavailable } from '@symbolon/kernel';
import { all, draft, eventStoreContract, meta, take } from './event-store.contract';
import { MemoryEventStore } from './memory-event-store';

eventStoreContract('memory', async () => ({ store: new MemoryEventStore() }));

describe('what tests may do with the memory store', () => {
  test('the clock is theirs', async () => {
    const clock = new ManualClock(Date.UTC(2026, 1, 21, 15, 33, 44, 123));
    const store = new MemoryEventStore(clock);
    await store.append('thing-1', 'none', [draft()], meta);
    clock.advance(1);
    await store.append('thing-1', 0n, [draft()], meta);
    expect((await all(store.read('thing-1'))).map(({ recordedAt }) => recordedAt)).toEqual([
      '2026-02-21T15:33:44.123+00:00',
      '2026-02-21T15:33:45.123+00:00',
    ]);
  });

  test('a conflict can be forced', async () => {
    const store = new MemoryEventStore();
    store.conflictNext('thing-1', 2);
    const event = draft();
    const attempt = () => store.append('thing-1', 'none', [event], meta);
    expect(await attempt()).toEqual({ status: 'conflict', revision: -1n });
    expect(await attempt()).toEqual({ status: 'conflict', revision: -1n });
    expect(await attempt()).toMatchObject({ status: 'appended', revision: 0n });
  });

  test('an outage can be played: writers and readers fail, followers wait', async () => {
    const store = new MemoryEventStore();
    const seen = take(store.follow(['thing'], null, new AbortController().signal), 1);
    store.available = false;
    await expect(store.append('thing-1', 'any', [draft()], meta)).rejects.toThrow(Unavailable);
    await expect(all(store.read('thing-1'))).rejects.toThrow(Unavailable);
    await expect(store.tail()).rejects.toThrow(Unavailable);
    store.available = true;
    await store.append('thing-1', 'none', [draft('a')], meta);
    expect((await seen).map(({ type }) => type)).toEqual(['a']);
  });

  test('what is stored is a copy', async () => {
    const store = new MemoryEventStore();
    const data = { list: [1] };
    await store.append('thing-1', 'none', [draft('a', data)], meta);
    data.list.push(2);
    expect((await all(store.read('thing-1')))[0]?.data).toEqual({ list: [1] });
  });
});
