import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, millisOf } from '@symbolon/kernel';
import { SealError, uuid5, uuid7 } from '@symbolon/crypto';
import { AnswerIds } from './answer-ids';
import { dropFile, replaceFile } from './durable';
import { type Correspondence, type Envelope, isEnvelope, readEnvelope, sealedBytes } from './envelope';
import { forgetAt, keepFor, type Ledger } from './ledger';
import type { Link } from './link';
import type { Fields, Log } from './log';
import { notStored, type Order, type Outcome, type Refusal, type Role, type Task } from './role';
import type { ServerKeys } from './server-keys';
import { type Lanes, Slots } from './turns';

interface Parts {
  readonly deviceIdentifier: string;
  readonly pairedAt: string;
  readonly link: Link;
  readonly ledger: Ledger;
  readonly lanes: Lanes;
  readonly correspondence: Correspondence;
  readonly serverKeys: ServerKeys;
  readonly roles: readonly Role[];
  /** Folder of the long orders that were confirmed and are not done. */
  readonly heldDir: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const shortAtOnce = 16;
const longAtOnce = 4;

type Confirm = (id: string) => void;

/**
 * Takes messages in and sees to it that each order is carried out once and answered as often as it comes (contract,
 * sections 16.2 to 16.4). A short order is confirmed once it is done; a long one once it is kept on disk.
 */
export class Orders {
  private readonly byType: ReadonlyMap<string, Role>;
  /** Orders under way and their newest delivery. */
  private readonly underWay = new Map<string, Order>();
  private readonly running = new Set<Promise<void>>();
  private readonly short = new Slots(shortAtOnce);
  private readonly long = new Slots(longAtOnce);
  private readonly answerIds: AnswerIds;

  constructor(private readonly parts: Parts) {
    this.answerIds = new AnswerIds(parts.pairedAt);
    this.byType = new Map(parts.roles.flatMap((role) => role.types.map((type) => [type, role] as const)));
  }

  /** Takes up the long orders that an earlier run left. */
  async resume(): Promise<void> {
    const { heldDir, log } = this.parts;
    await mkdir(heldDir, { recursive: true, mode: 0o700 });
    for (const name of await readdir(heldDir)) {
      const path = join(heldDir, name);
      const message = name.endsWith('.json') ? parse(await readFile(path, 'utf8')) : undefined;
      await rm(path, { force: true });
      if (message === undefined) continue;
      log('resumed', { id: name.slice(0, -'.json'.length) });
      await this.receive(message, () => undefined);
    }
  }

  /** Resolves when everything that was begun has ended; long orders end at once when the agent's signal aborts. */
  async settle(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }

  /** The link's `Receive`. */
  receive(message: unknown, confirm: Confirm): Promise<void> {
    return this.track(this.take(message, confirm));
  }

  private async take(message: unknown, confirm: Confirm): Promise<void> {
    const { deviceIdentifier, clock, log } = this.parts;
    const envelope = readEnvelope(message);
    if (!isEnvelope(envelope) || envelope.deviceIdentifier !== deviceIdentifier) {
      if (envelope.id !== null) confirm(envelope.id);
      log('message-malformed', { id: envelope.id, type: envelope.type });
      if (envelope.type !== 'error')
        await this.refuse(envelope, 'device.envelope_invalid', 'the message is malformed or for another device');
      return;
    }
    const { id, type } = envelope;
    if (clock.millis() - millisOf(envelope.at) > keepFor) {
      confirm(id);
      log('message-too-old', { id, type, at: envelope.at });
      return;
    }
    if (type === 'device.ping') {
      confirm(id);
      const { link, correspondence } = this.parts;
      return link.send(correspondence.plain('device.pong', uuid5(`${id}/pong`), clock.now(), id, {}), {
        passing: true,
      });
    }
    if (type === 'device.pong') return confirm(id);
    if (type === 'error') {
      confirm(id);
      const { correlationId } = envelope;
      const code = String(envelope.body['code']).slice(0, 64);
      log('server-refused', { id, correlationId, code });
      if (correlationId === null) return;
      this.answerIds.refused(correlationId);
      for (const role of this.parts.roles) await role.heardError?.(correlationId, code);
      return;
    }
    if (type.startsWith('storage.') || type.startsWith('ballot.')) return this.takeSealed(envelope, confirm);
    confirm(id);
    log('message-unknown', { id, type });
    await this.refuse(envelope, 'device.envelope_invalid', 'this type of message is not understood');
  }

  private async takeSealed(envelope: Envelope, confirm: Confirm): Promise<void> {
    const { correspondence, ledger, log } = this.parts;
    const { id, type, at } = envelope;
    const invalid = (message: string): Promise<void> => {
      confirm(id);
      log('order-malformed', { id, type });
      return this.refuse(envelope, 'device.envelope_invalid', message);
    };
    const sealed = sealedBytes(envelope);
    if (!sealed) return invalid('the body is not sealed');
    const authentic = await this.isAuthentic(envelope, sealed);
    if (authentic === null) return;
    if (!authentic) {
      confirm(id);
      log('order-forged', { id, type });
      return;
    }

    let content: Order['content'] | null;
    try {
      content = correspondence.open(envelope, sealed);
    } catch (error) {
      if (!(error instanceof SealError)) throw error;
      confirm(id);
      log('unseal-failed', { id, type });
      return this.refuse(envelope, 'device.unseal_failed', 'the body cannot be opened');
    }
    const order: Order | null = content && { id, type, at, content };
    const task = order && (this.byType.get(type)?.plan(order, () => this.underWay.get(id) ?? order) ?? null);
    if (!task)
      return invalid(
        order && this.byType.has(type) ? 'the content is malformed' : 'this device does not serve such orders',
      );

    const done = task.once ? ledger.done(id) : null;
    if (done && task.repeat) {
      confirm(id);
      const { type: answer, content: facts } = task.repeat(done);
      return this.answer(id, answer, facts, done.answeredAt);
    }
    const before = this.underWay.get(id);
    if (before && !task.long) return;
    this.underWay.set(id, order);
    if (!task.long) return this.carryOut(order, task, () => confirm(id));
    const held = this.hold(envelope, task);
    // The turn is taken before the disk is waited for: orders about one object keep their order.
    if (!before) void this.track(this.carryOut(order, task, () => undefined, held));
    await held;
    confirm(id);
  }

  /** Did the server sign this? Null if that cannot be told now; the message then comes again. */
  private async isAuthentic(envelope: Envelope, sealed: Uint8Array): Promise<boolean | null> {
    const { serverKeys, log } = this.parts;
    const { id, type, deviceIdentifier, correlationId, at, sig } = envelope;
    if (sig === undefined) return false;
    const signed = { id, type, deviceIdentifier, correlationId, at, sealed };
    if (serverKeys.known(signed, sig)) return true;
    try {
      return await serverKeys.knownByNow(signed, sig);
    } catch (error) {
      log('signing-keys-unreachable', { id, reason: reasonOf(error) });
      return null;
    }
  }

  private async carryOut(order: Order, task: Task, confirm: () => void, held?: Promise<boolean>): Promise<void> {
    const { lanes, log, clock, signal } = this.parts;
    const { id, type } = order;
    const slots = task.long ? this.long : this.short;
    const turn = () =>
      slots.run(async () => {
        const kept = await held;
        signal.throwIfAborted();
        const at = clock.now();
        if (kept === false) return { at, outcome: notStored };
        return { at, outcome: await this.complete(order, task, at, await task.run(at, signal)) };
      });
    try {
      let tried: Order | undefined;
      let result: { at: string; outcome: Outcome };
      do {
        tried = this.underWay.get(id);
        result = await (task.lane === null ? turn() : lanes.run(task.lane, turn));
        // With a delivery that came meanwhile it may be done after all.
      } while (result.outcome.kind === 'later' && this.underWay.get(id) !== tried);
      this.underWay.delete(id);
      const { at, outcome } = result;
      if (task.long && task.once) await dropFile(this.heldPath(id));
      confirm();
      const about = aboutOf(order);
      if (outcome.kind === 'later') return log('put-off', { ...about, type, reason: outcome.reason });
      if (outcome.kind === 'refused') {
        log('refused', { ...about, type, code: outcome.code });
        return await this.refuse(order, outcome.code, outcome.message);
      }
      log(type, about);
      if (outcome.kind === 'taken') return;
      await this.answer(id, outcome.type, outcome.content, at);
    } catch (error) {
      this.underWay.delete(id);
      throw error;
    }
  }

  /** Makes the effects of an order true together with the memory of it, or takes them back. */
  private async complete(order: Order, task: Task, at: string, outcome: Outcome): Promise<Outcome> {
    if (outcome.kind !== 'answer' || !task.once) return outcome;
    const { ledger, clock, log } = this.parts;
    try {
      await ledger.record(...(outcome.entries ?? []), ['done', order.id, at, forgetAt(order.at, clock.millis())]);
      return outcome;
    } catch (error) {
      log('write-failed', { id: order.id, reason: reasonOf(error) });
      await outcome.undo?.();
      return notStored;
    }
  }

  private async answer(id: string, type: string, content: object, at: string): Promise<void> {
    const { link, correspondence } = this.parts;
    await link.send(correspondence.sealed(type, this.answerIds.of(id), at, id, content));
  }

  private async refuse(
    { id, type }: { id: string | null; type: string | null },
    code: Refusal,
    message: string,
  ): Promise<void> {
    const { link, correspondence, clock } = this.parts;
    await link.send(correspondence.plain('error', uuid7(), clock.now(), id, { code, message, refType: type }));
  }

  /**
   * Keeps a long order on disk; false if that failed. One without an effect needs no keeping: the server asks as long as
   * it wants to know.
   */
  private async hold(envelope: Envelope, { once }: Task): Promise<boolean> {
    if (!once) return true;
    try {
      await replaceFile(this.heldPath(envelope.id), JSON.stringify(envelope));
      return true;
    } catch (error) {
      this.parts.log('write-failed', { id: envelope.id, reason: reasonOf(error) });
      return false;
    }
  }

  private heldPath(id: string): string {
    return join(this.parts.heldDir, `${id}.json`);
  }

  /** Whatever goes wrong unforeseen leaves the message unconfirmed, so that it comes again. */
  private track(work: Promise<void>): Promise<void> {
    const { log, signal } = this.parts;
    const tracked = work
      .catch((error: unknown) => {
        if (!signal.aborted) log('fault', { reason: reasonOf(error) });
      })
      .finally(() => this.running.delete(tracked));
    this.running.add(tracked);
    return tracked;
  }
}

function aboutOf({ id, content: { objectId, version } }: Order): Fields {
  return { id, ...(typeof objectId === 'string' && { objectId }), ...(typeof version === 'number' && { version }) };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown';
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
