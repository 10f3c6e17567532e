import { Gathered } from './gathered';

describe('gathered calls', () => {
  function doubling(lanes = 1) {
    const sent: number[][] = [];
    const released: Array<() => void> = [];
    const gathered = new Gathered<number, number>(async (keys) => {
      sent.push([...keys]);
      await new Promise<void>((resolve) => released.push(resolve));
      if (keys.includes(13)) throw new Error('thirteen');
      if (keys.includes(57)) throw Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
      return keys.map((key) => key * 2);
    }, lanes);
    const release = async (times: number) => {
      for (let n = 0; n < times; n++) {
        while (released.length === 0) await new Promise((resolve) => setImmediate(resolve));
        released.shift()?.();
      }
    };
    return { sent, release, ask: (key: number) => gathered.ask(key) };
  }

  test('of one turn leave together, and each gets its own answer', async () => {
    const { sent, release, ask } = doubling();
    const answers = Promise.all([ask(1), ask(2), ask(3)]);
    await release(1);
    expect(await answers).toEqual([2, 4, 6]);
    expect(sent).toEqual([[1, 2, 3]]);
  });

  test('that come while all lanes are busy leave together afterwards', async () => {
    const { sent, release, ask } = doubling();
    const first = ask(1);
    await new Promise((resolve) => setImmediate(resolve));
    const rest = [ask(2), ask(3)];
    await release(2);
    expect(await Promise.all([first, ...rest])).toEqual([2, 4, 6]);
    expect(sent).toEqual([[1], [2, 3]]);
  });

  test('are made one by one when together they fail', async () => {
    const { sent, release, ask } = doubling();
    const answers = Promise.allSettled([ask(1), ask(13), ask(2)]);
    await release(4);
    expect((await answers).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(sent).toEqual([[1, 13, 2], [1], [13], [2]]);
  });

  test('all fail at once when the other side is away', async () => {
    const { sent, release, ask } = doubling();
    const answers = Promise.allSettled([ask(1), ask(57)]);
    await release(1);
    expect((await answers).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(sent).toEqual([[1, 57]]);
  });
});
