import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { sha256Hex } from '@symbolon/crypto';
import { Accepted, Base64Field, CallerOf, Endpoint } from '@symbolon/http';
import { Clock } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { one, Parcels } from '../parcel/parcels';
import { TokenField } from '../token/token-fields';
import { Tokens } from '../token/tokens.query';
import { ExchangeData, type ExchangeDataInput } from './exchange-data.command';

/** Bytes of data that a call may carry. More goes by upload. */
export const payloadLimit = 262_144;

class ExchangeDataBody {
  @TokenField()
  temporaryTokenSpace!: string;

  @Base64Field(payloadLimit)
  data!: string;
}

@Controller()
export class ExchangeDataController {
  constructor(
    private readonly commands: Commands,
    private readonly tokens: Tokens,
    private readonly parcels: Parcels,
    private readonly clock: Clock,
    private readonly registry: Registry,
  ) {}

  @Endpoint({
    row: 25,
    name: 'Exchange data for token',
    group: 'Data Token',
    verb: 'POST',
    path: '/data-token/exchange-data-for-token',
    access: 'K',
    scope: 'data-token:write',
    command: true,
  })
  async exchange(@Body() body: ExchangeDataBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const begunAt = this.clock.now();
    const bytes = Buffer.from(body.data, 'base64');
    // The same bytes in another alphabet are the same fields.
    const fields = { temporaryTokenSpace: body.temporaryTokenSpace, data: sha256Hex(bytes) };
    const submission = { type: ExchangeData.type, caller, fields };
    const earlier = await this.commands.earlier({ ...submission, input: {} });
    if (earlier) return new Accepted(earlier);

    const ref = await this.tokens.refer(body.temporaryTokenSpace, caller.profileId);
    if (ref.tokenId !== null) await this.registry.requireCarrier({ profileId: caller.profileId });
    const parcel = ref.tokenId === null ? null : await this.parcels.seal(caller.profileId, ref.tokenId, one(bytes));
    const input: ExchangeDataInput = { ...ref, begunAt, parcel };
    const submitted = this.commands.submit({ ...submission, input });
    return new Accepted(await this.parcels.takenBy(submitted, parcel ? [parcel] : []));
  }
}
