import { Controller } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint } from '@symbolon/http';
import { VotingSettings } from './voting-settings.query';

@Controller()
export class RetrieveStrategyController {
  constructor(private readonly settings: VotingSettings) {}

  @Endpoint({
    row: 49,
    name: 'Retrieve voting strategy',
    group: 'Verified Authenticator',
    verb: 'GET',
    path: '/verified-authenticator/retrieve-strategy',
    aliases: ['/verified-authenticator/retrieve-voting-strategy'],
    access: 'K',
    scope: 'authenticator:read',
  })
  retrieve(@CallerOf() caller: ProfileCaller): Promise<object> {
    return this.settings.of(caller.profileId);
  }
}
