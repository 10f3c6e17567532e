import type { Readable } from 'node:stream';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Commands } from '@symbolon/command-log';
import { KeyStore } from '@symbolon/crypto';
import { Accepted, unauthorized } from '@symbolon/http';
import { type Actor, Clock } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { Transfers, type UploadContext, type UploadHandler } from '@symbolon/transfer';
import { Parcels } from '../parcel/parcels';
import { Tokens } from '../token/tokens.query';
import { type ExchangeDataInput, ExchangeUpload } from './exchange-data.command';

/** What an upload auth stands for: the token, and who asked for the auth. */
export interface UploadRef {
  readonly tokenId: string;
  readonly actor: Actor;
}

/** Row 26: streams the body through layer 2 into the parcel store; issued for whoever asked for the auth (row 24). */
@Injectable()
export class ReceiveUpload implements UploadHandler, OnModuleInit {
  readonly direction = 'up';
  readonly purpose = 'reservation';

  constructor(
    private readonly transfers: Transfers,
    private readonly tokens: Tokens,
    private readonly keys: KeyStore,
    private readonly parcels: Parcels,
    private readonly commands: Commands,
    private readonly clock: Clock,
    private readonly registry: Registry,
  ) {}

  onModuleInit(): void {
    this.transfers.register(this);
  }

  async receive(ref: object, body: Readable, { caller }: UploadContext): Promise<Accepted> {
    const { tokenId, actor } = ref as UploadRef;
    const begunAt = this.clock.now();
    const row = await this.tokens.byId(tokenId);
    // The auth is good for as long as the reservation is.
    if (row?.status !== 'temporary') throw unauthorized();
    // A deleted profile's reservations end in the background.
    if ((await this.keys.subjectKey(row.profile_id)) === null) throw unauthorized();
    await this.registry.requireCarrier({ profileId: row.profile_id });
    const parcel = await this.parcels.seal(row.profile_id, tokenId, body);
    const input: ExchangeDataInput = { tokenId, begunAt, parcel };
    // The auth stands for the token that asked for it, so the command is not one without credentials.
    const asked = { ...caller, actor, profileId: row.profile_id, tokenId, idempotencyKey: null };
    return new Accepted(await this.commands.submit({ type: ExchangeUpload.type, caller: asked, input }));
  }
}
