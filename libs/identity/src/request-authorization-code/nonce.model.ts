import type { NonceTaken } from '@symbolon/contracts';
import type { Model } from '@symbolon/kernel';

/** The authorization request that a profile's nonce for a client stands for. */
export interface Nonce {
  readonly commandId: string | null;
  readonly scope: readonly string[];
  readonly expiresAt: string;
}

export const nonce: Model<NonceTaken, Nonce> = {
  category: 'claim',
  initial: { commandId: null, scope: [], expiresAt: '' },
  evolve: (state, event) => (event.type === 'oauth.nonce_taken' ? event.data : state),
};
