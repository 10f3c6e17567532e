import { type FreshDatabase, freshDatabase } from '@symbolon/testing';
import { clockAtStart, migrateKeys } from '../../test/key-stores';
import { uuid7 } from '../mint/ids';
import { MemoryKeyRing } from './key-ring';
import { KeyStore } from './key-store';

let database: FreshDatabase;

beforeAll(async () => {
  database = await freshDatabase();
  await migrateKeys(database.pool);
});
afterAll(() => database.drop());

test('K3: a backup made while the rotation waits for one needs no old key, whoever wrote meanwhile', async () => {
  const clock = clockAtStart();
  const ring = new MemoryKeyRing(clock);
  const keys = new KeyStore(database.pool, ring, clock);
  await keys.open();
  const ada = uuid7();
  await keys.createSubject(ada);

  // A process that has not looked at the ring since before the rotation.
  const before = ring.all('epoch-kek');
  let lagging = true;
  const behind = Object.assign(Object.create(ring) as MemoryKeyRing, {
    all: (purpose: Parameters<MemoryKeyRing['all']>[0]) =>
      lagging && purpose === 'epoch-kek' ? before : ring.all(purpose),
    refresh: async () => {
      lagging = false;
    },
  });
  const elsewhere = new KeyStore(database.pool, behind, clock);

  expect((await keys.rotateEpoch(() => Promise.resolve(false))).finished).toBe(false);
  const bob = uuid7();
  await elsewhere.createSubject(bob);
  const { keyId } = await elsewhere.sealOnce('once');

  const { rows } = await database.pool.query(
    `select epoch_id, count(*)::int as n from (
       select epoch_id from keys.subject_key union all select epoch_id from keys.profile_key
       union all select epoch_id from keys.once_key where key_id = $1) wrapped group by epoch_id`,
    [keyId],
  );
  expect(rows).toEqual([{ epoch_id: ring.current('epoch-kek').id, n: 5 }]);
});
