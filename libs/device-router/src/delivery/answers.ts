import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { KeyStore, sha256Hex } from '@symbolon/crypto';
import { type Actor, Streams } from '@symbolon/kernel';
import { ParcelStore } from '@symbolon/parcel-store';
import { DataSource } from 'typeorm';
import { readDeleteAck, readReadResult, readWriteAck } from '../channel/contents';
import { type ReadFault, readingOf } from '../reading/reading.model';
import { answerReading, failRead } from '../reading/settle-reading.decide';
import { acknowledgeDelete, acknowledgeWrite, judgeAnswer } from './acknowledge.decide';
import { copyStream, type Order, returnedParcel, stepOf } from './order';

type AnswerFault = 'device.envelope_invalid' | 'storage.digest_mismatch';

/**
 * What devices answer to their orders. An answer to an order that is not open (any more) has no effect and no error:
 * it was answered before, or has become void. Every step is derived from its order, so that it is recorded once.
 */
@Injectable()
export class Answers {
  constructor(
    private readonly keys: KeyStore,
    private readonly streams: Streams,
    private readonly parcels: ParcelStore,
    private readonly dataSource: DataSource,
  ) {}

  async writeAck(content: unknown, order: Order | null, signed: boolean): Promise<AnswerFault | null> {
    const ack = readWriteAck(content);
    if (!ack) return 'device.envelope_invalid';
    if (!order) return null;
    const decision = acknowledgeWrite({ ...ack, expectedObjectId: this.objectId(order), signed }, order);
    if (!decision.accepted) return decision.refusal.key as AnswerFault;
    await this.streams.append(copyStream(order), 'any', decision.events, stepOf(order, 'acknowledged', actorOf(order)));
    return null;
  }

  async deleteAck(content: unknown, order: Order | null): Promise<AnswerFault | null> {
    const ack = readDeleteAck(content);
    if (!ack) return 'device.envelope_invalid';
    if (!order) return null;
    const decision = acknowledgeDelete({ ...ack, expectedObjectId: this.objectId(order) }, order);
    if (!decision.accepted) return decision.refusal.key as AnswerFault;
    await this.streams.append(copyStream(order), 'any', decision.events, stepOf(order, 'acknowledged', actorOf(order)));
    return null;
  }

  async readResult(content: unknown, order: Order | null): Promise<AnswerFault | null> {
    const result = readReadResult(content);
    if (!result) {
      await this.spoiled(order);
      return 'device.envelope_invalid';
    }
    if (!order) return null;
    if (order.kind !== 'read') return 'device.envelope_invalid';
    const { payload, size } = result;
    const worth = judgeAnswer({ ...result, expectedObjectId: this.objectId(order) }, order);
    if (worth !== 'promising') {
      await this.fail(order, worth);
      return worth === 'corrupt' ? 'storage.digest_mismatch' : null;
    }
    // It says that it has uploaded, and has not, or not to the end: there is still time for that.
    if (payload === null && order.returnedParcelId === null) return 'device.envelope_invalid';
    const honest =
      size === order.sealedSize &&
      (payload === null || (payload.length === size && sha256Hex(payload) === order.sha256));
    if (!honest) {
      await this.fail(order, 'corrupt');
      return 'storage.digest_mismatch';
    }
    if (payload !== null)
      await this.parcels.write(returnedParcel(order), Readable.from([payload], { objectMode: false }));
    await this.use(order);
    return null;
  }

  /** An answer that cannot be made out: of a read it is a damaged answer, else the order stays open. */
  async spoiled(order: Order | null): Promise<void> {
    if (order?.kind === 'read') await this.fail(order, 'corrupt');
  }

  async fail(order: Order, reason: ReadFault): Promise<void> {
    const { tokenId, version, deviceIdentifier, requestId } = order;
    if (requestId === null) return;
    const [row] = await this.dataSource.query<Array<{ asked: string[] }>>(
      'select asked from device_router.reading where request_id = $1',
      [requestId],
    );
    if (!row) return; // over
    const command = { tokenId, version, deviceIdentifier, requestId, reason, asked: row.asked };
    await this.streams.transact(
      readingOf(order),
      requestId,
      failRead,
      command,
      stepOf(order, 'failed', actorOf(order)),
    );
  }

  /** The first usable answer counts; what another device has given then is not needed. */
  private async use(order: Order): Promise<void> {
    const { tokenId, version, deviceIdentifier, requestId, sealedSize: size } = order;
    if (requestId === null) return;
    const parcelId = returnedParcel(order);
    const command = { tokenId, version, deviceIdentifier, requestId, size, parcelId };
    const cause = stepOf(order, 'answered', actorOf(order));
    const outcome = await this.streams.transact(readingOf(order), requestId, answerReading, command, cause);
    const used = outcome.status === 'succeeded' && outcome.state.answeredBy === deviceIdentifier;
    if (!used) await this.parcels.delete(parcelId);
  }

  private objectId({ tokenId, deviceIdentifier }: Order): string {
    return this.keys.objectId(tokenId, deviceIdentifier);
  }
}

function actorOf({ deviceIdentifier }: Order): Actor {
  return { profileId: deviceIdentifier, kind: 'device', deviceIdentifier };
}
