import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint } from '@symbolon/http';
import { Clock } from '@symbolon/kernel';
import { TokenField } from '../token/token-fields';
import { Tokens } from '../token/tokens.query';
import { DeleteData, type DeleteDataInput } from './delete-data.command';

class DeleteDataBody {
  @TokenField()
  token!: string;
}

@Controller()
export class DeleteDataController {
  constructor(
    private readonly commands: Commands,
    private readonly tokens: Tokens,
    private readonly clock: Clock,
  ) {}

  @Endpoint({
    row: 33,
    name: 'Delete data',
    group: 'Data Token',
    verb: 'POST',
    path: '/data-token/delete-data',
    access: 'K',
    scope: 'data-token:write',
    command: true,
  })
  async delete(@Body() body: DeleteDataBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const ref = await this.tokens.refer(body.token, caller.profileId);
    const input: DeleteDataInput = { ...ref, begunAt: this.clock.now() };
    return new Accepted(await this.commands.submit({ type: DeleteData.type, caller, input, fields: body }));
  }
}
