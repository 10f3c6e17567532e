import type { QrEvent } from '@symbolon/contracts';
import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { QrToken } from '../qr/qr.model';

export interface GenerateQrToken {
  readonly profileId: string;
  readonly qrTokenHash: string;
  readonly expiresAt: string;
  readonly tokenId: string;
}

export const generateQrToken: Decide<GenerateQrToken, QrEvent, QrToken> = (data, { phase }) =>
  phase === 'absent' ? accept({ type: 'profile.qr_token_generated', version: 1, data }) : nothing;
