import { Controller, Query } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, type List, ListQuery } from '@symbolon/http';
import { ListAuthenticators } from './list-authenticators.query';

@Controller()
export class ListAuthenticatorsController {
  constructor(private readonly authenticators: ListAuthenticators) {}

  @Endpoint({
    row: 48,
    name: 'List verified authenticators',
    group: 'Verified Authenticator',
    verb: 'GET',
    path: '/verified-authenticator/list-verified-authenticators',
    access: 'K',
    scope: 'authenticator:read',
  })
  list(@Query() query: ListQuery, @CallerOf() caller: ProfileCaller): Promise<List<object>> {
    return this.authenticators.list(caller.profileId, query);
  }
}
