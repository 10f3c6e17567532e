import { type ManualClock, Unavailable } from '@symbolon/kernel';
import { type FreshDatabase, freshDatabase } from '@symbolon/testing';
import { Pool } from 'pg';
import { clockAtStart, Crash, migrateKeys, SteppedKeyRing, steppedPool, Steps } from '../../test/key-stores';
import { uuid7 } from '../mint/ids';
import { mintSecret } from '../mint/secrets';
import { openMessage, sealMessage } from '../seal/hpke';
import { SealError } from '../seal/seal-error';
import { parsePublicKey } from '../seal/x25519';
import { signBytes, verifyBytes } from '../sign/ed25519';
import { KeyRingError, MemoryKeyRing } from './key-ring';
import { KeyStore } from './key-store';
import { PersonalBoxes } from './personal-boxes';

const day = 24 * 3600;

let database: FreshDatabase;
let clock: ManualClock;
let ring: MemoryKeyRing;
let keys: KeyStore;

beforeAll(async () => {
  database = await freshDatabase();
  await migrateKeys(database.pool);
});

afterAll(() => database.drop());

beforeEach(async () => {
  await database.pool.query(
    'truncate keys.epoch, keys.subject_key, keys.profile_key, keys.token_key, keys.once_key, keys.sealed_string, keys.lookup',
  );
  clock = clockAtStart();
  ring = new MemoryKeyRing(clock);
  keys = new KeyStore(database.pool, ring, clock);
  await keys.open();
});

/** A second process on the same ring and database. */
async function another(pool = database.pool): Promise<KeyStore> {
  const store = new KeyStore(pool, ring, clock);
  await store.open();
  return store;
}

async function profile(): Promise<string> {
  const id = uuid7();
  await keys.createSubject(id);
  return id;
}

describe('subjects', () => {
  test('have a key of their own, the same in every process and after a repeat', async () => {
    const [ada, bob] = [await profile(), await profile()];
    const key = await keys.subjectKey(ada);
    await keys.createSubject(ada);
    expect(key).toHaveLength(32);
    expect(await keys.subjectKey(ada)).toEqual(key);
    expect(await (await another()).subjectKey(ada)).toEqual(key);
    expect(await keys.subjectKey(bob)).not.toEqual(key);
  });

  test('that were never made are a fault', async () => {
    await expect(keys.subjectKey(uuid7())).rejects.toThrow('no key for subject');
  });

  test('are destroyed with all that hangs on them, and are not made again', async () => {
    const [ada, bob] = [await profile(), await profile()];
    const [parcel, token] = [uuid7(), uuid7()];
    await keys.createTokenKey(ada, parcel);
    const kept = await keys.createTokenKey(bob, token);
    await keys.keepString(ada, token, 'dt_x');
    await keys.destroySubject(ada);
    await keys.createSubject(ada);
    expect(await keys.subjectKey(ada)).toBeNull();
    expect(await keys.tokenKey(ada, parcel)).toBeNull();
    expect(await keys.readString(ada, token)).toBeNull();
    await expect(keys.createTokenKey(ada, uuid7())).rejects.toThrow('no key for profile');
    await keys.keepString(ada, uuid7(), 'dt_y');
    expect((await database.pool.query('select from keys.sealed_string')).rowCount).toBe(0);
    expect(await keys.tokenKey(bob, token)).toEqual(kept);
  });

  test('that another process destroyed are forgotten within a minute', async () => {
    const ada = await profile();
    await keys.subjectKey(ada);
    await (await another()).destroySubject(ada);
    clock.advance(61);
    expect(await keys.subjectKey(ada)).toBeNull();
  });

  test('cannot be given each other’s rows', async () => {
    const [ada, bob] = [await profile(), await profile()];
    await database.pool.query(
      `update keys.subject_key a set wrapped = b.wrapped from keys.subject_key b where a.subject_id = $1 and b.subject_id = $2`,
      [ada, bob],
    );
    clock.advance(61);
    await expect(keys.subjectKey(ada)).rejects.toThrow(SealError);
    expect(await keys.subjectKey(bob)).toHaveLength(32);
  });
});

describe('layer-2 keys', () => {
  test('are random, per parcel, and the same again', async () => {
    const ada = await profile();
    const [first, second] = [uuid7(), uuid7()];
    const key = await keys.createTokenKey(ada, first);
    expect(await keys.tokenKey(ada, first)).toEqual(key);
    expect(await keys.createTokenKey(ada, first)).toEqual(key);
    expect(await keys.createTokenKey(ada, second)).not.toEqual(key);
  });

  test('are their owner’s only', async () => {
    const [ada, bob] = [await profile(), await profile()];
    const parcel = uuid7();
    await keys.createTokenKey(ada, parcel);
    expect(await keys.tokenKey(bob, parcel)).toBeNull();
    await expect(keys.createTokenKey(bob, parcel)).rejects.toThrow();
  });

  test('are destroyed at once; the others stay', async () => {
    const ada = await profile();
    const [gone, kept] = [uuid7(), uuid7()];
    await keys.createTokenKey(ada, gone);
    const key = await keys.createTokenKey(ada, kept);
    await keys.destroyTokenKeys([gone]);
    await keys.destroyTokenKeys([gone]);
    await keys.destroyTokenKeys([]);
    expect(await keys.tokenKey(ada, gone)).toBeNull();
    expect(await keys.tokenKey(ada, kept)).toEqual(key);
  });

  test('cannot be swapped between parcels', async () => {
    const ada = await profile();
    const [a, b] = [uuid7(), uuid7()];
    await keys.createTokenKey(ada, a);
    await keys.createTokenKey(ada, b);
    await database.pool.query(
      `update keys.token_key x set wrapped = y.wrapped from keys.token_key y where x.parcel_id = $1 and y.parcel_id = $2`,
      [a, b],
    );
    await expect(keys.tokenKey(ada, a)).rejects.toThrow(SealError);
    expect(await keys.tokenKey(ada, b)).toHaveLength(32);
  });
});

describe('sealed strings', () => {
  test('are read by their subject, one or many', async () => {
    const [ada, bob] = [await profile(), await profile()];
    const [a, b, c] = [uuid7(), uuid7(), uuid7()];
    await keys.keepString(ada, a, 'dt_a');
    await keys.keepString(ada, a, 'dt_a');
    await keys.keepString(ada, b, 'dt_b');
    await keys.keepString(bob, c, 'dt_c');
    expect(await keys.readStrings(ada, [a, b, c, uuid7()])).toEqual(
      new Map([
        [a, 'dt_a'],
        [b, 'dt_b'],
      ]),
    );
    expect(await keys.readStrings(ada, [])).toEqual(new Map());
    expect(await keys.readString(bob, a)).toBeNull();
    await keys.dropString(a);
    expect(await keys.readString(ada, a)).toBeNull();
  });

  test('lie in the database only sealed', async () => {
    const ada = await profile();
    const token = mintSecret('dt_');
    await keys.keepString(ada, uuid7(), token);
    await keys.rememberSecret('data-token', token, uuid7());
    const { rows } = await database.pool.query<{ kept: Buffer }>(
      'select sealed as kept from keys.sealed_string union all select hash from keys.lookup',
    );
    expect(rows).toHaveLength(2);
    const raw = Buffer.from(token.slice(3), 'base64url');
    for (const { kept } of rows) {
      for (const piece of [token.slice(3, 12), raw.subarray(0, 6)]) expect(kept.includes(piece)).toBe(false);
    }
  });

  test('cannot be moved to another id', async () => {
    const ada = await profile();
    const [a, b] = [uuid7(), uuid7()];
    await keys.keepString(ada, a, 'dt_a');
    await database.pool.query('update keys.sealed_string set id = $2 where id = $1', [a, b]);
    await expect(keys.readString(ada, b)).rejects.toThrow(SealError);
  });
});

describe('look-up', () => {
  test('finds the id of a secret of its kind', async () => {
    const [secret, id] = [mintSecret('T-'), uuid7()];
    await keys.rememberSecret('authorization', secret, id);
    await keys.rememberSecret('authorization', secret, id);
    expect(await keys.findSecret('authorization', secret)).toBe(id);
    expect(await keys.findSecret('data-token', secret)).toBeNull();
    expect(await keys.findSecret('authorization', mintSecret('T-'))).toBeNull();
    await keys.forgetSecret('authorization', id);
    expect(await keys.findSecret('authorization', secret)).toBeNull();
  });

  test('many at once find each its own', async () => {
    const secrets = Array.from({ length: 40 }, () => ({ secret: mintSecret('T-'), id: uuid7() }));
    await Promise.all(secrets.slice(1).map(({ secret, id }) => keys.rememberSecret('authorization', secret, id)));
    const found = await Promise.all(secrets.map(({ secret }) => keys.findSecret('authorization', secret)));
    expect(found).toEqual(secrets.map(({ id }, index) => (index === 0 ? null : id)));
    expect(await Promise.all(secrets.map(({ secret }) => keys.findSecret('qr', secret)))).toEqual(
      secrets.map(() => null),
    );
  });

  describe('of a secret that is kept', () => {
    test('shows it again and finds it', async () => {
      const [ada, bob] = [await profile(), await profile()];
      const tokens = Array.from({ length: 20 }, (_, n) => ({
        owner: n % 2 ? ada : bob,
        id: uuid7(),
        secret: mintSecret(),
      }));
      const kept = tokens.map(({ owner, id, secret }) => keys.keepSecret('data-token', owner, id, secret));
      expect(await Promise.all(kept)).toEqual(tokens.map(({ secret }) => secret));
      for (const { owner, id, secret } of tokens) {
        expect(await keys.readString(owner, id)).toBe(secret);
        expect(await keys.findSecret('data-token', secret)).toBe(id);
      }
    });

    test('goes on with the one of a run that was cut off', async () => {
      const ada = await profile();
      const [id, first, second] = [uuid7(), mintSecret('dt_'), mintSecret('dt_')];
      // Cut off by an older version between keeping and remembering.
      await keys.keepString(ada, id, first);
      expect(await keys.keepSecret('data-token', ada, id, second)).toBe(first);
      expect(await keys.findSecret('data-token', first)).toBe(id);
      expect(await keys.findSecret('data-token', second)).toBeNull();
      expect(await Promise.all([1, 2, 3].map(() => keys.keepSecret('data-token', ada, id, mintSecret())))).toEqual(
        [1, 2, 3].map(() => first),
      );
    });

    test('is one under a race', async () => {
      const ada = await profile();
      const id = uuid7();
      const stores = [keys, await another()];
      const kept = await Promise.all(
        Array.from({ length: 20 }, (_, n) => stores[n % 2]!.keepSecret('data-token', ada, id, mintSecret('dt_'))),
      );
      expect(new Set(kept).size).toBe(1);
      expect(await keys.readString(ada, id)).toBe(kept[0]);
      expect(await keys.findSecret('data-token', kept[0]!)).toBe(id);
    });

    test('keeps nothing for a destroyed subject', async () => {
      const ada = await profile();
      await keys.destroySubject(ada);
      const [id, secret] = [uuid7(), mintSecret('dt_')];
      expect(await keys.keepSecret('data-token', ada, id, secret)).toBe(secret);
      expect(await keys.readString(ada, id)).toBeNull();
    });

    test('is not kept under a key that another process has retired, but under its successor', async () => {
      const ada = await profile();
      const [id, secret] = [uuid7(), mintSecret('dt_')];
      const before = ring.current('token-lookup');
      await keys.rotateLookups();
      const after = ring.current('token-lookup');
      let late = 2;
      const lagging = Object.assign(Object.create(ring) as MemoryKeyRing, {
        current: (purpose: Parameters<MemoryKeyRing['current']>[0]) =>
          purpose === 'token-lookup' && late-- > 0 ? before : ring.current(purpose),
        refresh: () => Promise.resolve(),
      });
      const elsewhere = new KeyStore(database.pool, lagging, clock);
      expect(await elsewhere.keepSecret('data-token', ada, id, secret)).toBe(secret);
      expect(late).toBeLessThan(0);
      const { rows } = await database.pool.query('select epoch_id from keys.lookup');
      expect(rows).toEqual([{ epoch_id: after.id }]);
      expect(await keys.readString(ada, id)).toBe(secret);
    });
  });

  test('hashes differ by kind and installation and have 43 characters', () => {
    const secret = mintSecret();
    const hash = keys.hashSecret('qr', secret);
    expect(hash).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(keys.hashSecret('qr', secret)).toBe(hash);
    expect(keys.hashSecret('oauth-code', secret)).not.toBe(hash);
    expect(new KeyStore(database.pool, new MemoryKeyRing(clock), clock).hashSecret('qr', secret)).not.toBe(hash);
  });

  test('survives a rotation: re-keyed from sealed strings, by use, and then the old key is destroyed', async () => {
    const ada = await profile();
    const [token, tokenId] = [mintSecret('dt_'), uuid7()];
    const [session, sessionId] = [mintSecret('T-'), uuid7()];
    await keys.keepString(ada, tokenId, token);
    await keys.rememberSecret('data-token', token, tokenId);
    await keys.rememberSecret('authorization', session, sessionId);
    const before = keys.hashSecret('data-token', token);
    const old = ring.current('token-lookup').id;

    expect(await keys.rotateLookups()).toEqual({ rekeyed: 1, left: 1 });
    const after = keys.hashSecret('data-token', token);
    expect(after).not.toBe(before);
    expect(keys.hashesOfSecret('data-token', token)).toEqual([after, before]);
    expect(await keys.findSecret('data-token', token)).toBe(tokenId);
    expect(ring.byId(old)).not.toBeNull();
    expect(await keys.findSecret('authorization', session)).toBe(sessionId);
    expect(await keys.rotateLookups()).toEqual({ rekeyed: 0, left: 0 });
    expect(ring.byId(old)).toBeNull();
    expect(keys.hashesOfSecret('data-token', token)).toEqual([after]);
    expect(await keys.findSecret('data-token', token)).toBe(tokenId);
    expect(await keys.findSecret('authorization', session)).toBe(sessionId);
  });

  test('a process that has not heard of the rotation finds what was re-keyed', async () => {
    const ada = await profile();
    const [token, tokenId] = [mintSecret('dt_'), uuid7()];
    await keys.keepString(ada, tokenId, token);
    await keys.rememberSecret('data-token', token, tokenId);
    const before = ring.all('token-lookup');
    let stale = true;
    const lagging = Object.assign(Object.create(ring) as MemoryKeyRing, {
      all: (purpose: Parameters<MemoryKeyRing['all']>[0]) =>
        stale && purpose === 'token-lookup' ? before : ring.all(purpose),
      refresh: async () => {
        stale = false;
      },
    });
    const elsewhere = new KeyStore(database.pool, lagging, clock);
    await keys.rotateLookups();
    expect(await elsewhere.findSecret('data-token', token)).toBe(tokenId);
    expect(await elsewhere.findSecret('data-token', mintSecret('dt_'))).toBeNull();
  });

  test('a string that is not the row’s secret is left alone', async () => {
    const ada = await profile();
    const [secret, id] = [mintSecret(), uuid7()];
    await keys.keepString(ada, id, 'something else');
    await keys.rememberSecret('stream-auth', secret, id);
    expect(await keys.rotateLookups()).toEqual({ rekeyed: 0, left: 1 });
    expect(await keys.findSecret('stream-auth', secret)).toBe(id);
  });
});

describe('keyed hashes of guessable values', () => {
  test('ignore case and form where the API does', () => {
    expect(keys.hashGuess('username', 'Ådä@Example.org')).toBe(
      keys.hashGuess('username', 'A\u030ADA\u0308@eXAMPLE.ORG'.toLowerCase()),
    );
    expect(keys.hashGuess('idempotency-key', 'A')).not.toBe(keys.hashGuess('idempotency-key', 'a'));
    expect(keys.hashGuess('username', 'a')).toMatch(/^[0-9a-f]{64}$/);
    expect(keys.hashGuess('username', 'a')).not.toBe(keys.hashGuess('short-name', 'a'));
  });

  test('object ids differ by device and stay', async () => {
    const [token, one, two] = [uuid7(), uuid7(), uuid7()];
    const id = keys.objectId(token, one);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(keys.objectId(token, two)).not.toBe(id);
    expect((await another()).objectId(token, one)).toBe(id);
  });
});

test('the broker password of a device stays as long as its channel secret', async () => {
  const [device, secret] = [uuid7(), uuid7()];
  const password = keys.brokerPassword(device, secret);
  expect(password).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect((await another()).brokerPassword(device, secret)).toBe(password);
  expect(keys.brokerPassword(device, uuid7())).not.toBe(password);
  expect(keys.brokerPassword(uuid7(), secret)).not.toBe(password);
});

describe('copies shown once', () => {
  test('open until their key is destroyed', async () => {
    const { keyId, sealed } = await keys.sealOnce('a client secret');
    expect(await keys.openOnce(keyId, sealed)).toBe('a client secret');
    const other = await keys.sealOnce('another');
    await expect(keys.openOnce(other.keyId, sealed)).rejects.toThrow(SealError);
    await keys.destroyOnce(keyId);
    expect(await keys.openOnce(keyId, sealed)).toBeNull();
  });
});

describe('the engine’s pairs', () => {
  test('open what was sealed to them for 30 days after they were replaced', async () => {
    const { publicKey, keyId } = keys.sealKeys();
    const { raw, thumbprint } = parsePublicKey(publicKey);
    expect(keyId).toBe(thumbprint);
    const sealed = sealMessage(raw, 'x', Buffer.from('hello'));
    await keys.rotate('engine-seal');
    expect(keys.sealKeys().publicKey).not.toBe(publicKey);
    clock.advance(29 * day);
    expect(openMessage(keys.sealKeys().private, 'x', sealed).toString()).toBe('hello');
    clock.advance(day);
    expect(() => openMessage(keys.sealKeys().private, 'x', sealed)).toThrow(SealError);
    await keys.rotate('engine-seal');
    expect(ring.all('engine-seal')).toHaveLength(2);
  });

  test('are published a day before they sign and thirty after they stopped', async () => {
    const first = keys.signKey();
    const kids = () => keys.jwks().keys.map(({ kid }) => kid);
    expect(kids()).toEqual([first.kid]);
    await keys.rotate('engine-sign');
    expect(keys.signKey().kid).toBe(first.kid);
    expect(kids()).toHaveLength(2);
    clock.advance(day);
    const second = keys.signKey();
    expect(second.kid).not.toBe(first.kid);
    expect(kids()).toEqual([second.kid, first.kid]);
    expect(verifyBytes(second.publicKey, Buffer.from('x'), signBytes(second.private, Buffer.from('x')))).toBe(true);
    clock.advance(30 * day);
    expect(kids()).toEqual([second.kid]);
  });
});

describe('rotation of the epoch KEK', () => {
  const yes = () => Promise.resolve(true);

  test('waits for the backup before it destroys the old key', async () => {
    const ada = await profile();
    const key = await keys.subjectKey(ada);
    const old = ring.current('epoch-kek').id;
    expect(await keys.rotateEpoch(() => Promise.resolve(false))).toMatchObject({
      rewrapped: 2,
      refreshed: 0,
      finished: false,
    });
    expect(ring.byId(old)).not.toBeNull();
    const report = await keys.rotateEpoch(yes);
    expect(report).toMatchObject({ rewrapped: 0, finished: true, epoch: ring.current('epoch-kek').id });
    expect(ring.all('epoch-kek')).toHaveLength(1);
    expect(ring.byId(old)).toBeNull();
    expect(await (await another()).subjectKey(ada)).toEqual(key);
  });

  test('gives profiles that deleted data a fresh key, and no other', async () => {
    const [ada, bob] = [await profile(), await profile()];
    const [gone, kept, foreign] = [uuid7(), uuid7(), uuid7()];
    await keys.createTokenKey(ada, gone);
    const adas = await keys.createTokenKey(ada, kept);
    const bobs = await keys.createTokenKey(bob, foreign);
    const kekOf = async (id: string) =>
      (await database.pool.query('select kek_id from keys.profile_key where profile_id = $1', [id])).rows.map(
        ({ kek_id }) => kek_id,
      );
    const [adaKek, bobKek] = [await kekOf(ada), await kekOf(bob)];
    await keys.destroyTokenKeys([gone]);
    const { keyId, sealed } = await keys.sealOnce('once');
    expect(await keys.rotateEpoch(yes)).toMatchObject({ refreshed: 1, finished: true });
    expect(await kekOf(ada)).not.toEqual(adaKek);
    expect(await kekOf(ada)).toHaveLength(1);
    expect(await kekOf(bob)).toEqual(bobKek);
    expect(await keys.tokenKey(ada, kept)).toEqual(adas);
    expect(await keys.tokenKey(bob, foreign)).toEqual(bobs);
    expect(await keys.openOnce(keyId, sealed)).toBe('once');
    expect(await keys.createTokenKey(ada, uuid7())).toHaveLength(32);
  });

  test('a process that has not heard of it writes under the new epoch', async () => {
    const elsewhere = new MemoryKeyRing(clock);
    let stale = true;
    const lagging = Object.assign(Object.create(ring) as MemoryKeyRing, {
      current: (purpose: Parameters<MemoryKeyRing['current']>[0]) =>
        stale ? elsewhere.current(purpose) : ring.current(purpose),
      refresh: async () => {
        stale = false;
      },
    });
    const store = new KeyStore(database.pool, lagging, clock);
    const ada = uuid7();
    await store.createSubject(ada);
    const { keyId, sealed } = await store.sealOnce('once');
    expect(await keys.subjectKey(ada)).toHaveLength(32);
    expect(await keys.openOnce(keyId, sealed)).toBe('once');
  });

  test('K2: a backup from before an erasure opens nothing of it once the rotation is finished', async () => {
    const [ada, bob] = [await profile(), await profile()];
    const [gone, parcel] = [uuid7(), uuid7()];
    await keys.createTokenKey(bob, gone);
    await keys.createTokenKey(ada, parcel);
    const tables = ['subject_key', 'profile_key', 'token_key'];
    for (const table of tables) await database.pool.query(`create table keys.backup_${table} as table keys.${table}`);
    const restore = async () => {
      for (const table of tables) {
        await database.pool.query(`truncate keys.${table}`);
        await database.pool.query(`insert into keys.${table} table keys.backup_${table}`);
      }
    };
    await keys.destroySubject(ada);
    await keys.destroyTokenKeys([gone]);

    await restore();
    const control = await another();
    expect(await control.subjectKey(ada)).toHaveLength(32);
    expect(await control.tokenKey(bob, gone)).toHaveLength(32);

    await keys.destroySubject(ada);
    await keys.destroyTokenKeys([gone]);
    await keys.rotateEpoch(yes);
    await restore();
    const attacker = await another();
    await expect(attacker.subjectKey(ada)).rejects.toThrow(SealError);
    await expect(attacker.tokenKey(ada, parcel)).rejects.toThrow(SealError);
    await expect(attacker.tokenKey(bob, gone)).rejects.toThrow(SealError);
    for (const table of tables) await database.pool.query(`drop table keys.backup_${table}`);
  });

  test.each(['before', 'after'] as const)(
    'K3: a crash %s any step loses nothing, and the next run ends it',
    async (when) => {
      for (let last = 1; ; last++) {
        await database.pool.query(
          'truncate keys.epoch, keys.subject_key, keys.profile_key, keys.token_key, keys.once_key, keys.sealed_string, keys.lookup',
        );
        const stepped = new SteppedKeyRing(clock);
        const store = async () => {
          const made = new KeyStore(database.pool, stepped, clock);
          await made.open();
          return made;
        };
        const living = await store();
        const [ada, bob, parcel, gone] = [uuid7(), uuid7(), uuid7(), uuid7()];
        await living.createSubject(ada);
        await living.createSubject(bob);
        const expected = {
          ada: await living.subjectKey(ada),
          bob: await living.subjectKey(bob),
          parcel: await living.createTokenKey(ada, parcel),
        };
        await living.createTokenKey(ada, gone);
        await living.destroyTokenKeys([gone]);
        const once = await living.sealOnce('once');
        const old = stepped.current('epoch-kek').id;
        const alive = async () => {
          const process = await store();
          expect(await process.subjectKey(ada)).toEqual(expected.ada);
          expect(await process.subjectKey(bob)).toEqual(expected.bob);
          expect(await process.tokenKey(ada, parcel)).toEqual(expected.parcel);
          expect(await process.openOnce(once.keyId, once.sealed)).toBe('once');
          const fresh = uuid7();
          await process.createSubject(fresh);
          expect(await process.createTokenKey(ada, fresh)).toHaveLength(32);
        };

        const steps = new Steps(last, when);
        stepped.steps = steps;
        const dying = new KeyStore(steppedPool(database.pool, steps), stepped, clock);
        const end = await dying.rotateEpoch(yes).catch((error: unknown) => error);
        stepped.steps = new Steps(0, 'before');
        await alive();
        if (!(end instanceof Crash)) {
          expect(steps.count).toBeGreaterThan(10);
          expect(last).toBe(steps.count + 1);
          break;
        }
        expect((await (await store()).rotateEpoch(yes)).finished).toBe(true);
        expect(stepped.byId(old)).toBeNull();
        expect(stepped.all('epoch-kek')).toHaveLength(1);
        await alive();
      }
    },
  );

  test('runs under load: no key is lost', async () => {
    const ada = await profile();
    const made = new Map<string, Buffer>();
    let rotating = true;
    const writers = Array.from({ length: 4 }, async () => {
      while (rotating) {
        const parcel = uuid7();
        made.set(parcel, await keys.createTokenKey(ada, parcel));
        if (made.size % 7 === 0) await keys.destroyTokenKeys([uuid7()]);
      }
    });
    for (let round = 0; round < 5; round++) {
      const doomed = uuid7();
      await keys.createTokenKey(ada, doomed);
      await keys.destroyTokenKeys([doomed]);
      expect(await keys.rotateEpoch(yes)).toMatchObject({ refreshed: 1, finished: true });
    }
    rotating = false;
    await Promise.all(writers);
    expect(made.size).toBeGreaterThan(5);
    for (const [parcel, key] of made) expect(await keys.tokenKey(ada, parcel)).toEqual(key);
    const { rows } = await database.pool.query(
      'select count(*)::int as n from keys.profile_key where profile_id = $1',
      [ada],
    );
    expect(rows[0].n).toBe(1);
  });
});

describe('outside', () => {
  test('a ring of another installation stops the start', async () => {
    await profile();
    const store = new KeyStore(database.pool, new MemoryKeyRing(clock), clock);
    await expect(store.open()).rejects.toThrow(KeyRingError);
  });

  test('an unreachable database is an outage', async () => {
    const away = new Pool({ host: '127.0.0.1', port: 1 });
    const store = new KeyStore(away, ring, clock);
    await expect(store.findSecret('qr', 'x')).rejects.toThrow(Unavailable);
    await expect(store.rotateEpoch(() => Promise.resolve(true))).rejects.toThrow(Unavailable);
    await expect(store.subjectKey(uuid7())).rejects.toThrow(Unavailable);
    await away.end();
  });

  test('a connection that breaks under a rotation ends neither the process nor the rotation', async () => {
    const ada = await profile();
    const key = await keys.subjectKey(ada);
    const cut = async () => {
      const { rowCount } = await database.pool.query(
        `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
      );
      expect(rowCount).toBe(1);
      return true;
    };
    expect((await keys.rotateEpoch(cut)).finished).toBe(true);
    expect(await (await another()).subjectKey(ada)).toEqual(key);
  });

  test('a database that comes back is asked again', async () => {
    const ada = await profile();
    let down = true;
    const flaky = {
      query: (...args: unknown[]) =>
        down
          ? Promise.reject(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))
          : (database.pool.query as (...all: unknown[]) => Promise<unknown>)(...args),
    } as unknown as Pool;
    const store = new KeyStore(flaky, ring, clock);
    await expect(store.subjectKey(ada)).rejects.toThrow(Unavailable);
    down = false;
    expect(await store.subjectKey(ada)).toHaveLength(32);
  });
});

describe('personal boxes', () => {
  const event = (id = uuid7()) => ({
    type: 'profile.registered',
    stream: `profile-${id}`,
    id: uuid7(),
    data: { profileId: id },
  });

  test('hold the fields of one event and subject, and open for nothing else', async () => {
    const boxes = new PersonalBoxes(keys);
    const [ada, bob] = [await profile(), await profile()];
    const made = event();
    const data = (await boxes.seal(made, [
      { subject: ada, fields: { username: 'ada' } },
      { subject: bob, fields: { ip: '192.0.2.7' } },
      { subject: ada, fields: { ip: null } },
    ])) as { sealed: Record<string, string> };
    const stored = { ...made, data };
    expect(Object.keys(data.sealed).sort()).toEqual([ada, bob].sort());
    expect(JSON.stringify(data)).not.toContain('192.0.2.7');
    expect(await boxes.open(stored, ada)).toEqual({ username: 'ada', ip: null });
    expect(await boxes.open(stored, bob)).toEqual({ ip: '192.0.2.7' });
    expect(await boxes.open(stored, uuid7())).toBeNull();
    expect(await boxes.seal(made, [])).toBe(made.data);
    expect(await boxes.open(made, ada)).toBeNull();
  });

  test('K5: a box swapped between subjects, events, types or streams is refused', async () => {
    const boxes = new PersonalBoxes(keys);
    const [ada, bob] = [await profile(), await profile()];
    const [one, two] = [event(), event()];
    const first = (await boxes.seal(one, [{ subject: ada, fields: { a: 1 } }])) as { sealed: Record<string, string> };
    const box = first.sealed[ada] as string;
    for (const moved of [
      { ...two, data: first },
      { ...one, id: uuid7(), data: first },
      { ...one, type: 'profile.deleted', data: first },
      { ...one, stream: two.stream, data: first },
      { ...one, data: { sealed: { [ada]: 7 } } },
    ]) {
      await expect(boxes.open(moved, ada)).rejects.toThrow(SealError);
    }
    await expect(boxes.open({ ...one, data: { sealed: { [bob]: box } } }, bob)).rejects.toThrow(SealError);
    expect(await boxes.open({ ...one, data: first }, ada)).toEqual({ a: 1 });
  });

  test('of an erased subject read as tombstones, which are counted, and nothing more is sealed', async () => {
    const boxes = new PersonalBoxes(keys);
    const ada = await profile();
    const made = event();
    const data = await boxes.seal(made, [{ subject: ada, fields: { a: 1 } }]);
    const row = await boxes.sealRow(ada, 'identity.profile', ada, 'ada');
    await keys.destroySubject(ada);
    expect(await boxes.open({ ...made, data }, ada)).toBeNull();
    expect(await boxes.openRow(ada, 'identity.profile', ada, row)).toBeNull();
    expect(boxes.tombstones).toBe(2);
    expect(await boxes.seal(made, [{ subject: ada, fields: { a: 1 } }])).toEqual({
      ...made.data,
      sealed: { [ada]: null },
    });
    expect(await boxes.sealRow(ada, 'identity.profile', ada, 'ada')).toBe('');
    expect(await boxes.blindIndex(ada, 'username', 'ada')).toBe('');
  });

  test('of rows open for their row alone', async () => {
    const boxes = new PersonalBoxes(keys);
    const [ada, id] = [await profile(), uuid7()];
    const box = await boxes.sealRow(ada, 'vault.token', id, { context: 'invoices/2026' });
    expect(await boxes.openRow(ada, 'vault.token', id, box)).toEqual({ context: 'invoices/2026' });
    expect(await boxes.openRow(ada, 'vault.token', id, null)).toBeNull();
    expect(
      await boxes.openRow(ada, 'vault.token', id, await boxes.sealRow(ada, 'vault.token', id, undefined)),
    ).toBeNull();
    await expect(boxes.openRow(ada, 'vault.token', uuid7(), box)).rejects.toThrow(SealError);
    await expect(boxes.openRow(ada, 'vault.other', id, box)).rejects.toThrow(SealError);
  });

  test('blind indexes match equal values of one subject and column', async () => {
    const boxes = new PersonalBoxes(keys);
    const [ada, bob] = [await profile(), await profile()];
    const index = await boxes.blindIndex(ada, 'context', 'invoices/2026');
    expect(index).toMatch(/^[A-Za-z0-9_-]{11}$/);
    expect(await boxes.blindIndex(ada, 'context', 'invoices/2026')).toBe(index);
    expect(await boxes.blindIndex(ada, 'fileName', 'invoices/2026')).not.toBe(index);
    expect(await boxes.blindIndex(bob, 'context', 'invoices/2026')).not.toBe(index);
    const prefix = await boxes.blindIndex(ada, 'context', 'invoices/2026', 8);
    expect(await boxes.blindIndex(ada, 'context', 'invoices/2027', 8)).toBe(prefix);
    expect(prefix).not.toBe(await boxes.blindIndex(ada, 'context', 'invoices'));
    expect(await boxes.blindIndex(ada, 'context', '👪👪x', 2)).toBe(await boxes.blindIndex(ada, 'context', '👪👪y', 2));
  });
});
