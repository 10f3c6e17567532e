import type { Model } from '@symbolon/kernel';
import type { ReadingEvent } from './reading.events';

export type ReadFault = 'not_found' | 'corrupt';

export interface Reading {
  readonly phase: 'open' | 'answered' | 'failed';
  readonly answeredBy: string | null;
  readonly faults: Readonly<Record<string, ReadFault>>;
}

/** One request for data, put to several devices: the first usable answer counts. */
export const reading: Model<ReadingEvent, Reading> = {
  category: 'reading',
  initial: { phase: 'open', answeredBy: null, faults: {} },
  evolve(state, { type, data }) {
    switch (type) {
      case 'storage.read_answered':
        return { ...state, phase: 'answered', answeredBy: data.deviceIdentifier };
      case 'storage.read_failed':
        return { ...state, faults: { ...state.faults, [data.deviceIdentifier]: data.reason } };
      case 'storage.reading_failed':
        return { ...state, phase: 'failed' };
      default:
        return state;
    }
  },
};

/** The same where the data is for another device (row 45). */
export const readingOf = ({ copying }: { readonly copying: boolean }): Model<ReadingEvent, Reading> =>
  copying ? { ...reading, category: 'copying' } : reading;
