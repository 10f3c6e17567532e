import type { Readable } from 'node:stream';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { uuid5 } from '@symbolon/crypto';
import { type Actor, type Cause, Clock, EventStore, Streams } from '@symbolon/kernel';
import { Deadlines } from '@symbolon/projection';
import { type DownloadHandler, Transfers } from '@symbolon/transfer';
import { retrieval } from '../retrieval/retrieval.model';
import { markDownloaded } from './deliver-data.decide';
import { OpenParcels } from './open-parcels';

/** Kind of the deadlines at which an answer to a request is cleared away. */
export const downloadDeadline = 'token-vault.download';
/** Seconds that every gateway has to make its message of the data after they were downloaded; it takes milliseconds. */
const grace = 2;

/** Row 28. The auth stands for one answer to one request. */
@Injectable()
export class DownloadData implements DownloadHandler, OnModuleInit {
  readonly direction = 'down';
  readonly purpose = 'download';

  constructor(
    private readonly transfers: Transfers,
    private readonly streams: Streams,
    private readonly store: EventStore,
    private readonly opened: OpenParcels,
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.transfers.register(this);
  }

  /** Null when the answer was fetched, or its token deleted. A damaged body ends the transfer before its length is reached. */
  async open(ref: object): Promise<{ length: number; body: Readable; sent(): Promise<void> } | null> {
    const { requestId } = ref as { requestId: string };
    const { state } = await this.streams.load(retrieval, requestId);
    if (state.phase !== 'ready' || !state.asked || !state.ready) return null;
    const delivery = await this.opened.deliver(state.asked, state.ready.parcelId);
    const inline = state.ready.outputType === 0;
    return (
      delivery && {
        length: delivery.length,
        body: delivery.bytes,
        sent: () => this.sent(requestId, inline),
      }
    );
  }

  private async sent(requestId: string, inline: boolean): Promise<void> {
    const cause: Cause = {
      commandId: null,
      correlationId: requestId,
      causationId: uuid5(`${requestId}/token-vault.downloaded`),
      actor: await this.askedBy(requestId),
    };
    await this.streams.transact(retrieval, requestId, markDownloaded, {}, cause);
    if (inline) await this.keepForMessages(requestId);
    else await this.opened.clear(requestId);
    await this.deadlines.cancel(`${downloadDeadline}/${requestId}`);
  }

  /** The auth stands for whoever asked for the data. */
  private async askedBy(requestId: string): Promise<Actor> {
    for await (const { meta } of this.store.read(`retrieval-${requestId}`)) return meta.actor;
    throw new Error(`retrieval ${requestId} was never requested`);
  }

  /** The message may go out only now: it waits for the command's HTTP answer, and the download need not. */
  private keepForMessages(requestId: string): Promise<void> {
    const id = `${downloadDeadline}/${requestId}/fetched`;
    const dueAt = this.clock.after(grace);
    return this.deadlines.schedule({ id, kind: downloadDeadline, dueAt, data: { requestId } });
  }
}
