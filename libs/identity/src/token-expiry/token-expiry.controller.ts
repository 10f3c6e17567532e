import { Controller, Req } from '@nestjs/common';
import { Endpoint, unauthorized } from '@symbolon/http';
import { wholeSeconds } from '@symbolon/kernel';
import type { FastifyRequest } from 'fastify';

@Controller()
export class TokenExpiryController {
  @Endpoint({
    row: 10,
    name: 'Retrieve token expiry',
    group: 'Profile',
    verb: 'POST',
    path: '/profile/authorization-token/expiry',
    access: 'T',
    scope: 'any',
    device: true,
  })
  expiry(@Req() { session }: FastifyRequest) {
    if (!session) throw unauthorized();
    return { expiresAt: wholeSeconds(session.expiresAt) };
  }
}
