import { Injectable } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Commands, type Context, deferred, type HandlerResult, rejected } from '@symbolon/command-log';
import { Clock, Streams } from '@symbolon/kernel';
import { Deadlines } from '@symbolon/projection';
import { writeDeadline } from '../deposit-at-devices/deposit-at-devices.reactor';
import { Parcels } from '../parcel/parcels';
import { token } from '../token/token.model';
import { Tokens } from '../token/tokens.query';
import { ExchangeData, ExchangeUpload, type ExchangeDataInput } from './exchange-data.command';
import { exchangeData } from './exchange-data.decide';

/** What rows 25 and 26 have in common once the bytes lie sealed in the parcel store. */
@Injectable()
class Exchange {
  constructor(
    private readonly streams: Streams,
    private readonly tokens: Tokens,
    private readonly parcels: Parcels,
    private readonly commands: Commands,
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
  ) {}

  protected async exchange(
    data: ExchangeDataInput,
    context: Context,
    via: 'inline' | 'stream',
  ): Promise<HandlerResult> {
    const { tokenId, parcel, begunAt } = data;
    const { commandId, profileId: owner, cause } = context;
    if (tokenId === null || !parcel) return rejected('data_token.not_found');

    const hasStorage = await this.tokens.hasStorage(owner);
    const command = { tokenId, owner, begunAt, via, parcel, hasStorage };
    const outcome = await this.streams.transact(token, tokenId, exchangeData, command, cause);
    if (outcome.status === 'refused') {
      const end = { status: 'rejected', reason: outcome.refusal.key, cursor: null } as const;
      // First the end, then the bytes: a repeat after a crash must not accept what was destroyed.
      await this.commands.settle(commandId, end, owner, cause);
      await this.parcels.discard([parcel.parcelId]);
      return end;
    }
    const write = { tokenId, parcelId: parcel.parcelId, commandId, profileId: owner };
    await this.deadlines.schedule(writeDeadline(write, this.clock));
    return deferred;
  }
}

@CommandHandler(ExchangeData)
export class ExchangeDataHandler extends Exchange implements ICommandHandler<ExchangeData> {
  execute({ data, context }: ExchangeData): Promise<HandlerResult> {
    return this.exchange(data, context, 'inline');
  }
}

@CommandHandler(ExchangeUpload)
export class ExchangeUploadHandler extends Exchange implements ICommandHandler<ExchangeUpload> {
  execute({ data, context }: ExchangeUpload): Promise<HandlerResult> {
    return this.exchange(data, context, 'stream');
  }
}
