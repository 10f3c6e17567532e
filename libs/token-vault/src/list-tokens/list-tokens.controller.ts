import { Controller, Query } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, type List, ListQuery, ObjectField } from '@symbolon/http';
import { filterNames, type Filters, ListTokens, type TokenItem } from './list-tokens.query';

const known: ReadonlySet<string> = new Set(filterNames);

class ListTokensQuery extends ListQuery {
  @ObjectField({ optional: true, check: checkFilters, description: `Exact; all must hold: ${filterNames.join(', ')}` })
  filters?: Filters;
}

function checkFilters(filters: Record<string, unknown>): string | null {
  for (const [name, value] of Object.entries(filters)) {
    if (!known.has(name)) return 'has an unknown filter';
    if (typeof value !== 'string') return 'must hold texts';
  }
  return null;
}

@Controller()
export class ListTokensController {
  constructor(private readonly tokens: ListTokens) {}

  @Endpoint({
    row: 31,
    name: 'List data tokens',
    group: 'Data Token',
    verb: 'GET',
    path: '/data-token/list-data-tokens',
    access: 'K',
    scope: 'data-token:read',
  })
  list(@Query() query: ListTokensQuery, @CallerOf() caller: ProfileCaller): Promise<List<TokenItem>> {
    return this.tokens.list(caller.profileId, query.filters ?? {}, query);
  }
}
