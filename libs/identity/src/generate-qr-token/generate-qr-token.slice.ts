import type { Slice } from '@symbolon/http';
import { QrTokens } from '../qr/qr-tokens';
import { GenerateQrTokenController } from './generate-qr-token.controller';

export const generateQrTokenSlice: Slice = { controllers: [GenerateQrTokenController], providers: [QrTokens] };
