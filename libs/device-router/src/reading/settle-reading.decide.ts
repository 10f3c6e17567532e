import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { ReadingEvent } from './reading.events';
import type { Reading, ReadFault } from './reading.model';

interface Answer {
  readonly tokenId: string;
  readonly version: number;
  readonly deviceIdentifier: string;
  readonly requestId: string;
}

/** `size` of the L2 bytes that lie in the parcel, whose digest is right. */
export type UsableAnswer = Answer & { readonly size: number; readonly parcelId: string };

export const answerReading: Decide<UsableAnswer, ReadingEvent, Reading> = (
  { tokenId, version, deviceIdentifier, requestId, size, parcelId },
  { phase },
) =>
  phase === 'open'
    ? accept({
        type: 'storage.read_answered',
        version: 1,
        data: { tokenId, version, deviceIdentifier, requestId, size, parcelId },
      })
    : nothing;

export type UselessAnswer = Answer & { readonly reason: ReadFault; readonly asked: readonly string[] };

/** The reading itself fails with the last device that was asked: damaged data says more than missing data. */
export const failRead: Decide<UselessAnswer, ReadingEvent, Reading> = (
  { tokenId, version, deviceIdentifier, requestId, reason, asked },
  { phase, faults },
) => {
  if (phase !== 'open' || faults[deviceIdentifier]) return nothing;
  const failed: ReadingEvent = {
    type: 'storage.read_failed',
    version: 1,
    data: { tokenId, version, deviceIdentifier, requestId, reason },
  };
  const all: Readonly<Record<string, ReadFault>> = { ...faults, [deviceIdentifier]: reason };
  if (!asked.every((device) => all[device])) return accept(failed);
  const corrupt = Object.values(all).includes('corrupt');
  return accept<ReadingEvent>(failed, end(requestId, corrupt ? 'storage.data_corrupt' : 'storage.data_missing'));
};

/** Nobody could be asked, or nobody answered in time. */
export const abandonReading: Decide<{ readonly requestId: string; readonly reason: string }, ReadingEvent, Reading> = (
  { requestId, reason },
  { phase },
) => (phase === 'open' ? accept(end(requestId, reason)) : nothing);

function end(requestId: string, reason: string): ReadingEvent {
  return { type: 'storage.reading_failed', version: 1, data: { requestId, reason } };
}
