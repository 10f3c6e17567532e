import { Batched } from './durable';
import { Lanes, Slots } from './turns';

function gate(): { open: () => void; opened: Promise<void> } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { open, opened };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('lanes keep the order of one lane, over failures, and do not wait for each other', async () => {
  const lanes = new Lanes();
  const first = gate();
  const seen: string[] = [];
  const failing = lanes.run('a', async () => {
    await first.opened;
    seen.push('a1');
    throw new Error('a1');
  });
  const after = lanes.run('a', () => Promise.resolve(seen.push('a2')));
  await lanes.run('b', () => Promise.resolve(seen.push('b1')));
  expect(seen).toEqual(['b1']);
  first.open();
  await expect(failing).rejects.toThrow('a1');
  await after;
  expect(seen).toEqual(['b1', 'a1', 'a2']);
});

it('slots let no more run at once than there are, and pass on those of what failed', async () => {
  const slots = new Slots(2);
  const gates = [gate(), gate(), gate()];
  let running = 0;
  const runs = gates.map(({ opened }, number) =>
    slots.run(async () => {
      running++;
      await opened;
      running--;
      if (number === 0) throw new Error('first');
    }),
  );
  await settled();
  expect(running).toBe(2);
  gates[0]?.open();
  await expect(runs[0]).rejects.toThrow('first');
  await settled();
  expect(running).toBe(2);
  for (const { open } of gates) open();
  await Promise.all(runs.slice(1));
  expect(running).toBe(0);
});

it('a batch covers only those that came before it began', async () => {
  const runs: { open: () => void; opened: Promise<void> }[] = [];
  const batched = new Batched(() => {
    const run = gate();
    runs.push(run);
    return run.opened;
  });
  const first = batched.run();
  const [second, third] = [batched.run(), batched.run()];
  expect(runs).toHaveLength(1);
  runs[0]?.open();
  await first;
  await settled();
  expect(runs).toHaveLength(2);
  const fourth = batched.run();
  runs[1]?.open();
  await Promise.all([second, third]);
  await settled();
  expect(runs).toHaveLength(3);
  runs[2]?.open();
  await fourth;
});
