import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, IntField, invalid } from '@symbolon/http';
import { SetQuorumSize, type SetQuorumSizeInput } from './set-quorum-size.command';

class SetQuorumSizeBody {
  @IntField(1, 100, { optional: true, description: 'quorumSize or size' })
  quorumSize?: number;

  @IntField(1, 100, { optional: true })
  size?: number;
}

@Controller()
export class SetQuorumSizeController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 50,
    name: 'Set quorum size',
    group: 'Verified Authenticator',
    verb: 'POST',
    path: '/verified-authenticator/set-quorum-size',
    access: 'K',
    scope: 'authenticator:write',
    command: true,
  })
  async set(@Body() body: SetQuorumSizeBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const quorumSize = body.quorumSize ?? body.size;
    if (quorumSize === undefined) throw invalid({ quorumSize: ['is required'] });
    const input: SetQuorumSizeInput = { quorumSize };
    return new Accepted(await this.commands.submit({ type: SetQuorumSize.type, caller, input, fields: body }));
  }
}
