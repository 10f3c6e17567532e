import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { sha256Hex } from '@symbolon/crypto';
import { Accepted, Base64Field, CallerOf, Endpoint, invalid, TextField } from '@symbolon/http';
import { Clock } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { payloadLimit } from '../exchange-data/exchange-data.controller';
import { one, Parcels } from '../parcel/parcels';
import { TokenMetaField, type TokenMetaFields } from '../token/token-fields';
import type { TokenChanges } from '../token/token.events';
import { Tokens } from '../token/tokens.query';
import { UpdateData, type UpdateDataInput } from './update-data.command';

class UpdateDataBody {
  @TextField(1, 255, { optional: true, description: 'Data token; required' })
  dataToken?: string;

  @TextField(1, 255, { optional: true, description: 'The same as `dataToken`' })
  token?: string;

  @Base64Field(payloadLimit, { optional: true })
  data?: string;

  @TokenMetaField()
  meta?: TokenMetaFields;

  @TextField(1, 255, { optional: true, description: 'Into `meta.file`, whose other keys stay' })
  fileName?: string;

  @TextField(0, 32, { optional: true, description: 'Into `meta.file`, whose other keys stay' })
  extension?: string;

  @TextField(1, 255, { optional: true, description: "Replaces the token's" })
  context?: string;
}

@Controller()
export class UpdateDataController {
  constructor(
    private readonly commands: Commands,
    private readonly tokens: Tokens,
    private readonly parcels: Parcels,
    private readonly clock: Clock,
    private readonly registry: Registry,
  ) {}

  @Endpoint({
    row: 32,
    name: 'Update data token',
    group: 'Data Token',
    verb: 'POST',
    path: '/data-token/update-data',
    aliases: ['/data-token/update-data-token'],
    access: 'K',
    scope: 'data-token:write',
    command: true,
  })
  async update(@Body() body: UpdateDataBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const begunAt = this.clock.now();
    const text = body.dataToken ?? body.token;
    if (text === undefined) throw invalid({ dataToken: ['is required'] });
    const changes = changesOf(body);
    if (body.data === undefined && !changesAnything(changes)) {
      throw invalid({ data: ['data, a section of meta, fileName, extension or context is required'] });
    }
    const bytes = body.data === undefined ? null : Buffer.from(body.data, 'base64');
    // The same bytes in another alphabet are the same fields, and so are the two names of the token.
    const fields = { token: text, data: bytes && sha256Hex(bytes), changes };
    const submission = { type: UpdateData.type, caller, fields };
    const earlier = await this.commands.earlier({ ...submission, input: {} });
    if (earlier) return new Accepted(earlier);

    const ref = await this.tokens.refer(text, caller.profileId);
    if (bytes && ref.tokenId !== null) await this.registry.requireCarrier({ profileId: caller.profileId });
    const parcel =
      bytes && ref.tokenId !== null ? await this.parcels.seal(caller.profileId, ref.tokenId, one(bytes)) : null;
    const input: UpdateDataInput = { ...ref, begunAt, parcel, changes };
    const submitted = this.commands.submit({ ...submission, input });
    return new Accepted(await this.parcels.takenBy(submitted, parcel ? [parcel] : []));
  }
}

function changesOf({ meta, fileName, extension, context }: UpdateDataBody): TokenChanges {
  const { file, data, information_security_risk: risk } = meta ?? {};
  return {
    meta: {
      ...(file ? { file: { ...file } } : {}),
      ...(data ? { data } : {}),
      ...(risk ? { information_security_risk: { ...risk } } : {}),
    },
    ...(fileName === undefined ? {} : { fileName }),
    ...(extension === undefined ? {} : { extension }),
    ...(context === undefined ? {} : { context }),
  };
}

function changesAnything({ meta, ...short }: TokenChanges): boolean {
  return Object.keys(meta).length > 0 || Object.keys(short).length > 0;
}
