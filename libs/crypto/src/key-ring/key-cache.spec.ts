import { inspect } from 'node:util';
import { clockAtStart } from '../../test/key-stores';
import { KeyCache } from './key-cache';

function counting(capacity?: number) {
  const clock = clockAtStart();
  const loads: string[] = [];
  const cache = new KeyCache(clock, async (id) => (loads.push(id), `key of ${id}`), capacity);
  return { cache, clock, loads };
}

test('a key is loaded once for all who ask at the same time', async () => {
  const { cache, loads } = counting();
  expect(await Promise.all([cache.get('a'), cache.get('a')])).toEqual(['key of a', 'key of a']);
  expect(loads).toEqual(['a']);
});

test('the key used longest ago makes room', async () => {
  const { cache, loads } = counting(2);
  for (const id of ['a', 'b', 'a', 'c', 'a', 'b']) await cache.get(id);
  expect(loads).toEqual(['a', 'b', 'c', 'b']);
});

test('a key is loaded anew after its time, after its eviction and after a failure', async () => {
  const { cache, clock, loads } = counting();
  await cache.get('a');
  clock.advance(59);
  await cache.get('a');
  expect(loads).toHaveLength(1);
  clock.advance(1);
  await cache.get('a');
  expect(loads).toHaveLength(2);
  cache.evict('a');
  await cache.get('a');
  expect(loads).toHaveLength(3);

  let fails = true;
  const flaky = new KeyCache(clock, async () => {
    if (fails) throw new Error('away');
    return 1;
  });
  await expect(flaky.get('a')).rejects.toThrow('away');
  fails = false;
  expect(await flaky.get('a')).toBe(1);
});

test('what is loading while its key is evicted is not kept', async () => {
  const answers: Array<(value: string) => void> = [];
  const cache = new KeyCache(clockAtStart(), () => new Promise<string>((resolve) => answers.push(resolve)));
  const early = cache.get('a');
  cache.evict('a');
  answers[0]?.('destroyed');
  const late = cache.get('a');
  answers[1]?.('gone');
  expect([await early, await late, await cache.get('a')]).toEqual(['destroyed', 'gone', 'gone']);
});

test('keys do not show in an inspection', async () => {
  const { cache } = counting();
  await cache.get('a');
  expect(inspect(cache, { depth: 9, showHidden: true })).not.toContain('key of');
});
