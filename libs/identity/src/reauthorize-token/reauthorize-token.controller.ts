import { Body, Controller, Req } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, IntField, tokenOf, unauthorized } from '@symbolon/http';
import { wholeSeconds } from '@symbolon/kernel';
import type { FastifyRequest } from 'fastify';
import { AuthorizationTokens } from '../session/authorization-tokens';

class ReauthorizeTokenBody {
  @IntField(60, 2_592_000, { description: 'Seconds from now' })
  ttl!: number;
}

@Controller()
export class ReauthorizeTokenController {
  constructor(private readonly tokens: AuthorizationTokens) {}

  @Endpoint({
    row: 8,
    name: 'Reauthorize authorization token',
    group: 'Profile',
    verb: 'POST',
    path: '/profile/reauthorize-authorization-token',
    access: 'T',
    device: true,
  })
  async reauthorize(
    @Body() { ttl }: ReauthorizeTokenBody,
    @CallerOf() caller: ProfileCaller,
    @Req() request: FastifyRequest,
  ) {
    const expiresAt = await this.tokens.reauthorize(caller.tokenId, ttl, caller);
    if (expiresAt === null) throw unauthorized();
    return { authorizationToken: tokenOf(request), expiresAt: wholeSeconds(expiresAt) };
  }
}
