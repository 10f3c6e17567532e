import type { CommandAccepted, PolicyEvent } from '@symbolon/contracts';
import { type KeyStore, uuid5, uuid7 } from '@symbolon/crypto';
import { MemoryEventStore } from '@symbolon/event-store';
import {
  type Actor,
  type Appended,
  type Draft,
  type Expected,
  type Guard,
  type Guarded,
  ManualClock,
  type Meta,
  type Personal,
  Streams,
  system,
} from '@symbolon/kernel';
import type { Caller } from './caller';
import { Commands } from './commands';

const ada = uuid7();
const type = 'data-token/reserve-token-space';
const operation = 'data_token.space_reserved';

/** Counts what it is asked, and can be told to keep no guards. */
class CountingStore extends MemoryEventStore {
  readonly appends: string[] = [];
  readonly reads: string[] = [];
  keepsGuards = true;

  override get guards(): boolean {
    return this.keepsGuards;
  }

  // Whoever asks without a guard gets no `guarded`, whoever asks with one may: both are told here.
  override async append(
    stream: string,
    expected: Expected,
    events: readonly Draft[],
    meta: Meta,
    guard?: Guard,
  ): Promise<Appended & Guarded> {
    this.appends.push(stream);
    return (await super.append(stream, expected, events, meta, guard)) as Appended & Guarded;
  }

  override read(stream: string, from?: bigint) {
    this.reads.push(stream);
    return super.read(stream, from);
  }
}

const boxes = {
  seal: ({ data }: { data: unknown }, _personal: readonly Personal[]) => Promise.resolve(data),
};

/** One process on a log that others write as well. */
function processOn(store: CountingStore): Commands {
  const streams = new Streams(store, boxes, uuid5);
  return new Commands(store, streams, {} as KeyStore, new ManualClock(0), { passed: () => Promise.resolve() });
}

function callerOf(actor: Actor): Caller {
  const client = { ip: null, userAgent: null, location: null };
  const { profileId } = actor;
  return { actor, client, profileId, tokenId: 'token', idempotencyKey: null, answered: Promise.resolve() };
}

const user: Actor = { profileId: ada, kind: 'user' };

describe('what an active policy names', () => {
  let store: CountingStore;
  let here: Commands;
  let elsewhere: Commands;
  beforeEach(() => {
    store = new CountingStore();
    here = processOn(store);
    elsewhere = processOn(store);
  });

  const change = async (...events: PolicyEvent[]) => {
    const causationId = uuid7();
    const cause = { commandId: null, correlationId: causationId, causationId, actor: system };
    await new Streams(store, boxes, uuid5).append(`policies-${ada}`, 'any', events, cause);
  };
  const registered = (id: string, ...applyingEventIds: string[]): PolicyEvent => ({
    type: 'policy.registered',
    version: 1,
    data: {
      id,
      profileId: ada,
      name: id,
      policyTemplateId: 'data_change',
      applyingEventIds,
      votingConfigurationId: null,
    },
  });
  const activated = (id: string): PolicyEvent => ({ type: 'policy.activated', version: 1, data: { id } });
  const deactivated = (id: string): PolicyEvent => ({ type: 'policy.deactivated', version: 1, data: { id } });

  /** Types of the command's events, and what its acceptance says of policies. */
  const submitted = async (by: Commands, how: { operation?: string | null; actor?: Actor } = {}) => {
    const { actor = user, ...rest } = how;
    const { commandId } = await by.submit({ type, caller: callerOf(actor), input: {}, ...rest });
    const types: string[] = [];
    let held: CommandAccepted['data']['held'];
    for await (const event of MemoryEventStore.prototype.read.call(store, `command-${commandId}`)) {
      types.push(event.type);
      if (event.type === 'command.accepted') ({ held } = event.data as CommandAccepted['data']);
    }
    return { commandId, types, held: held ?? null };
  };
  const free = { types: ['command.accepted', 'command.cleared'], held: null };

  test('costs a profile without policies one append and no look', async () => {
    const { commandId, ...rest } = await submitted(here);
    expect(rest).toEqual(free);
    expect(store.appends).toEqual([`command-${commandId}`]);
    expect(store.reads).toEqual([]);
  });

  test('costs a profile without an active policy that names it one look, once', async () => {
    await change(registered('p', operation), registered('q', 'data_token.deleted'), activated('q'));
    store.appends.length = 0;
    expect(await submitted(here)).toMatchObject(free);
    expect(store.reads).toEqual([`policies-${ada}`]);
    expect(await submitted(here)).toMatchObject(free);
    expect(store.reads).toHaveLength(1);
    expect(store.appends).toHaveLength(3);
  });

  test('is held, with whose policies judge it and where they stand', async () => {
    await change(registered('p', operation), activated('p'));
    expect(await submitted(here)).toMatchObject({
      types: ['command.accepted'],
      held: { policyEventId: operation, profileId: ada, revision: 1 },
    });
  });

  test('is held by every process at once, also by those that remember otherwise', async () => {
    await change(registered('p', operation));
    for (const process of [here, elsewhere]) expect(await submitted(process)).toMatchObject(free);
    await change(activated('p'));
    for (const process of [here, elsewhere])
      expect((await submitted(process)).held).toMatchObject({ policyEventId: operation, revision: 1 });
    await change(deactivated('p'));
    for (const process of [here, elsewhere]) expect(await submitted(process)).toMatchObject(free);
  });

  test('is held by operation, whatever the type says', async () => {
    await change(registered('p', 'public_key.replaced'), activated('p'));
    expect(await submitted(here)).toMatchObject(free);
    expect((await submitted(here, { operation: 'public_key.replaced' })).held).toMatchObject({
      policyEventId: 'public_key.replaced',
    });
    await change(registered('q', operation), activated('q'));
    expect(await submitted(here, { operation: null })).toMatchObject(free);
  });

  test('is held whatever is remembered where the store keeps no guards', async () => {
    store.keepsGuards = false;
    expect((await submitted(here)).held).toEqual({ policyEventId: operation, profileId: ada, revision: null });
    expect(await submitted(here, { operation: null })).toMatchObject(free);
  });

  test('is held where the policies never stand still', async () => {
    await change(registered('p', 'data_token.deleted'));
    const append = store.append.bind(store);
    store.append = async (...given: Parameters<CountingStore['append']>) => {
      if (given[0].startsWith('command-')) await change(activated('p'));
      return append(...given);
    };
    expect((await submitted(here)).held).toEqual({ policyEventId: operation, profileId: ada, revision: null });
  });

  test("is held by its owner's policies where a device does it itself", async () => {
    const deviceIdentifier = uuid7();
    const device: Actor = { profileId: deviceIdentifier, kind: 'device', deviceIdentifier };
    await expect(submitted(here, { actor: device })).rejects.toThrow('no owner');
    const causationId = uuid7();
    const cause = { commandId: null, correlationId: causationId, causationId, actor: system };
    const data = { deviceIdentifier, ownerProfileId: ada, clientId: uuid7(), loginKeyId: 'key' };
    const registration = { type: 'device.registration_requested', version: 1, data };
    await new Streams(store, boxes, uuid5).append(`device-${deviceIdentifier}`, 'none', [registration], cause);
    expect(await here.held(deviceIdentifier, operation, device)).toBe(false);
    await change(registered('p', operation), activated('p'));
    expect(await here.held(deviceIdentifier, operation, device)).toBe(true);
    expect((await submitted(here, { actor: device })).held).toMatchObject({ profileId: ada });
  });

  test('is told as the log says, not as it is remembered', async () => {
    await change(registered('p', operation), activated('p'));
    expect(await here.held(ada, operation)).toBe(true);
    await change(deactivated('p'));
    expect(await here.held(ada, operation)).toBe(false);
    expect(await here.held(ada, 'data_token.deleted')).toBe(false);
  });
});
