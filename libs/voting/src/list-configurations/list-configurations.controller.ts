import { Controller, Param, Query } from '@nestjs/common';
import { Audit, type ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, isUuid, type List, ListQuery, notFound } from '@symbolon/http';
import { Configurations } from './configurations.query';

const retrieval = '/verified-authenticator/voting-configuration/retrieve';

@Controller()
export class ListConfigurationsController {
  constructor(
    private readonly configurations: Configurations,
    private readonly audit: Audit,
  ) {}

  @Endpoint({
    row: 57,
    name: 'List voting configurations',
    group: 'Verified Authenticator',
    verb: 'GET',
    path: '/verified-authenticator/voting-configuration/list',
    access: 'K',
    scope: 'authenticator:read',
  })
  list(@Query() query: ListQuery, @CallerOf() caller: ProfileCaller): Promise<List<object>> {
    return this.configurations.list(caller.profileId, query);
  }

  @Endpoint({
    row: 58,
    name: 'Retrieve voting configuration',
    group: 'Verified Authenticator',
    verb: 'GET',
    path: `${retrieval}/:nameOrId`,
    access: 'K',
    scope: 'authenticator:read',
  })
  async retrieve(@Param('nameOrId') nameOrId: string, @CallerOf() caller: ProfileCaller): Promise<object> {
    const found = await this.configurations.find(caller.profileId, nameOrId);
    if (found) return found;
    if (isUuid(nameOrId) && (await this.configurations.exists(nameOrId)))
      await this.audit.denied(caller, 'GET', `${retrieval}/${nameOrId}`, 'not_found');
    throw notFound();
  }
}
