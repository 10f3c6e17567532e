import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Injectable } from '@nestjs/common';
import { KeyStore, openStreamFrom, SealError, Sha256Meter } from '@symbolon/crypto';
import { Problem, unauthorized } from '@symbolon/http';
import { Clock } from '@symbolon/kernel';
import { ParcelStore } from '@symbolon/parcel-store';
import type { UploadHandler } from '@symbolon/transfer';
import { DataSource } from 'typeorm';
import { returnPurpose } from '../channel/envelopes';
import { Answers } from '../delivery/answers';
import { type Order, orderOf, type OrderRow, returnedParcel } from '../delivery/order';
import { readingSeconds } from '../routing/routing.projection';

/** Other bytes than those that were asked for. */
class NotTheBytes extends Error {}

/** Takes what a device gives back, as a sealed stream to the server's key (contract, section 16.5). */
@Injectable()
export class ReturnedUpload implements UploadHandler {
  readonly direction = 'up';
  readonly purpose = returnPurpose;
  readonly service = 'device-router';
  readonly boundsItself = true;

  constructor(
    private readonly dataSource: DataSource,
    private readonly keys: KeyStore,
    private readonly parcels: ParcelStore,
    private readonly answers: Answers,
    private readonly clock: Clock,
  ) {}

  async receive(ref: object, body: Readable): Promise<undefined> {
    const { requestId, deviceIdentifier } = ref as { requestId: string; deviceIdentifier: string };
    const order = await this.find(requestId, deviceIdentifier);
    if (!order) throw unauthorized(); // the request was answered or given up meanwhile
    try {
      await this.store(order, body);
    } catch (error) {
      if (!(error instanceof NotTheBytes) && !(error instanceof SealError)) throw error;
      await this.answers.fail(order, 'corrupt');
      throw new Problem(400, 'request_malformed');
    }
    await this.dataSource.query(
      'update device_router.reading set due_at = greatest(due_at, $2) where request_id = $1',
      [requestId, this.clock.after(readingSeconds)],
    );
    await this.dataSource.query(
      `update device_router.delivery set returned_parcel_id = $3
        where kind = 'read' and subject_id = $1 and device_identifier = $2`,
      [requestId, deviceIdentifier, returnedParcel(order)],
    );
    return undefined;
  }

  /** The parcel is there only if its bytes are the right ones. */
  private async store(order: Order, body: Readable): Promise<void> {
    const meter = new Sha256Meter();
    let wrong: NotTheBytes | null = null;
    const right = async function* (opened: AsyncIterable<Uint8Array>) {
      let size = 0;
      for await (const chunk of opened) {
        size += chunk.length;
        if (size > order.sealedSize) throw (wrong = new NotTheBytes());
        yield chunk;
      }
      if (size !== order.sealedSize || meter.hex() !== order.sha256) throw (wrong = new NotTheBytes());
    };
    const { private: keys } = this.keys.sealKeys();
    try {
      await pipeline(body, openStreamFrom(keys), meter, (opened: AsyncIterable<Uint8Array>) =>
        this.parcels.write(returnedParcel(order), right(opened)),
      );
    } catch (error) {
      // Leaving a stream before its end makes an error of its own, which may come first.
      throw wrong ?? error;
    }
  }

  private async find(requestId: string, deviceIdentifier: string): Promise<Order | null> {
    const [row] = await this.dataSource.query<OrderRow[]>(
      `select * from device_router.delivery where kind = 'read' and subject_id = $1 and device_identifier = $2`,
      [requestId, deviceIdentifier],
    );
    return row ? orderOf(row) : null;
  }
}
