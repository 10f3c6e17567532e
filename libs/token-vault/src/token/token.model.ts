import type { Instant, Model } from '@symbolon/kernel';
import type { DataExchanged, TokenEvent } from './token.events';

/** Data handed in under one version. */
type Stored = Pick<DataExchanged['data'], 'version' | 'size' | 'sealedSize' | 'sha256' | 'dataKey'>;

export interface Token {
  readonly phase: 'absent' | 'temporary' | 'permanent' | 'expired' | 'deleted';
  readonly owner: string;
  readonly expiresAt: Instant;
  /** A write that no device has acknowledged yet. */
  readonly pending: Stored | null;
  /** What can be asked for; stays after the deletion, so that a repeat still finds the key to destroy. */
  readonly held: Stored | null;
  /** The highest version that was ever sent to devices. */
  readonly written: number;
  /** How often the file section was set: who merges into it must have seen the last one. */
  readonly fileChanges: number;
}

export const token: Model<TokenEvent, Token> = {
  category: 'token',
  initial: { phase: 'absent', owner: '', expiresAt: '', pending: null, held: null, written: 0, fileChanges: 0 },
  evolve(state, event) {
    switch (event.type) {
      case 'data_token.space_reserved':
        return {
          ...state,
          phase: 'temporary',
          owner: event.data.profileId,
          expiresAt: event.data.expiresAt,
          fileChanges: 1,
        };
      case 'data_token.file_meta_configured':
        return { ...state, fileChanges: state.fileChanges + 1 };
      case 'data_token.data_exchanged':
      case 'data_token.data_replaced': {
        const { version, size, sealedSize, sha256, dataKey } = event.data;
        const pending = { version, size, sealedSize, sha256, dataKey };
        return { ...state, pending, written: Math.max(state.written, version) };
      }
      case 'data_token.made_permanent':
        if (state.pending?.version !== event.data.version) return state;
        return { ...state, phase: 'permanent', held: state.pending, pending: null };
      case 'data_token.version_confirmed':
        return state.pending?.version === event.data.version ? { ...state, held: state.pending, pending: null } : state;
      case 'data_token.write_failed':
        return state.pending?.version === event.data.version ? { ...state, pending: null } : state;
      case 'data_token.reservation_expired':
        return { ...state, phase: 'expired' };
      case 'data_token.deleted':
        return { ...state, phase: 'deleted', pending: null };
      default:
        return state;
    }
  },
};

/** To this profile there is no such token: unknown, deleted, or somebody else's. */
export function isStrange({ phase, owner }: Token, profileId: string): boolean {
  return phase === 'absent' || phase === 'deleted' || owner !== profileId;
}

/** The reservation is over. A write that is under way keeps it. */
export function isOver({ phase, pending, expiresAt }: Token, at: Instant): boolean {
  return phase === 'expired' || (phase === 'temporary' && pending === null && at >= expiresAt);
}
