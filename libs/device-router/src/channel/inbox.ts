import { Injectable } from '@nestjs/common';
import { envelopeInfo, type Reason, reasons } from '@symbolon/contracts';
import { KeyStore, openMessage, SealError, uuid5, uuid7, verifyEnvelope } from '@symbolon/crypto';
import { DeviceLink, type Envelope } from '@symbolon/device-link';
import { isUuid } from '@symbolon/http';
import { Clock, Gathered, instant, millisOf } from '@symbolon/kernel';
import { Logger, Metrics } from '@symbolon/observe';
import { DataSource } from 'typeorm';
import { Votes } from '../ballot/votes';
import { Inventories } from '../synchronize/inventories';
import { Answers } from '../delivery/answers';
import { type Order, orderOf, type OrderRow } from '../delivery/order';
import { fromBase64, isObject, readEnvelope } from './contents';
import { Presence } from './presence';
import { Rejections } from './rejections';

/** What the server answers to a message that it cannot take (contract, section 16.4). */
export type Fault = Extract<
  Reason,
  | 'device.envelope_invalid'
  | 'device.unseal_failed'
  | 'device.signature_invalid'
  | 'storage.digest_mismatch'
  | 'ballot.unknown'
  | 'ballot.duplicate'
  | 'ballot.expired'
  | 'ballot.voided'
>;

/** What a sealed message means for the order that it answers; null: taken. */
type Reader = (content: unknown, from: From) => Promise<Fault | null>;

interface From {
  readonly order: Order | null;
  readonly envelope: Envelope;
  readonly owner: string;
  /** The envelope carried a valid signature of the device's registered key. */
  readonly signed: boolean;
}

const memoryMillis = 7 * 24 * 3600 * 1000;
/** Answers that may wait for a device; whoever sends that much garbage gets no more of them. */
const mostAnswers = 200;

interface Sender {
  readonly device: string;
  readonly owner: string;
  readonly signingKey: string | null;
  readonly seen: boolean;
  /** The error that was answered when the id was seen first. */
  readonly answer: Fault | null;
  readonly order: Order | null;
}

type SenderRow = Partial<OrderRow> & {
  readonly sender: string | null;
  readonly owner_profile_id: string;
  readonly signing_key: string | null;
  readonly seen: boolean;
  readonly answer: { code: Fault } | null;
};

/**
 * Takes the messages of devices: each id once, whatever comes again, for seven days and over restarts. It resolves when
 * the effect is stored and rejects only while it cannot be: nothing that a device sends makes it fail.
 */
@Injectable()
export class Inbox {
  private readonly readers: Readonly<Record<string, Reader>>;
  private readonly lookUps = new Gathered<Envelope, Sender | null>((envelopes) => this.lookUp(envelopes));
  private readonly memory = new Gathered<{ envelope: Envelope; fault: Fault | null }, void>((taken) =>
    this.remember(taken),
  );

  constructor(
    private readonly dataSource: DataSource,
    private readonly keys: KeyStore,
    private readonly link: DeviceLink,
    private readonly presence: Presence,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly metrics: Metrics,
    private readonly rejections: Rejections,
    answers: Answers,
    votes: Votes,
    inventories: Inventories,
  ) {
    this.readers = {
      'storage.write_ack': (content, { order, signed }) => answers.writeAck(content, order, signed),
      'storage.read_result': (content, { order }) => answers.readResult(content, order),
      'storage.delete_ack': (content, { order }) => answers.deleteAck(content, order),
      'storage.inventory_result': (content, { envelope, signed }) => inventories.take(content, envelope, signed),
      'ballot.vote': (content, { envelope, owner, signed }) => votes.take(content, envelope, owner, signed),
    };
    this.spoiled = (order) => answers.spoiled(order);
  }

  private readonly spoiled: (order: Order | null) => Promise<void>;

  async receive(deviceIdentifier: string, message: unknown): Promise<void> {
    this.presence.heard(deviceIdentifier);
    const envelope = readEnvelope(message);
    if (!envelope || envelope.deviceIdentifier !== deviceIdentifier) return this.refuse(deviceIdentifier, message);
    if (millisOf(envelope.at) < this.clock.millis() - memoryMillis) return; // too old: dropped
    switch (envelope.type) {
      case 'device.ping':
        return this.pong(envelope);
      case 'device.pong':
        return;
      case 'error':
        return this.hearError(envelope);
      default:
        return this.take(envelope);
    }
  }

  /** Answers a message whose effect was decided after it was taken; what is known of it may still be on its way here. */
  async answerLater(deviceIdentifier: string, id: string, type: string, code: Fault): Promise<void> {
    await this.dataSource.query(
      `insert into device_router.seen (device_identifier, id, answer, keep_until) values ($1, $2, $3, $4)
       on conflict (device_identifier, id) do update set answer = excluded.answer`,
      [deviceIdentifier, id, { code }, instant(this.clock.millis() + memoryMillis)],
    );
    this.answer(deviceIdentifier, id, type, code);
  }

  /** Forgets ids that are too old to be taken anyway. */
  async forget(): Promise<void> {
    await this.dataSource.query('delete from device_router.seen where keep_until < $1', [this.clock.now()]);
  }

  private async take(envelope: Envelope): Promise<void> {
    const sender = await this.lookUps.ask(envelope);
    if (!sender) return; // the device is gone
    if (sender.seen) {
      this.metrics.deviceMessage('in', envelope.type, 'repeated');
      if (sender.answer) this.answer(envelope.deviceIdentifier, envelope.id, envelope.type, sender.answer);
      return;
    }
    const fault = await this.open(envelope, sender);
    await this.memory.ask({ envelope, fault });
    this.metrics.deviceMessage('in', envelope.type, fault ? 'refused' : 'taken');
    if (fault) this.answer(envelope.deviceIdentifier, envelope.id, envelope.type, fault);
  }

  private async open(envelope: Envelope, { owner, signingKey, order }: Sender): Promise<Fault | null> {
    const { id, type, deviceIdentifier, sig } = envelope;
    const reader = this.readers[type];
    const sealed = fromBase64((envelope.body as { sealed?: unknown }).sealed);
    if (!reader || !sealed) return 'device.envelope_invalid';
    if (signingKey !== null && (sig === undefined || !verifyEnvelope(signingKey, { ...envelope, sealed }, sig))) {
      const reason = 'device.signature_invalid';
      await this.rejections.record({ deviceIdentifier, envelopeId: id, messageType: type, owner, reason });
      return reason;
    }
    const text = this.unseal(envelopeInfo(id, type, deviceIdentifier), sealed);
    if (text === null) {
      await this.spoiled(order);
      return 'device.unseal_failed';
    }
    const content = parse(text);
    if (content === undefined) {
      await this.spoiled(order);
      return 'device.envelope_invalid';
    }
    return reader(content, { order, envelope, owner, signed: signingKey !== null });
  }

  private unseal(info: string, sealed: Buffer): string | null {
    try {
      return openMessage(this.keys.sealKeys().private, info, sealed).toString('utf8');
    } catch (error) {
      if (error instanceof SealError) return null;
      throw error;
    }
  }

  /** Not even an envelope, or one in another device's name. */
  private refuse(deviceIdentifier: string, message: unknown): void {
    const { id, type } = isObject(message) ? message : {};
    this.metrics.deviceMessage('in', typeof type === 'string' ? type : 'none', 'refused');
    if (type === 'error') return; // never answered with another
    this.answer(
      deviceIdentifier,
      isUuid(id) ? id : null,
      typeof type === 'string' ? type : null,
      'device.envelope_invalid',
    );
  }

  private answer(deviceIdentifier: string, correlationId: string | null, refType: string | null, code: Fault): void {
    if (this.link.waiting(deviceIdentifier) >= mostAnswers) return;
    const id = correlationId === null ? uuid7() : uuid5(`${deviceIdentifier}/${correlationId}/error`);
    const body = { code, message: reasons[code], refType: refType?.slice(0, 64) ?? null };
    const envelope: Envelope = { v: 1, id, type: 'error', deviceIdentifier, correlationId, at: this.clock.now(), body };
    void this.link.send(envelope, { keep: true });
  }

  private pong({ id, deviceIdentifier }: Envelope): void {
    if (this.link.waiting(deviceIdentifier) >= mostAnswers) return;
    const envelope = { id: uuid5(`${deviceIdentifier}/${id}/pong`), deviceIdentifier, correlationId: id };
    void this.link.send({ v: 1, ...envelope, type: 'device.pong', at: this.clock.now(), body: {} });
  }

  /** An order that a device could not do goes again by its schedule. */
  private async hearError(envelope: Envelope): Promise<void> {
    const { code } = envelope.body as { code?: unknown };
    const known = typeof code === 'string' && Object.hasOwn(reasons, code) ? code : 'unknown';
    this.metrics.deviceMessage('in', 'error', 'taken');
    this.log.info({ code: known }, 'a device could not do what it was told');
    // Writes and deletions come again by themselves; of a reading it is an answer: what the device has is damaged.
    if (known === 'storage.digest_mismatch') await this.spoiled((await this.lookUps.ask(envelope))?.order ?? null);
  }

  /** Everything that is to be known about some messages, in one look. */
  private async lookUp(envelopes: readonly Envelope[]): Promise<Array<Sender | null>> {
    const rows = await this.dataSource.query<SenderRow[]>(
      `select d.device_identifier as sender, d.owner_profile_id, k.signing_key, s.id is not null as seen, s.answer, o.*
         from json_to_recordset($1::json) as m(n int, device uuid, id uuid, correlation uuid)
         left join device_router.device d on d.device_identifier = m.device and d.status = 'approved'
         left join device_router.public_key k on k.profile_id = m.device
         left join lateral (
           select id, answer from device_router.seen where device_identifier = m.device and id = m.id limit 1) s on true
         left join lateral (
           select * from device_router.delivery
            where envelope_id = m.correlation and device_identifier = m.device limit 1) o on true
        order by m.n`,
      [
        JSON.stringify(
          envelopes.map(({ deviceIdentifier: device, id, correlationId: correlation }, n) => ({
            n,
            device,
            id,
            correlation,
          })),
        ),
      ],
    );
    return rows.map((row) => {
      if (row.sender === null) return null;
      return {
        device: row.sender,
        owner: row.owner_profile_id,
        signingKey: row.signing_key,
        seen: row.seen,
        answer: row.answer?.code ?? null,
        order: row.kind ? orderOf(row as OrderRow) : null,
      };
    });
  }

  private async remember(taken: ReadonlyArray<{ envelope: Envelope; fault: Fault | null }>): Promise<void[]> {
    const now = this.clock.millis();
    await this.dataSource.query(
      `insert into device_router.seen (device_identifier, id, answer, keep_until)
       select * from unnest($1::uuid[], $2::uuid[], $3::jsonb[], $4::timestamptz[]) on conflict do nothing`,
      [
        taken.map(({ envelope }) => envelope.deviceIdentifier),
        taken.map(({ envelope }) => envelope.id),
        taken.map(({ fault }) => (fault ? JSON.stringify({ code: fault }) : null)),
        // As long as the message would be taken: a sender's clock may be ahead of ours.
        taken.map(({ envelope }) => instant(Math.max(now, Math.min(millisOf(envelope.at), now * 2)) + memoryMillis)),
      ],
    );
    return taken.map(() => undefined);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
