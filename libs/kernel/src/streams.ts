import type { Client } from './actor';
import type { Decide, Refusal } from './decide';
import type { Appended, Draft, EventStore, Expected, Guard, Guarded, Meta, Recorded } from './event-store';
import type { Decided, Model, Personal } from './model';

/** Seals the personal fields of events; implemented by the key store. */
export interface PersonalSeal {
  /** Answers the event's data with `sealed: { [subject]: box }` where there is anything to seal. */
  seal(
    event: { type: string; stream: string; id: string; data: unknown },
    personal: readonly Personal[],
  ): Promise<unknown>;
}

/** Makes the UUIDv5 of a name, in the namespace of derived event ids. */
export type DeriveId = (name: string) => string;

/** The cause of an append. `client` is personal data and is sealed under the actor's key. */
export interface Cause extends Meta {
  readonly client?: Client;
}

/** `cursor` is null when nothing had to be written now or before. */
export type Outcome<S = unknown> =
  | {
      readonly status: 'succeeded';
      readonly revision: bigint;
      readonly cursor: string | null;
      readonly state: S;
      readonly repeated: boolean;
    }
  | { readonly status: 'refused'; readonly refusal: Refusal };

export interface Loaded<S> {
  readonly state: S;
  readonly revision: bigint;
}

/** Loads, folds, decides and appends. The only writer of events beside the command log. */
export class Streams {
  private readonly attempts = 8;

  constructor(
    private readonly store: EventStore,
    private readonly personalSeal: PersonalSeal,
    private readonly deriveId: DeriveId,
    /** Told how each append ended and after how many seconds. */
    private readonly observe: (
      outcome: 'appended' | 'duplicate' | 'conflict' | 'guarded' | 'failed',
      seconds: number,
    ) => void = () => undefined,
  ) {}

  /** Whether guards are kept by the store beneath. */
  get guards(): boolean {
    return this.store.guards;
  }

  async load<E extends Decided, S>(model: Model<E, S>, id: string): Promise<Loaded<S>> {
    let state = model.initial;
    let revision = -1n;
    for await (const event of this.store.read(`${model.category}-${id}`)) {
      state = model.evolve(state, upcast(model, event));
      revision = event.revision;
    }
    return { state, revision };
  }

  /**
   * Decides again after a lost race. Event ids derive from the cause (`cause.causationId`), so a redelivery writes nothing.
   * Throws when the stream stays contended: that is an outage, not a refusal, and the caller's worker tries again.
   */
  transact<C, E extends Decided, S>(
    model: Model<E, S>,
    id: string,
    decide: Decide<C, E, S>,
    command: C,
    cause: Cause,
  ): Promise<Outcome<S>> {
    return this.transactGuarded(model, id, decide, () => Promise.resolve({ command }), cause);
  }

  /**
   * A decision that also rests on another stream: `prepare` reads it and answers what it found as part of the command,
   * and where it found it as the guard. It is asked again for every attempt.
   */
  async transactGuarded<C, E extends Decided, S>(
    model: Model<E, S>,
    id: string,
    decide: Decide<C, E, S>,
    prepare: () => Promise<{ readonly command: C; readonly guard?: Guard }>,
    cause: Cause,
  ): Promise<Outcome<S>> {
    const stream = `${model.category}-${id}`;
    for (let attempt = 1; attempt <= this.attempts; attempt++) {
      let state = model.initial;
      let revision = -1n;
      let done: bigint | null = null;
      for await (const event of this.store.read(stream)) {
        if (event.meta.causationId === cause.causationId) done = event.revision;
        state = model.evolve(state, upcast(model, event));
        revision = event.revision;
      }
      if (done !== null)
        return { status: 'succeeded', revision: done, cursor: await this.store.tail(), state, repeated: true };

      const { command, guard } = await prepare();
      const decision = decide(command, state);
      if (!decision.accepted) return { status: 'refused', refusal: decision.refusal };
      if (decision.events.length === 0) return { status: 'succeeded', revision, cursor: null, state, repeated: false };

      const expected = revision < 0n ? 'none' : revision;
      const kept = this.store.guards ? guard : undefined;
      const result = await this.append(stream, expected, decision.events, cause, '', kept);
      if (result.status === 'conflict' || result.status === 'guarded') continue;
      for (const event of decision.events) state = model.evolve(state, event);
      return {
        status: 'succeeded',
        revision: result.revision,
        cursor: result.cursor,
        state,
        repeated: result.status === 'duplicate',
      };
    }
    throw new Error(`${stream} stayed contended for ${this.attempts} attempts`);
  }

  /** Seals and appends events that were decided elsewhere. `idBase` tells apart several appends of one cause. */
  append(
    stream: string,
    expected: Expected,
    events: readonly Decided[],
    cause: Cause,
    idBase?: string,
  ): Promise<Appended>;
  append(
    stream: string,
    expected: Expected,
    events: readonly Decided[],
    cause: Cause,
    idBase: string,
    guard: Guard | undefined,
  ): Promise<Appended | Guarded>;
  async append(
    stream: string,
    expected: Expected,
    events: readonly Decided[],
    cause: Cause,
    idBase = '',
    guard?: Guard,
  ): Promise<Appended | Guarded> {
    const drafts: Draft[] = [];
    for (const [index, event] of events.entries()) {
      const id = this.deriveId(`${cause.causationId}#${stream}#${idBase}${index}`);
      const data = await this.personalSeal.seal(
        { type: event.type, stream, id, data: event.data },
        personalOf(event, cause),
      );
      drafts.push({ id, type: event.type, version: event.version, data });
    }
    const begun = performance.now();
    let outcome: 'appended' | 'duplicate' | 'conflict' | 'guarded' | 'failed' = 'failed';
    try {
      const appended = await this.store.append(stream, expected, drafts, metaOf(cause), guard);
      outcome = appended.status;
      return appended;
    } finally {
      this.observe(outcome, (performance.now() - begun) / 1000);
    }
  }
}

function personalOf(event: Decided, cause: Cause): Personal[] {
  const personal: Personal[] = event.personal ? [event.personal] : [];
  const { client, actor } = cause;
  if (!client || actor.profileId === null) return personal;
  const fields = { ip: client.ip, userAgent: client.userAgent };
  const [own] = personal;
  if (own?.subject === actor.profileId) return [{ subject: own.subject, fields: { ...own.fields, ...fields } }];
  return [...personal, { subject: actor.profileId, fields }];
}

function metaOf({ commandId, correlationId, causationId, actor }: Cause): Meta {
  return { commandId, correlationId, causationId, actor };
}

function upcast<E extends Decided, S>(model: Model<E, S>, event: Recorded): E {
  return (model.upcast ? model.upcast(event) : event) as E;
}
