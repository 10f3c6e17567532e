import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, IntField } from '@symbolon/http';
import { SetTimeLimit, type SetTimeLimitInput } from './set-time-limit.command';

class SetTimeLimitBody {
  @IntField(1, 86_400, { description: 'Seconds' })
  timeLimit!: number;
}

@Controller()
export class SetTimeLimitController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 52,
    name: 'Set voting time limit',
    group: 'Verified Authenticator',
    verb: 'POST',
    path: '/verified-authenticator/set-voting-time-limit',
    access: 'K',
    scope: 'authenticator:write',
    command: true,
  })
  async set(@Body() body: SetTimeLimitBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const input: SetTimeLimitInput = { timeLimit: body.timeLimit };
    return new Accepted(await this.commands.submit({ type: SetTimeLimit.type, caller, input, fields: body }));
  }
}
