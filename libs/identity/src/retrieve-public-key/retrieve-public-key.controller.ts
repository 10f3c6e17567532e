import { Controller, Query } from '@nestjs/common';
import { Audit, type ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, notFound, Problem, UuidField } from '@symbolon/http';
import { wholeSeconds } from '@symbolon/kernel';
import { Profiles } from '../profile/profiles.query';

class RetrievePublicKeyQuery {
  @UuidField({ optional: true })
  deviceIdentifier?: string;
}

@Controller()
export class RetrievePublicKeyController {
  constructor(
    private readonly profiles: Profiles,
    private readonly audit: Audit,
  ) {}

  @Endpoint({
    row: 21,
    name: 'Retrieve public key',
    group: 'Public key',
    verb: 'GET',
    path: '/public-key/retrieve-public-key',
    access: 'T',
    scope: 'profile:read',
    device: true,
  })
  async retrieve(@Query() { deviceIdentifier }: RetrievePublicKeyQuery, @CallerOf() caller: ProfileCaller) {
    const profileId = await this.profiles.keyHolder(caller.actor, caller.profileId, deviceIdentifier ?? null);
    if (profileId === null) {
      const isOther = deviceIdentifier !== caller.profileId;
      if (isOther) await this.audit.denied(caller, 'GET', '/public-key/retrieve-public-key', 'not_found');
      throw notFound();
    }
    const key = await this.profiles.keyOf(profileId);
    if (!key) throw new Problem(404, 'public_key.not_registered');
    return { ...key, registeredAt: wholeSeconds(key.registeredAt) };
  }
}
