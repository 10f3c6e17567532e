import { Controller, Query } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, ListQuery } from '@symbolon/http';
import { Applications } from '../oauth-application/applications.query';

@Controller()
export class ListOAuthApplicationsController {
  constructor(private readonly applications: Applications) {}

  @Endpoint({
    row: 16,
    name: 'OAuth application list',
    group: 'OAuth Application',
    verb: 'GET',
    path: '/profile/retrieve-oauth-application-list',
    access: 'K',
  })
  list(@Query() query: ListQuery, @CallerOf() { profileId }: ProfileCaller) {
    return this.applications.list(profileId, query);
  }
}
