import {
  type Cause,
  type Decide,
  type Decided,
  type Model,
  nothing,
  refuse,
  accept,
  type Streams,
} from '@symbolon/kernel';

/** Stream `claim-<keyed hash of kind and value>`: who holds a value that must be unique. */
type ClaimEvent =
  | Decided<'claim.taken', { kind: string; owner: string; hold: string }>
  | Decided<'claim.released', { kind: string; owner: string; hold: string }>;

interface Claim {
  readonly owner: string | null;
  /** What the owner holds it for. Free again once nothing is left. */
  readonly holds: readonly string[];
}

const free: Claim = { owner: null, holds: [] };

const claim: Model<ClaimEvent, Claim> = {
  category: 'claim',
  initial: free,
  evolve(state, event) {
    switch (event.type) {
      case 'claim.taken':
        return { owner: event.data.owner, holds: [...state.holds, event.data.hold] };
      case 'claim.released': {
        const holds = state.holds.filter((hold) => hold !== event.data.hold);
        return holds.length === 0 ? free : { ...state, holds };
      }
      default:
        return state;
    }
  },
  /** Once an owner held a value for one thing only. */
  upcast(event) {
    const data = event.data as { owner?: string; hold?: string };
    return data.hold !== undefined || data.owner === undefined
      ? event
      : { ...event, data: { ...data, hold: data.owner } };
  },
};

interface Hold {
  readonly kind: string;
  readonly owner: string;
  readonly hold: string;
}

const take: Decide<Hold, ClaimEvent, Claim> = (data, { owner, holds }) => {
  if (owner !== null && owner !== data.owner) return refuse('claim.taken');
  return holds.includes(data.hold) ? nothing : accept({ type: 'claim.taken', version: 1, data });
};

const release: Decide<Hold, ClaimEvent, Claim> = (data, { owner, holds }) =>
  owner === data.owner && holds.includes(data.hold) ? accept({ type: 'claim.released', version: 1, data }) : nothing;

/**
 * Unique values (usernames, public keys) under any race and on any store: the first append to the value's stream wins.
 * The stream is named by a keyed hash, so that no value can be guessed from the log.
 *
 * Where several commands of one owner may want the same value at once, each takes a hold of its own: a value is free
 * only when the last hold was released, so that none of them gives away what another has just come to rely on.
 */
export class Claims {
  constructor(
    private readonly streams: Streams,
    private readonly hashGuess: (kind: string, value: string) => string,
  ) {}

  /** True when `owner` holds the value now (also when it held it before). */
  async take(kind: string, value: string, owner: string, cause: Cause): Promise<boolean> {
    return (await this.hold(kind, value, owner, owner, cause)) === 'held';
  }

  /**
   * `held`: the owner has this hold. `taken`: somebody else has the value. `released`: this very cause took the hold
   * before, and it was released since.
   */
  async hold(
    kind: string,
    value: string,
    owner: string,
    hold: string,
    cause: Cause,
  ): Promise<'held' | 'taken' | 'released'> {
    const outcome = await this.streams.transact(
      claim,
      this.hashGuess(kind, value),
      take,
      { kind, owner, hold },
      within(cause, 'take'),
    );
    if (outcome.status === 'refused') return 'taken';
    const { state } = outcome;
    return state.owner === owner && state.holds.includes(hold) ? 'held' : 'released';
  }

  async release(kind: string, value: string, owner: string, cause: Cause, hold = owner): Promise<void> {
    await this.releaseHashed(kind, this.hashGuess(kind, value), owner, cause, hold);
  }

  /** As `release`, for who knows of the value only its keyed hash. */
  async releaseHashed(kind: string, hash: string, owner: string, cause: Cause, hold = owner): Promise<void> {
    await this.streams.transact(claim, hash, release, { kind, owner, hold }, within(cause, `release/${hold}`));
  }
}

/** A claim may be taken and released within one command: each is a step of its own. */
function within(cause: Cause, step: string): Cause {
  return { ...cause, causationId: `${cause.causationId}/${step}` };
}
