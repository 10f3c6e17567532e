import { Controller, Query } from '@nestjs/common';
import { Audit, type ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint, invalid, TextField } from '@symbolon/http';
import { Clock, instant, wholeSeconds } from '@symbolon/kernel';
import { Tokens } from '../token/tokens.query';
import { CountTransactions, none, type Window } from './count-transactions.query';
import { type Interval, intervals, periodsBetween, timeOf } from './periods';

const path = '/data-token/transaction-count-statistics';
const mostPeriods = 1000;
const defaultDays = 30;
const endOfTime = new Date('9999-12-31T23:59:59.999Z');
const time = { optional: true, description: 'Time of RFC 3339; default the last 30 days' };

class CountTransactionsQuery {
  @TextField(1, 64, time)
  from?: string;

  @TextField(1, 64, time)
  to?: string;

  @TextField(1, 5, { optional: true, matches: /^(hour|day|month)$/, says: `must be one of ${intervals.join(', ')}` })
  interval?: Interval;

  @TextField(1, 255, { optional: true, description: 'Counts what concerned this data token alone' })
  token?: string;
}

@Controller()
export class CountTransactionsController {
  constructor(
    private readonly transactions: CountTransactions,
    private readonly tokens: Tokens,
    private readonly clock: Clock,
    private readonly audit: Audit,
  ) {}

  @Endpoint({
    row: 34,
    name: 'Get data token transaction count statistics',
    group: 'Data Token',
    verb: 'GET',
    path,
    access: 'K',
    scope: 'data-token:read',
  })
  async count(@Query() query: CountTransactionsQuery, @CallerOf() caller: ProfileCaller): Promise<object> {
    const interval = query.interval ?? 'day';
    const { from, to } = this.windowOf(query);
    const periods = periodsBetween(from, to, interval, mostPeriods);
    if (!periods) throw invalid({ to: [`must be less than ${mostPeriods} periods after from`] });
    // Without an end of its own, what has just been recorded counts as well, however the clocks differ.
    const window = query.to === undefined ? { from, to: endOfTime } : { from, to };
    const counts =
      query.token === undefined
        ? await this.transactions.ofProfile(caller.profileId, window, interval)
        : await this.transactions.ofToken(await this.own(query.token, caller), window, interval);
    const items = periods.map((period) => {
      const of = counts.get(+period) ?? none();
      const total = Object.values(of).reduce((sum, n) => sum + n, 0);
      return { period: shown(period), ...of, total };
    });
    return { items, meta: { count: items.length, from: shown(from), to: shown(to), interval } };
  }

  private windowOf({ from, to }: CountTransactionsQuery): Window {
    const [begin, end] = [from, to].map((text) => (text === undefined ? undefined : timeOf(text)));
    const errors = {
      ...(begin === null ? { from: ['must be a time'] } : {}),
      ...(end === null ? { to: ['must be a time'] } : {}),
    };
    if (begin === null || end === null) throw invalid(errors);
    const until = end ?? new Date(this.clock.millis());
    const since = begin ?? new Date(+until - defaultDays * 86_400_000);
    if (since > until) throw invalid({ from: ['must not be after to'] });
    return { from: since, to: until };
  }

  private own(token: string, caller: ProfileCaller): Promise<string> {
    return this.tokens.own(token, caller, () => this.audit.denied(caller, 'GET', path, 'data_token.not_found'));
  }
}

function shown(date: Date): string {
  return wholeSeconds(instant(+date));
}
