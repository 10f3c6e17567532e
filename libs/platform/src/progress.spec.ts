import { type FreshDatabase, freshDatabase } from '@symbolon/testing';
import { Progress, type ProgressReport } from './progress';

describe('in one process', () => {
  test('is told at once, and a flood of one command as its first, its newest and its last report', async () => {
    const progress = new Progress();
    const told: ProgressReport[] = [];
    const last = new Promise<void>((resolve) =>
      progress.listen((report) => {
        told.push(report);
        if (report.done === report.total) resolve();
      }),
    );
    for (let done = 1; done <= 100; done++) progress.report('a', { done, total: 100 });
    await last;
    expect(told).toEqual([
      { commandId: 'a', done: 1, total: 100 },
      { commandId: 'a', done: 100, total: 100 },
    ]);
    progress.stop();
  });

  test('what was held back is told as it stands then', async () => {
    const progress = new Progress();
    const told: ProgressReport[] = [];
    const second = new Promise<void>((resolve) =>
      progress.listen((report) => {
        told.push(report);
        if (told.length === 2) resolve();
      }),
    );
    for (const done of [1, 2, 3]) progress.report('a', { done, total: 10 });
    await second;
    expect(told.map(({ done }) => done)).toEqual([1, 3]);
    progress.stop();
  });

  test('after the end nothing is told any more', () => {
    const progress = new Progress();
    const told: ProgressReport[] = [];
    const end = progress.listen((report) => told.push(report));
    end();
    progress.report('a', { done: 1, total: 2 });
    progress.stop();
    progress.report('a', { done: 2, total: 2 });
    expect(told).toEqual([]);
  });
});

describe('in several processes', () => {
  let database: FreshDatabase;

  beforeAll(async () => {
    database = await freshDatabase();
  });

  afterAll(() => database.drop());

  test('one hears what another reports, and nothing that is no report', async () => {
    const [here, there] = [new Progress(database.pool), new Progress(database.pool)];
    const told: ProgressReport[] = [];
    let wake: () => void = () => undefined;
    there.listen((report) => {
      told.push(report);
      wake();
    });
    // Listening begins in the background: a report is repeated until it is heard.
    const timer = setInterval(() => here.report('k', { done: 2, total: 2 }), 20);
    while (told.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    clearInterval(timer);
    await database.pool.query(`select pg_notify('symbolon_progress', 'no report')`);
    await database.pool.query(`select pg_notify('symbolon_progress', '{"commandId":"k","done":"1","total":2}')`);
    here.report('end', { done: 1, total: 1 });
    while (told.at(-1)!.commandId !== 'end') await new Promise<void>((resolve) => (wake = resolve));
    expect(new Set(told.map(({ done, total }) => `${done}/${total}`))).toEqual(new Set(['2/2', '1/1']));
    here.stop();
    there.stop();
  });
});
