import type { Instant, Model } from '@symbolon/kernel';
import type { DataRequested, RetrievalEvent } from './retrieval.events';

/** One request for data. The first device that answers honestly ends the wait. */
export interface Retrieval {
  readonly phase: 'absent' | 'asked' | 'ready' | 'downloaded' | 'failed';
  readonly asked: DataRequested['data'] | null;
  readonly ready: {
    readonly outputType: 0 | 1;
    readonly parcelId: string;
    readonly expiresAt: Instant;
  } | null;
  readonly reason: string | null;
}

export const retrieval: Model<RetrievalEvent, Retrieval> = {
  category: 'retrieval',
  initial: { phase: 'absent', asked: null, ready: null, reason: null },
  evolve(state, event) {
    switch (event.type) {
      case 'data_token.data_requested':
        return { ...state, phase: 'asked', asked: event.data };
      case 'data_token.data_ready': {
        const { outputType, parcelId, expiresAt } = event.data;
        return { ...state, phase: 'ready', ready: { outputType, parcelId, expiresAt } };
      }
      case 'data_token.data_downloaded':
        return { ...state, phase: 'downloaded' };
      case 'data_token.retrieval_failed':
        return { ...state, phase: 'failed', reason: event.data.reason };
      default:
        return state;
    }
  },
};
