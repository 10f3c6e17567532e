import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { Unavailable } from '@symbolon/kernel';
import { type FreshDatabase, freshDatabase } from '@symbolon/testing';
import { DataSource } from 'typeorm';
import { parcelStoreMigrations, PostgresParcelStore, type S3Place } from './index';
import { parcelStoreContract } from './parcel-store.contract';
import { S3ParcelStore } from './s3-parcel-store';

// It has no types of its own.
const S3rver = require('s3rver') as new (options: object) => {
  run(): Promise<AddressInfo>;
  close(): Promise<void>;
};

const parcelId = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10';
const nobody = async () => new Set<string>();
const tomorrow = () => new Date(Date.now() + 86_400_000);

describe('parcels in PostgreSQL', () => {
  let database: FreshDatabase;

  beforeAll(async () => {
    database = await freshDatabase();
    const source = new DataSource({ type: 'postgres', url: database.url, migrations: parcelStoreMigrations });
    await source.initialize();
    await source.runMigrations();
    await source.destroy();
  });

  afterAll(() => database.drop());

  const count = async (table: string): Promise<number> =>
    (await database.pool.query(`select count(*)::int as n from parcel_store.${table}`)).rows[0].n;

  parcelStoreContract('PostgresParcelStore', async () => {
    await database.pool.query('truncate parcel_store.write cascade');
    return new PostgresParcelStore(database.pool);
  });

  test('two processes see the same parcels', async () => {
    const [one, other] = [new PostgresParcelStore(database.pool), new PostgresParcelStore(database.pool)];
    await one.write(parcelId, Readable.from([Buffer.alloc(700_000, 'x')]));
    expect((await buffer((await other.read(parcelId))!)).length).toBe(700_000);
    await other.delete(parcelId);
    expect(await one.read(parcelId)).toBeNull();
  });

  test('what a write left that a crash cut off, and what was replaced, is swept, and no write under way', async () => {
    await database.pool.query('truncate parcel_store.write cascade');
    const store = new PostgresParcelStore(database.pool);
    await store.write(parcelId, Readable.from([Buffer.from('former')]));
    await store.write(parcelId, Readable.from([Buffer.from('new')]));
    const cutOff = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b99';
    await database.pool.query('insert into parcel_store.write (write_id, parcel_id) values ($1, $1)', [cutOff]);
    await database.pool.query(`insert into parcel_store.part values ($1, 0, 'half')`, [cutOff]);
    expect(await count('part')).toBe(3);
    await store.sweep(new Date(Date.now() - 3_600_000), nobody);
    expect(await count('part')).toBe(3);
    await store.sweep(tomorrow(), async (ids) => new Set(ids));
    expect(await count('part')).toBe(1);
    expect((await buffer((await store.read(parcelId))!)).toString()).toBe('new');
  });

  test('a broken write leaves no row behind', async () => {
    await database.pool.query('truncate parcel_store.write cascade');
    const store = new PostgresParcelStore(database.pool);
    const source = new Readable({ read() {} });
    const writing = store.write(parcelId, source);
    source.push(Buffer.alloc(600_000));
    source.destroy(new Error('gone'));
    await expect(writing).rejects.toThrow('gone');
    expect([await count('write'), await count('part')]).toEqual([0, 0]);
  });

  test('a parcel that is deleted under a reader ends the reading with an error, not with less', async () => {
    const store = new PostgresParcelStore(database.pool);
    await store.write(parcelId, Readable.from([Buffer.alloc(5_000_000)]));
    const reading = (await store.read(parcelId))!;
    await new Promise((resolve) => reading.once('readable', resolve));
    await store.delete(parcelId);
    await expect(buffer(reading)).rejects.toThrow(Unavailable);
  });

  test('takes bytes no faster than it writes them', async () => {
    const store = new PostgresParcelStore(database.pool);
    let given = 0;
    let most = 0;
    const before = process.memoryUsage().arrayBuffers;
    async function* endless() {
      for (; given < 512; given++) {
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
        yield Buffer.alloc(65_536);
      }
    }
    expect(await store.write(parcelId, endless())).toEqual({ size: 512 * 65_536 });
    expect(most).toBeLessThan(48 * 1024 * 1024);
  });

  test('without the database it is unavailable and lets go of the source', async () => {
    const gone = await freshDatabase();
    const store = new PostgresParcelStore(gone.pool);
    const source = Readable.from([Buffer.from('one')]);
    await expect(store.write(parcelId, source)).rejects.toThrow(Unavailable);
    expect(source.destroyed).toBe(true);
    await expect(store.check()).rejects.toThrow(Unavailable);
    await gone.drop();
  });
});

describe('parcels in an S3-compatible store', () => {
  const Bucket = 'parcels';
  const credentials = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };
  let folder: string;
  let endpoint: string;
  let server: InstanceType<typeof S3rver>;
  let client: S3Client;
  const stores: S3ParcelStore[] = [];
  let prefixes = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 's3-'));
    server = new S3rver({
      address: '127.0.0.1',
      port: 0,
      silent: true,
      directory: folder,
      configureBuckets: [{ name: Bucket }],
    });
    endpoint = `http://127.0.0.1:${(await server.run()).port}`;
    client = new S3Client({ endpoint, region: 'us-east-1', credentials, forcePathStyle: true });
  });

  afterAll(async () => {
    for (const store of stores) await store.close();
    client.destroy();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  function open(place: Partial<S3Place> = {}): S3ParcelStore {
    const prefix = `t${++prefixes}/`;
    const store = new S3ParcelStore({ bucket: Bucket, prefix, endpoint, region: 'us-east-1', credentials, ...place });
    stores.push(store);
    return store;
  }

  parcelStoreContract('S3ParcelStore', async () => open());

  test('stores more than one part of an upload, of a length nobody knew', async () => {
    const store = open();
    const size = 20 * 1024 * 1024 + 7;
    async function* bytes() {
      for (let left = size; left > 0; left -= 65_536) yield Buffer.alloc(Math.min(left, 65_536), 'p');
    }
    expect(await store.write(parcelId, bytes())).toEqual({ size });
    expect(await store.size(parcelId)).toBe(size);
    let read = 0;
    for await (const chunk of (await store.read(parcelId))!) read += (chunk as Buffer).length;
    expect(read).toBe(size);
  });

  test('a broken upload of several parts leaves no object behind', async () => {
    const prefix = `broken${++prefixes}/`;
    const store = open({ prefix });
    async function* bytes() {
      for (let part = 0; part < 30; part++) yield Buffer.alloc(1024 * 1024);
      throw new Error('gone');
    }
    await expect(store.write(parcelId, bytes())).rejects.toThrow('gone');
    const { KeyCount } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: prefix }));
    expect(KeyCount ?? 0).toBe(0);
  });

  test('a sweep looks at its own keys alone', async () => {
    const prefix = `own${++prefixes}/`;
    const [mine, others] = [open({ prefix }), open()];
    await mine.write(parcelId, Readable.from([Buffer.from('one')]));
    await others.write(parcelId, Readable.from([Buffer.from('two')]));
    expect(await mine.sweep(tomorrow(), nobody)).toBe(1);
    expect(await mine.size(parcelId)).toBeNull();
    expect(await others.size(parcelId)).toBe(3);
  });

  test('a bucket that is missing, or a store that is gone, is unavailable: its parcels are not said to be missing', async () => {
    for (const place of [{ bucket: 'nowhere' }, { endpoint: 'http://127.0.0.1:9' }]) {
      const store = open(place);
      for (const asked of [store.check(), store.read(parcelId), store.size(parcelId)])
        await expect(asked).rejects.toThrow(Unavailable);
      const source = Readable.from([Buffer.from('one')]);
      await expect(store.write(parcelId, source)).rejects.toThrow(Unavailable);
      expect(source.destroyed).toBe(true);
    }
  });
});
