import { Body, Controller } from '@nestjs/common';
import { Audit, Commands, type ProfileCaller } from '@symbolon/command-log';
import { uuid7 } from '@symbolon/crypto';
import { Accepted, BoolField, CallerOf, Endpoint } from '@symbolon/http';
import { Clock } from '@symbolon/kernel';
import { ParcelStore } from '@symbolon/parcel-store';
import { Registry } from '@symbolon/platform';
import { TokenField } from '../token/token-fields';
import { Tokens } from '../token/tokens.query';
import { RequestData, type RequestDataInput } from './request-data.command';

const path = '/data-token/request-data';

class RequestDataBody {
  @TokenField()
  token!: string;

  @BoolField(false)
  sealed!: boolean;
}

@Controller()
export class RequestDataController {
  constructor(
    private readonly commands: Commands,
    private readonly tokens: Tokens,
    private readonly clock: Clock,
    private readonly audit: Audit,
    private readonly parcels: ParcelStore,
    private readonly registry: Registry,
  ) {}

  @Endpoint({
    row: 27,
    name: 'Request data via token',
    group: 'Data Token',
    verb: 'POST',
    path,
    access: 'K',
    scope: 'data-token:read',
    command: true,
  })
  async request(@Body() body: RequestDataBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const submission = { type: RequestData.type, caller, fields: body };
    const earlier = await this.commands.earlier({ ...submission, input: {} });
    if (earlier) return new Accepted(earlier);

    const tokenId = await this.tokens.own(body.token, caller, () =>
      this.audit.denied(caller, 'POST', path, 'data_token.not_found'),
    );
    // Without it no device could hand anything back: nothing is recorded then.
    await this.parcels.check();
    await this.registry.requireCarrier({ profileId: caller.profileId, tokenId });
    const requestId = uuid7();
    const input: RequestDataInput = { tokenId, requestId, sealed: body.sealed, begunAt: this.clock.now() };
    return new Accepted(await this.commands.submit({ ...submission, input, requestId }));
  }
}
