import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, rejected, succeeded } from '@symbolon/command-log';
import { KeyStore } from '@symbolon/crypto';
import { Clock, Streams } from '@symbolon/kernel';
import { Deadlines } from '@symbolon/projection';
import { Transfers } from '@symbolon/transfer';
import { OpenParcels } from '../deliver-data/open-parcels';
import { forgetDeadline, reservationDeadlineId } from '../expire-reservations/expire-reservations.handler';
import { Parcels } from '../parcel/parcels';
import { token } from '../token/token.model';
import { DeleteData } from './delete-data.command';
import { deleteData } from './delete-data.decide';

@CommandHandler(DeleteData)
export class DeleteDataHandler implements ICommandHandler<DeleteData> {
  constructor(
    private readonly streams: Streams,
    private readonly keys: KeyStore,
    private readonly parcels: Parcels,
    private readonly opened: OpenParcels,
    private readonly transfers: Transfers,
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
  ) {}

  /** Keys and bytes are gone before the command has succeeded; a run that was cut off destroys them again. */
  async execute({ data, context }: DeleteData): Promise<HandlerResult> {
    const { tokenId, begunAt } = data;
    const { profileId: owner, cause } = context;
    if (tokenId === null) return rejected('data_token.not_found');
    const outcome = await this.streams.transact(token, tokenId, deleteData, { tokenId, owner, begunAt }, cause);
    if (outcome.status === 'refused') return rejected(outcome.refusal);

    const { held } = outcome.state;
    const parcelIds = await this.parcels.ofToken(tokenId);
    await this.parcels.discard([...new Set([...parcelIds, ...(held ? [held.dataKey.keyId] : [])])]);
    for (const requestId of await this.opened.waiting(tokenId)) {
      await this.transfers.revoke('download', requestId);
      await this.opened.clear(requestId);
    }
    await this.transfers.revoke('reservation', tokenId);
    await this.keys.forgetSecret('data-token', tokenId);
    await this.deadlines.cancel(reservationDeadlineId(tokenId));
    await this.deadlines.schedule(forgetDeadline(tokenId, this.clock));
    return succeeded({ tokenId }, outcome.cursor);
  }
}
