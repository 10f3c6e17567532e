import { until } from './until';

test('answers what it found, once it is there', async () => {
  const looks = [null, false, 'found', 'more'];
  expect(await until(() => looks.shift(), 'something')).toBe('found');
  expect(looks).toEqual(['more']);
});

test('says what it waited for and what it saw last', async () => {
  await expect(until(() => 0, 'a number', { seconds: 0 })).rejects.toThrow(
    'waited 0 s in vain for a number; last seen: 0',
  );
});

test('a look that throws is one in vain, and is told at the end', async () => {
  const failing = until(() => Promise.reject(new Error('not there')), 'an answer', { seconds: 0 });
  await expect(failing).rejects.toThrow(/in vain for an answer; last seen: Error: not there/);
});
