import { accept, type Decide, type Instant, nothing } from '@symbolon/kernel';
import type { RetrievalEvent } from '../retrieval/retrieval.events';
import type { Retrieval } from '../retrieval/retrieval.model';

/** Bytes of data that still go inline; more goes by URL (contract, section 5). */
export const inlineLimit = 65_536;

export interface MarkReady {
  readonly parcelId: string;
  readonly downloadAuthHash: string;
  readonly expiresAt: Instant;
}

/** Only the first answer makes the data ready. */
export const markReady: Decide<MarkReady, RetrievalEvent, Retrieval> = (ready, { phase, asked }) => {
  if (phase !== 'asked' || !asked) return nothing;
  const { tokenId, requestId, size } = asked;
  const data = { tokenId, requestId, outputType: size <= inlineLimit ? 0 : 1, size, ...ready } as const;
  return accept({ type: 'data_token.data_ready', version: 1, data });
};

export const failRetrieval: Decide<{ readonly reason: string }, RetrievalEvent, Retrieval> = (
  { reason },
  { phase, asked },
) => {
  if (phase !== 'asked' || !asked) return nothing;
  const { tokenId, requestId } = asked;
  return accept({ type: 'data_token.retrieval_failed', version: 1, data: { tokenId, requestId, reason } });
};

export const markDownloaded: Decide<Record<never, never>, RetrievalEvent, Retrieval> = (_, { phase, asked }) => {
  if (phase !== 'ready' || !asked) return nothing;
  const { tokenId, requestId } = asked;
  return accept({ type: 'data_token.data_downloaded', version: 1, data: { tokenId, requestId } });
};
