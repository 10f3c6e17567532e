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
  Decided<'claim.taken', { kind: string; owner: string }> | Decided<'claim.released', { kind: string; owner: string }>;

interface Claim {
  readonly owner: string | null;
}

const claim: Model<ClaimEvent, Claim> = {
  category: 'claim',
  initial: { owner: null },
  evolve(state, event) {
    switch (event.type) {
      case 'claim.taken':
        return { owner: event.data.owner };
      case 'claim.released':
        return { owner: null };
      default:
        return state;
    }
  },
};

const take: Decide<{ kind: string; owner: string }, ClaimEvent, Claim> = ({ kind, owner }, { owner: holder }) => {
  if (holder === owner) return nothing;
  if (holder !== null) return refuse('claim.taken');
  return accept({ type: 'claim.taken', version: 1, data: { kind, owner } });
};

const release: Decide<{ kind: string; owner: string }, ClaimEvent, Claim> = ({ kind, owner }, { owner: holder }) =>
  holder === owner ? accept({ type: 'claim.released', version: 1, data: { kind, owner } }) : nothing;

/**
 * Unique values (usernames, public keys) under any race and on any store: the first append to the value's stream wins.
 * The stream is named by a keyed hash, so that no value can be guessed from the log.
 */
export class Claims {
  constructor(
    private readonly streams: Streams,
    private readonly hashGuess: (kind: string, value: string) => string,
  ) {}

  /** True when `owner` holds the value now (also when it held it before). */
  async take(kind: string, value: string, owner: string, cause: Cause): Promise<boolean> {
    const outcome = await this.streams.transact(
      claim,
      this.hashGuess(kind, value),
      take,
      { kind, owner },
      within(cause, 'take'),
    );
    return outcome.status === 'succeeded' && outcome.state.owner === owner;
  }

  async release(kind: string, value: string, owner: string, cause: Cause): Promise<void> {
    await this.streams.transact(claim, this.hashGuess(kind, value), release, { kind, owner }, within(cause, 'release'));
  }
}

/** A claim may be taken and released within one command: each is a step of its own. */
function within(cause: Cause, step: string): Cause {
  return { ...cause, causationId: `${cause.causationId}/${step}` };
}
