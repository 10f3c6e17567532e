import type { QrEvent } from '@symbolon/contracts';
import type { Model } from '@symbolon/kernel';

export interface QrToken {
  readonly phase: 'absent' | 'live' | 'used';
  readonly profileId: string;
  /** The token that it was made with. */
  readonly tokenId: string;
  readonly expiresAt: string;
  /** The login that a policy holds. */
  readonly commandId: string | null;
}

/** One QR token, from its making to its use. */
export const qrToken: Model<QrEvent, QrToken> = {
  category: 'qr',
  initial: { phase: 'absent', profileId: '', tokenId: '', expiresAt: '', commandId: null },
  evolve(state, event) {
    switch (event.type) {
      case 'profile.qr_token_generated': {
        const { profileId, tokenId, expiresAt } = event.data;
        return { ...state, phase: 'live', profileId, tokenId, expiresAt };
      }
      case 'profile.qr_token_used':
        return { ...state, phase: 'used', commandId: event.data.commandId };
      default:
        return state;
    }
  },
};
