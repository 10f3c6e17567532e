import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { uuid7 } from '@symbolon/crypto';
import { Accepted, CallerOf, Endpoint, IntField, TextField } from '@symbolon/http';
import { TokenMetaField, type TokenMetaFields } from '../token/token-fields';
import { ReserveToken, type ReserveTokenInput } from './reserve-token.command';

class ReserveTokenBody {
  @TextField(1, 255)
  context!: string;

  @IntField(1, 60, { default: 5, description: 'Minutes from the success of the command' })
  ttl!: number;

  @TokenMetaField()
  meta?: TokenMetaFields;
}

@Controller()
export class ReserveTokenController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 23,
    name: 'Reserve token space',
    group: 'Data Token',
    verb: 'POST',
    path: '/data-token/reserve-token-space',
    access: 'K',
    scope: 'data-token:write',
    command: true,
  })
  async reserve(@Body() body: ReserveTokenBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const { context, ttl: ttlMinutes, meta = {} } = body;
    const input: ReserveTokenInput = { tokenId: uuid7(), context, ttlMinutes, meta: { ...meta } };
    return new Accepted(await this.commands.submit({ type: ReserveToken.type, caller, input, fields: body }));
  }
}
