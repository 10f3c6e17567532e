import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, invalid, TextField } from '@symbolon/http';
import { acceptedNames, readStrategy } from '../strategy/strategy.decide';
import { SetQuorumStrategy, type SetQuorumStrategyInput } from './set-quorum-strategy.command';

class SetQuorumStrategyBody {
  @TextField(1, 100, { description: acceptedNames.join(', ') })
  strategy!: string;

  @TextField(1, 20, { optional: true, description: 'A percentage, or with threshold a count n/m' })
  strategy_params?: string;
}

@Controller()
export class SetQuorumStrategyController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 51,
    name: 'Set quorum strategy',
    group: 'Verified Authenticator',
    verb: 'POST',
    path: '/verified-authenticator/set-quorum-strategy',
    access: 'K',
    scope: 'authenticator:write',
    command: true,
  })
  async set(@Body() body: SetQuorumStrategyBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const read = readStrategy({ strategy: body.strategy, strategyParams: body.strategy_params });
    if (read.errors) throw invalid(read.errors);
    const input: SetQuorumStrategyInput = { strategy: read.strategy };
    return new Accepted(await this.commands.submit({ type: SetQuorumStrategy.type, caller, input, fields: body }));
  }
}
