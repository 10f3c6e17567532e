import { Controller, Query } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, type EndpointOptions, ListQuery } from '@symbolon/http';
import { PolicyRows } from '../policy/policies.query';

const row = {
  group: 'Policy',
  verb: 'GET',
  access: 'K',
  scope: 'policy:read',
} as const satisfies Partial<EndpointOptions>;

@Controller()
export class ListPoliciesController {
  constructor(private readonly policies: PolicyRows) {}

  @Endpoint({ ...row, row: 61, name: 'List active policies', path: '/policy/list-active-policies' })
  active(@Query() query: ListQuery, @CallerOf() caller: ProfileCaller) {
    return this.policies.list(caller.profileId, true, query);
  }

  @Endpoint({ ...row, row: 62, name: 'List inactive policies', path: '/policy/list-inactive-policies' })
  inactive(@Query() query: ListQuery, @CallerOf() caller: ProfileCaller) {
    return this.policies.list(caller.profileId, false, query);
  }

  @Endpoint({ ...row, row: 66, name: 'List registered policies', path: '/policy/list-registered-policies' })
  registered(@Query() query: ListQuery, @CallerOf() caller: ProfileCaller) {
    return this.policies.list(caller.profileId, null, query);
  }
}
