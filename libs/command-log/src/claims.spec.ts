import { uuid5, uuid7 } from '@symbolon/crypto';
import { MemoryEventStore } from '@symbolon/event-store';
import { type Cause, type PersonalSeal, Streams, system } from '@symbolon/kernel';
import { Claims } from './claims';

const plain: PersonalSeal = { seal: ({ data }) => Promise.resolve(data) };
const store = new MemoryEventStore();
const streams = new Streams(store, plain, uuid5);
const claims = new Claims(streams, (kind, value) => `${kind}.${value}`);
const cause = (): Cause => {
  const id = uuid7();
  return { commandId: null, correlationId: id, causationId: id, actor: system };
};
let value = '';

beforeEach(() => (value = uuid7()));

describe('a value that must be unique', () => {
  test('has one owner, who may take it again', async () => {
    expect(await claims.take('name', value, 'ada', cause())).toBe(true);
    expect(await claims.take('name', value, 'ada', cause())).toBe(true);
    expect(await claims.take('name', value, 'eve', cause())).toBe(false);
    expect(await claims.take('other kind', value, 'eve', cause())).toBe(true);
  });

  test('goes to one of many who race for it', async () => {
    const owners = Array.from({ length: 20 }, (_, n) => `owner ${n}`);
    const won = await Promise.all(owners.map((owner) => claims.take('name', value, owner, cause())));
    expect(won.filter(Boolean)).toHaveLength(1);
  });

  test('is free once its owner has released it; nobody else can', async () => {
    await claims.take('name', value, 'ada', cause());
    await claims.release('name', value, 'eve', cause());
    expect(await claims.take('name', value, 'eve', cause())).toBe(false);
    await claims.releaseHashed('name', `name.${value}`, 'ada', cause());
    expect(await claims.take('name', value, 'eve', cause())).toBe(true);
  });

  test('a release that is repeated takes nothing from the next owner', async () => {
    const once = cause();
    await claims.take('name', value, 'ada', cause());
    await claims.release('name', value, 'ada', once);
    await claims.take('name', value, 'eve', cause());
    await claims.release('name', value, 'ada', once);
    await claims.release('name', value, 'ada', cause());
    expect(await claims.take('name', value, 'bob', cause())).toBe(false);
  });
});

describe('holds', () => {
  test('a value is free only when the last hold is released', async () => {
    expect(await claims.hold('key', value, 'ada', 'one', cause())).toBe('held');
    expect(await claims.hold('key', value, 'ada', 'two', cause())).toBe('held');
    await claims.release('key', value, 'ada', cause(), 'one');
    expect(await claims.hold('key', value, 'eve', 'three', cause())).toBe('taken');
    await claims.release('key', value, 'ada', cause(), 'two');
    expect(await claims.hold('key', value, 'eve', 'three', cause())).toBe('held');
  });

  test('the same cause takes a hold once; it hears when that was released since', async () => {
    const once = cause();
    expect(await claims.hold('key', value, 'ada', 'one', once)).toBe('held');
    expect(await claims.hold('key', value, 'ada', 'one', once)).toBe('held');
    await claims.release('key', value, 'ada', once, 'one');
    expect(await claims.hold('key', value, 'ada', 'one', once)).toBe('released');
    await claims.hold('key', value, 'eve', 'two', cause());
    expect(await claims.hold('key', value, 'ada', 'one', once)).toBe('released');
  });

  test('a claim of old, without holds, is held in its owner’s name', async () => {
    const old = { type: 'claim.taken', version: 1, data: { kind: 'key', owner: 'ada' } };
    await streams.append(`claim-key.${value}`, 'none', [old], cause());
    expect(await claims.hold('key', value, 'eve', 'one', cause())).toBe('taken');
    await claims.release('key', value, 'ada', cause());
    expect(await claims.hold('key', value, 'eve', 'one', cause())).toBe('held');
  });
});
