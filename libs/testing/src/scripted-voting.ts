import type { Event, GateOpened, PollCreated, PollResolved, VotingEvent } from '@symbolon/contracts';
import { PersonalBoxes, uuid7 } from '@symbolon/crypto';
import { EventStore, type Recorded, Streams, system } from '@symbolon/kernel';
import type { TestServer } from './test-server';

type Outcome = PollResolved['data']['outcome'];

const reasonOf: Record<Outcome, string | null> = {
  succeeded: null,
  rejected: 'poll.rejected',
  failed_quorum: 'poll.quorum_not_met',
  timed_out: 'poll.timed_out',
  cancelled: 'poll.cancelled',
};

export interface OpenedGate {
  readonly data: GateOpened['data'];
  readonly personal: NonNullable<GateOpened['personal']>['fields'];
}

/** Stands in for the voting context of a server that runs without it: writes by hand what it would have written. */
export class ScriptedVoting {
  private readonly store: EventStore;
  private readonly streams: Streams;
  private readonly boxes: PersonalBoxes;

  constructor(server: TestServer) {
    this.store = server.served.app.get(EventStore);
    this.streams = server.served.app.get(Streams);
    this.boxes = server.served.app.get(PersonalBoxes);
  }

  append(stream: string, ...events: ReadonlyArray<Event<string, unknown>>) {
    const id = uuid7();
    const cause = { commandId: null, correlationId: id, causationId: id, actor: system };
    return this.streams.append(stream, 'any', events, cause);
  }

  /** A verified authenticator of the profile; answers its identifier. */
  async authenticator(profileId: string): Promise<string> {
    const data = { deviceIdentifier: uuid7(), profileId };
    await this.set(
      profileId,
      { type: 'authenticator.registered', version: 1, data },
      { type: 'authenticator.verified', version: 1, data },
    );
    return data.deviceIdentifier;
  }

  async set(profileId: string, ...events: readonly VotingEvent[]): Promise<void> {
    await this.append(`voting-${profileId}`, ...events);
  }

  /** The gate of a command, once it is open. */
  async opened(commandId: string): Promise<OpenedGate> {
    const event = await this.seen('gate', `gate-${commandId}`, 'policy.gate_opened');
    const data = event.data as GateOpened['data'];
    const personal = await this.boxes.open(event, data.profileId);
    return { data, personal: personal as OpenedGate['personal'] };
  }

  /** Opens a poll of a gate's chain as voting would. */
  async poll({ data, personal }: OpenedGate, chain = 0, attempt = 1, poolId?: string): Promise<string> {
    const { rules, ...first } = data.chains[chain]!;
    const { strategy, strategyParams, countRequired, quorumSize, timeLimit, maxAttempts, deviceIdentifiers } = rules;
    const created: PollCreated = {
      type: 'poll.created',
      version: 1,
      data: {
        poolId: poolId ?? first.poolId,
        chainId: first.poolId,
        profileId: data.profileId,
        commandId: data.commandId,
        gated: true,
        directoryId: null,
        operation: data.policyEventId,
        op: data.op,
        attempt,
        maxAttempts,
        previousPoolId: attempt === 1 ? null : first.poolId,
        quorumSize,
        timeLimit,
        expiresAt: '2100-01-01T00:00:00.000+00:00',
        deviceIdentifiers,
        skipped: [],
        strategy,
        strategyParams,
        countRequired,
      },
      personal: {
        subject: data.profileId,
        fields: { title: personal.title, question: personal.question, nonce: null, context: personal.context },
      },
    };
    await this.append(`poll-${created.data.poolId}`, created);
    return created.data.poolId;
  }

  /** Ends a poll; `next`: the attempt that follows. */
  async resolve({ data }: OpenedGate, outcome: Outcome, chain = 0, poolId?: string, next?: string): Promise<void> {
    const chainId = data.chains[chain]!.poolId;
    const resolved: PollResolved = {
      type: 'poll.resolved',
      version: 1,
      data: {
        poolId: poolId ?? chainId,
        chainId,
        profileId: data.profileId,
        commandId: data.commandId,
        gated: true,
        outcome,
        reason: reasonOf[outcome],
        yes: outcome === 'succeeded' ? 1 : 0,
        no: outcome === 'rejected' ? 1 : 0,
        ballotsIssued: 1,
        votes: [],
        nextPoolId: next ?? null,
      },
    };
    await this.append(`poll-${resolved.data.poolId}`, resolved);
  }

  /** Waits for the gate of a command and ends every chain of it. */
  async vote(commandId: string, outcome: Outcome): Promise<OpenedGate> {
    const gate = await this.opened(commandId);
    for (const chain of gate.data.chains.keys()) {
      await this.poll(gate, chain);
      await this.resolve(gate, outcome, chain);
    }
    return gate;
  }

  /** The first event of this type in a stream, waited for. */
  async seen(category: string, stream: string, type: string): Promise<Recorded> {
    const found = new AbortController();
    for await (const { events } of this.store.follow([category], null, found.signal)) {
      const event = events.find((one) => one.stream === stream && one.type === type);
      if (event) return event;
    }
    throw new Error('the store was closed');
  }

  async types(stream: string): Promise<string[]> {
    const types: string[] = [];
    for await (const { type } of this.store.read(stream)) types.push(type);
    return types;
  }
}
