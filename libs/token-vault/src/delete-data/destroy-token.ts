import { Injectable } from '@nestjs/common';
import { KeyStore } from '@symbolon/crypto';
import { Clock } from '@symbolon/kernel';
import { Deadlines } from '@symbolon/projection';
import { Transfers } from '@symbolon/transfer';
import { OpenParcels } from '../deliver-data/open-parcels';
import { forgetDeadline, reservationDeadlineId } from '../expire-reservations/expire-reservations.handler';
import { Parcels } from '../parcel/parcels';
import type { Token } from '../token/token.model';

/** What goes with a token: keys, bytes that wait, one-time URLs and deadlines. May be repeated. */
@Injectable()
export class DestroyToken {
  constructor(
    private readonly keys: KeyStore,
    private readonly parcels: Parcels,
    private readonly opened: OpenParcels,
    private readonly transfers: Transfers,
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
  ) {}

  async destroy(tokenId: string, { held }: Token): Promise<void> {
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
  }
}
