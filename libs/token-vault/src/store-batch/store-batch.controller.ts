import { Body, Controller } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { sha256Hex, uuid7 } from '@symbolon/crypto';
import {
  Accepted,
  base64Fault,
  CallerOf,
  codePoints,
  Endpoint,
  invalid,
  ListField,
  oversized,
  Problem,
  TextField,
} from '@symbolon/http';
import { Clock } from '@symbolon/kernel';
import { ParcelStore } from '@symbolon/parcel-store';
import { Parcels } from '../parcel/parcels';
import { isGated } from './batch-gate';
import { StoreBatch, type StoreBatchInput } from './store-batch.command';

export const mostItems = 1000;
const valueLimit = 65_536;

class BatchValue {
  @ApiProperty({ description: `Base64 of 1 to ${valueLimit} bytes`, minLength: 2 })
  data!: string;

  @ApiProperty({ required: false, minLength: 1, maxLength: 255, description: 'Default: that of the batch' })
  context?: string;
}

class StoreBatchBody {
  @ApiProperty({ type: () => [BatchValue], minItems: 1, maxItems: mostItems })
  @ListField(1, mostItems, (item) => item !== null && typeof item === 'object' && !Array.isArray(item))
  items!: BatchValue[];

  @TextField(1, 255, { optional: true, description: 'Of items without one; required where there are such' })
  context?: string;
}

@Controller()
export class StoreBatchController {
  constructor(
    private readonly commands: Commands,
    private readonly parcels: Parcels,
    private readonly spool: ParcelStore,
    private readonly clock: Clock,
  ) {}

  @Endpoint({
    name: 'Store a batch of values',
    group: 'Data Token',
    verb: 'POST',
    path: '/data-token/batch',
    access: 'K',
    scope: 'data-token:write',
    command: true,
  })
  async store(@Body() body: StoreBatchBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const begunAt = this.clock.now();
    const values = valuesOf(body);
    const fields = { items: values.map(({ context, bytes }) => [context, sha256Hex(bytes)]) };
    const submission = { type: StoreBatch.type, caller, fields, operation: 'data_token.data_exchanged' };
    const earlier = await this.commands.earlier({ ...submission, input: {} });
    if (earlier) return new Accepted(earlier);
    const { profileId, actor } = caller;
    if (await isGated(this.commands, profileId, actor, 'data_token.space_reserved', 'data_token.data_exchanged')) {
      throw new Problem(409, 'policy.asks_each');
    }
    await this.spool.check();
    const tokenIds = values.map(() => uuid7());
    const parcels = await this.parcels.sealAll(
      profileId,
      values.map(({ bytes }, index) => ({ tokenId: tokenIds[index]!, bytes })),
    );
    const items = values.map(({ context }, index) => ({ tokenId: tokenIds[index]!, context, parcel: parcels[index]! }));
    const input: StoreBatchInput = { begunAt, items };
    return new Accepted(await this.parcels.takenBy(this.commands.submit({ ...submission, input }), parcels));
  }
}

function valuesOf({ items, context: common }: StoreBatchBody): Array<{ context: string; bytes: Buffer }> {
  const errors: Record<string, string[]> = {};
  let tooLarge = false;
  const values = items.map(({ data, context = common }, index) => {
    const fault = typeof data === 'string' && data !== '' ? base64Fault(data, valueLimit) : 'is required';
    tooLarge ||= fault === oversized;
    if (fault) errors[`items.${index}.data`] = [fault];
    const length = typeof context === 'string' ? codePoints(context) : 0;
    if (length < 1 || length > 255) errors[`items.${index}.context`] = ['must be text of 1 to 255 characters'];
    return { context: context as string, bytes: fault ? Buffer.alloc(0) : Buffer.from(data, 'base64') };
  });
  if (tooLarge) throw new Problem(413, 'payload_too_large');
  if (Object.keys(errors).length > 0) throw invalid(errors);
  return values;
}
