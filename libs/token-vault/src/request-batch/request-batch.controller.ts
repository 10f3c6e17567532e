import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { uuid7 } from '@symbolon/crypto';
import { Accepted, BoolField, CallerOf, codePoints, Endpoint, ListField, Problem } from '@symbolon/http';
import { Clock } from '@symbolon/kernel';
import { ParcelStore } from '@symbolon/parcel-store';
import { isGated } from '../store-batch/batch-gate';
import { mostItems } from '../store-batch/store-batch.controller';
import { Tokens } from '../token/tokens.query';
import { RequestBatch, type RequestBatchInput } from './request-batch.command';

class RequestBatchBody {
  @ListField(1, mostItems, (token) => typeof token === 'string' && token !== '' && codePoints(token) <= 255, {
    description: 'Data tokens',
  })
  tokens!: string[];

  @BoolField(false)
  sealed!: boolean;
}

@Controller()
export class RequestBatchController {
  constructor(
    private readonly commands: Commands,
    private readonly tokens: Tokens,
    private readonly clock: Clock,
    private readonly parcels: ParcelStore,
  ) {}

  @Endpoint({
    name: 'Request a batch of data',
    group: 'Data Token',
    verb: 'POST',
    path: '/data-token/batch-request',
    access: 'K',
    scope: 'data-token:read',
    command: true,
  })
  async request(@Body() body: RequestBatchBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const operation = 'data_token.data_requested' as const;
    const submission = { type: RequestBatch.type, caller, fields: body, operation };
    const earlier = await this.commands.earlier({ ...submission, input: {} });
    if (earlier) return new Accepted(earlier);
    const { profileId, actor } = caller;
    if (await isGated(this.commands, profileId, actor, operation)) throw new Problem(409, 'policy.asks_each');
    // Without it no device could hand anything back: nothing is recorded then.
    await this.parcels.check();
    const refs = await Promise.all(body.tokens.map((token) => this.tokens.refer(token, profileId)));
    const items = refs.map((ref) => ({ ...ref, requestId: uuid7() }));
    const input: RequestBatchInput = { begunAt: this.clock.now(), sealed: body.sealed, items };
    return new Accepted(await this.commands.submit({ ...submission, input }));
  }
}
