import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, IntField } from '@symbolon/http';
import { SetMaximumAttempts, type SetMaximumAttemptsInput } from './set-maximum-attempts.command';

class SetMaximumAttemptsBody {
  @IntField(1, 10)
  numberOfAttempts!: number;
}

@Controller()
export class SetMaximumAttemptsController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 53,
    name: 'Set maximum voting attempts',
    group: 'Verified Authenticator',
    verb: 'POST',
    path: '/verified-authenticator/set-maximum-voting-attempts',
    access: 'K',
    scope: 'authenticator:write',
    command: true,
  })
  async set(@Body() body: SetMaximumAttemptsBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const input: SetMaximumAttemptsInput = { numberOfAttempts: body.numberOfAttempts };
    return new Accepted(await this.commands.submit({ type: SetMaximumAttempts.type, caller, input, fields: body }));
  }
}
