import { Injectable } from '@nestjs/common';
import type { CopyEvent, ReadingEvent } from '@symbolon/contracts';
import { DeviceLink, type Envelope } from '@symbolon/device-link';
import { Clock, instant, isOutage, Streams, system, Unavailable } from '@symbolon/kernel';
import { Logger, Metrics } from '@symbolon/observe';
import { DataSource } from 'typeorm';
import { readingOf } from '../reading/reading.model';
import { copyStream, type Order, orderOf, type OrderRow, stepOf } from '../delivery/order';
import { Ballots, type BallotRow, isBallot } from '../ballot/ballots';
import { type Addressee, Envelopes } from './envelopes';

/** Envelopes that one device may have on the way (contract, section 16.6). */
const window = 100;
const pollMillis = 500;

type ClaimedRow = (OrderRow | BallotRow) & {
  readonly envelope_id: string;
  readonly envelope_at: Date;
  readonly public_key: string | null;
};

/** Seconds until an order without answer is sent again: 30, doubling to an hour (contract, section 16.4). */
const delay = 'least(30 * power(2, least(d.attempts, 10)), 3600)';

/** One list of records, whose plan is kept; by ctid, so that it stays good however large the table was when it was made. */
const claimDue = `
  with due as (
    select o.*
      from json_to_recordset($1::json) as w(device uuid, room int)
     cross join lateral (
       select ctid, coalesce(envelope_at <= $2::timestamptz - interval '6 days', false)::int as renewed
         from device_router.delivery
        where device_identifier = w.device and next_at <= $2 and (expires_at is null or expires_at > $2)
        order by next_at, number limit w.room for update skip locked) o),
  claimed as (
    update device_router.delivery d
       set attempts = d.attempts + 1,
           next_at = $2::timestamptz + make_interval(secs => ${delay}),
           round = d.round + due.renewed,
           envelope_at = case when due.renewed = 1 or d.envelope_at is null then $2 else d.envelope_at end,
           envelope_id = device_router.envelope_id(d.cause_id, d.device_identifier, d.round + due.renewed)
      from due
     where d.ctid = due.ctid
    returning d.*)
  select claimed.*, k.public_key from claimed
    left join device_router.public_key k on k.profile_id = claimed.device_identifier
   order by claimed.number`;

/**
 * Brings what lies in the delivery table to the devices that are connected, up to a window's worth at a time to each,
 * so that one slow device never holds another. A row stays until the log has taken up the answer.
 */
@Injectable()
export class Courier {
  private readonly underWay = new Map<string, Set<string>>();
  /** Devices for which more lay ready than their window took. */
  private readonly backlog = new Set<string>();
  private working = false;
  private again = false;
  private running = false;
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly dataSource: DataSource,
    private readonly link: DeviceLink,
    private readonly streams: Streams,
    private readonly envelopes: Envelopes,
    private readonly ballots: Ballots,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly metrics: Metrics,
  ) {
    link.onConnected((deviceIdentifier) => void this.connected(deviceIdentifier));
    link.onReachable(() => this.wake());
  }

  start(): void {
    this.running = true;
    this.timer ??= setInterval(() => this.wake(), pollMillis).unref();
    this.wake();
  }

  stop(): void {
    this.running = false;
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  /** Something may be due. */
  wake(): void {
    this.again = true;
    if (!this.working && this.running) void this.work();
  }

  /** What this device has not answered is due at once: what was on the way on its old connection may be lost. */
  private async connected(deviceIdentifier: string): Promise<void> {
    try {
      // Rows that somebody holds are being answered or sent just now.
      await this.dataSource.query(
        `update device_router.delivery d set next_at = '-infinity'
           from (select ctid from device_router.delivery
                  where device_identifier = $1 and next_at > '-infinity' and next_at < 'infinity' for update skip locked) o
          where d.ctid = o.ctid`,
        [deviceIdentifier],
      );
    } catch (error) {
      this.log.warn({ error }, 'orders will be sent again by their schedule');
    }
    this.wake();
  }

  private async work(): Promise<void> {
    this.working = true;
    try {
      while (this.again && this.running) {
        this.again = false;
        for (const row of await this.claim()) void this.deliver(row);
      }
    } catch (error) {
      this.log.warn({ error }, 'orders will be looked for again');
    } finally {
      this.working = false;
    }
  }

  private async claim(): Promise<ClaimedRow[]> {
    const rooms = this.link
      .reachable()
      .map((device) => [device, window - (this.underWay.get(device)?.size ?? 0)] as const)
      .filter(([, room]) => room > 0);
    if (rooms.length === 0) return [];
    const rows = await this.dataSource.query<ClaimedRow[]>(claimDue, [
      JSON.stringify(rooms.map(([device, room]) => ({ device, room }))),
      this.clock.now(),
    ]);
    const taken = new Map<string, number>();
    for (const { device_identifier: device } of rows) taken.set(device, (taken.get(device) ?? 0) + 1);
    for (const [device, room] of rooms) if (taken.get(device) === room) this.backlog.add(device);
    return rows;
  }

  private async deliver(row: ClaimedRow): Promise<void> {
    const { device_identifier: device, envelope_id: id } = row;
    const mine = this.underWay.get(device) ?? new Set<string>();
    this.underWay.set(device, mine.add(id));
    try {
      const envelope = await this.dispatch(row);
      if (envelope) {
        const expiresAt = isBallot(row) ? { expiresAt: instant(row.expires_at.getTime()) } : {};
        const sent = await this.link.send(envelope, expiresAt);
        if (sent === 'confirmed') {
          this.metrics.deviceMessage('out', envelope.type, 'sent');
          await this.ballots.arrived(row);
        } else if (!this.link.connected().includes(device)) {
          await this.putBack(id);
        }
      }
    } catch (error) {
      this.log.warn({ error, kind: row.kind }, 'an order will be sent again');
      if (error instanceof Unavailable || isOutage(error)) await this.giveBack(row);
    } finally {
      mine.delete(id);
      if (mine.size === 0 && this.underWay.get(device) === mine) this.underWay.delete(device);
      // Half a window at a time: one look into the table for many orders.
      if (mine.size <= window / 2 && this.backlog.delete(device)) this.wake();
    }
  }

  /** It never left: it is due as soon as the device can be reached. */
  private async putBack(id: string): Promise<void> {
    await this.dataSource.query(
      `update device_router.delivery set next_at = '-infinity' where envelope_id = $1 and next_at < 'infinity'`,
      [id],
    );
  }

  /** An outage of ours is no try: the order is due again as soon as it is over. */
  private async giveBack({ envelope_id: id }: ClaimedRow): Promise<void> {
    for (let wait = pollMillis; this.running; wait = Math.min(wait * 2, 5000)) {
      await new Promise((resolve) => setTimeout(resolve, wait).unref());
      try {
        await this.dataSource.query(
          `update device_router.delivery set next_at = '-infinity', attempts = attempts - 1 where envelope_id = $1`,
          [id],
        );
        return this.wake();
      } catch (error) {
        this.log.warn({ error }, 'an order still waits for the end of an outage');
      }
    }
  }

  /** The order stands in the log before it leaves. */
  private async dispatch(row: ClaimedRow): Promise<Envelope | null> {
    const addressee: Addressee = {
      publicKey: row.public_key,
      id: row.envelope_id,
      at: instant(row.envelope_at.getTime()),
    };
    if (isBallot(row)) return this.ballots.compose(row, addressee);
    const order = orderOf(row);
    const [envelope] = await Promise.all([this.envelopes.compose(order, addressee), this.record(order)]);
    if (!envelope) this.log.warn({ kind: row.kind }, 'an order has lost what it needs');
    return envelope;
  }

  private async record(order: Order): Promise<void> {
    const { tokenId, version, deviceIdentifier, requestId } = order;
    const cause = stepOf(order, 'dispatched', system);
    if (order.kind === 'read' && requestId !== null) {
      const data = { tokenId, version, deviceIdentifier, requestId };
      const event: ReadingEvent = { type: 'storage.read_dispatched', version: 1, data };
      await this.streams.append(`${readingOf(order).category}-${requestId}`, 'any', [event], cause);
      return;
    }
    const event: CopyEvent =
      order.kind === 'write'
        ? { type: 'storage.write_dispatched', version: 1, data: { tokenId, version, deviceIdentifier } }
        : { type: 'storage.delete_dispatched', version: 1, data: { tokenId, upToVersion: version, deviceIdentifier } };
    await this.streams.append(copyStream(order), 'any', [event], cause);
  }
}
