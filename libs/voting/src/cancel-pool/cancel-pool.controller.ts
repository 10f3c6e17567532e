import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, UuidField } from '@symbolon/http';
import { CancelPool, type CancelPoolInput } from './cancel-pool.command';

class CancelPoolBody {
  @UuidField()
  poolId!: string;
}

@Controller()
export class CancelPoolController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    name: 'Cancel pool',
    group: 'Voting',
    verb: 'POST',
    path: '/voting/cancel-pool',
    access: 'K',
    scope: 'voting:write',
    command: true,
  })
  async cancel(@Body() body: CancelPoolBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const input: CancelPoolInput = { poolId: body.poolId };
    return new Accepted(await this.commands.submit({ type: CancelPool.type, caller, input, fields: body }));
  }
}
