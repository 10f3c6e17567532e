import { Controller } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint } from '@symbolon/http';
import { wholeSeconds } from '@symbolon/kernel';
import { QrTokens } from '../qr/qr-tokens';

@Controller()
export class GenerateQrTokenController {
  constructor(private readonly tokens: QrTokens) {}

  @Endpoint({
    row: 7,
    name: 'Generate qr token for authorization',
    group: 'Profile',
    verb: 'POST',
    path: '/profile/generate-token-qr',
    access: 'T',
  })
  async generate(@CallerOf() caller: ProfileCaller) {
    const { token: qrToken, expiresAt } = await this.tokens.generate(caller);
    return { qrToken, expiresAt: wholeSeconds(expiresAt) };
  }
}
