import { buffer } from 'node:stream/consumers';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Commands, CommandStatuses } from '@symbolon/command-log';
import type { ReadAnswered, ReadingFailed } from '@symbolon/contracts';
import { KeyStore, SealError, uuid5 } from '@symbolon/crypto';
import { type Cause, Clock, EventStore, type Instant, type Recorded, Streams, wholeSeconds } from '@symbolon/kernel';
import { ParcelStore } from '@symbolon/parcel-store';
import { type ChannelMessages, Registry } from '@symbolon/platform';
import { Deadlines } from '@symbolon/projection';
import { Settings } from '@symbolon/settings';
import { Transfers } from '@symbolon/transfer';
import { Batches, type ItemEnd } from '../batch/batches';
import { forgetDeadline } from '../expire-reservations/expire-reservations.handler';
import { RequestBatch } from '../request-batch/request-batch.command';
import { RequestData } from '../request-data/request-data.command';
import type { DataRequested, RetrievalData } from '../retrieval/retrieval.events';
import { type Retrieval, retrieval } from '../retrieval/retrieval.model';
import { StoreBatch } from '../store-batch/store-batch.command';
import { openColumn } from '../token/token-boxes';
import type { TokenData } from '../token/token.events';
import { Tokens } from '../token/tokens.query';
import { failRetrieval, inlineLimit, markReady } from './deliver-data.decide';
import { downloadDeadline as kind } from './download-data';
import { OpenParcels } from './open-parcels';

type CommandCause = Cause & { readonly commandId: string };

/** Seconds that a download auth lives. */
const lifetime = 300;
const recheck = 10;

/** Makes a device's answer ready for the requester, tells him, and clears away what he does not fetch. */
@Injectable()
export class DeliverData implements OnModuleInit {
  constructor(
    private readonly streams: Streams,
    private readonly store: EventStore,
    private readonly keys: KeyStore,
    private readonly commands: Commands,
    private readonly statuses: CommandStatuses,
    private readonly transfers: Transfers,
    private readonly parcels: ParcelStore,
    private readonly opened: OpenParcels,
    private readonly batches: Batches,
    private readonly tokens: Tokens,
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
    private readonly settings: Settings,
    private readonly registry: Registry,
  ) {}

  onModuleInit(): void {
    this.registry.reactors({
      name: 'token-vault.when-reading-ended-then-deliver',
      categories: ['reading'],
      on: {
        'storage.read_answered': (event) => this.answered(event),
        'storage.reading_failed': ({ id, data }) => {
          const { requestId, reason } = data as ReadingFailed['data'];
          return this.fail(requestId, reason, id);
        },
      },
    });
    this.registry.reactors({
      name: 'token-vault.when-token-deleted-then-end-its-requests',
      categories: ['token'],
      on: { 'data_token.deleted': (event) => this.deleted(event) },
    });
    this.registry.reactors({
      name: 'token-vault.when-retrieval-failed-then-reject',
      categories: ['retrieval'],
      on: { 'data_token.retrieval_failed': (event) => this.failed(event) },
    });
    this.registry.message('data_token.data_ready', 'retrieval', (event) => this.messages(event));
    this.deadlines.handle<{ requestId: string }>(kind, ({ requestId }) => this.lapsed(requestId));
    this.statuses.present([RequestData.type], async (result, profileId) => {
      const { requestId, outputType, size, expiresAt } = result;
      return { requestId, outputType, size, downloadUrl: await this.urlOf(profileId, String(requestId)), expiresAt };
    });
    this.statuses.present([StoreBatch.type, RequestBatch.type], async ({ items }, profileId) => {
      return { items: await this.shown(items as ItemEnd[], profileId) };
    });
  }

  private async answered({ id, data }: Recorded): Promise<void> {
    const { requestId, parcelId } = data as ReadAnswered['data'];
    const { state } = await this.streams.load(retrieval, requestId);
    const late = state.phase === 'failed' || (state.ready !== null && state.ready.parcelId !== parcelId);
    if (!state.asked || late) return this.parcels.delete(parcelId);
    const cause = await this.causeOf(requestId, id);
    if (state.phase !== 'asked') return this.tellReady(state, cause);
    const refusal = await this.check(state.asked, parcelId);
    if (refusal === null) {
      const now = await this.makeReady(state.asked, parcelId, cause);
      // Meanwhile it may have failed: then nobody fetches this.
      return now.ready ? this.tellReady(now, cause) : this.opened.clear(requestId);
    }
    await this.fail(requestId, refusal, id);
    await this.parcels.delete(parcelId);
  }

  /** Why the answer cannot be delivered, or null. What goes inline is opened here; a download proves itself on its way. */
  private async check(asked: DataRequested['data'], parcelId: string): Promise<string | null> {
    try {
      const body = await this.opened.read(asked, parcelId);
      if (!body) return 'data_token.not_found'; // deleted meanwhile
      if (asked.size > inlineLimit) body.destroy();
      else if ((await buffer(body)).length !== asked.size) return 'storage.data_corrupt';
      return null;
    } catch (error) {
      if (error instanceof SealError) return 'storage.data_corrupt';
      throw error;
    }
  }

  /** Answers what is ready by then: this answer, or another that was first. */
  private async makeReady(asked: DataRequested['data'], parcelId: string, cause: Cause): Promise<Retrieval> {
    const { requestId, tokenId, profileId, dataKey } = asked;
    await this.opened.note({ requestId, tokenId, parcelId, keyId: dataKey.keyId });
    const { auth, authHash, expiresAt } = await this.transfers.issue({
      direction: 'down',
      purpose: 'download',
      id: requestId,
      ref: { requestId },
      expiresAt: this.clock.after(lifetime),
    });
    await this.keys.keepString(profileId, requestId, auth);
    const ready = { parcelId, downloadAuthHash: authHash, expiresAt };
    const outcome = await this.streams.transact(retrieval, requestId, markReady, ready, cause);
    if (outcome.status === 'refused') throw new Error('an answer is never refused');
    return outcome.state;
  }

  private async tellReady({ asked, ready }: Retrieval, cause: CommandCause): Promise<void> {
    if (!asked || !ready) throw new Error('there is nothing ready to tell of');
    const { requestId } = asked;
    const { expiresAt, outputType } = ready;
    await this.deadlines.schedule({ id: `${kind}/${requestId}`, kind, dueAt: expiresAt, data: { requestId } });
    await this.deadlines.schedule(forgetDeadline(requestId, this.clock));
    const result = { requestId, outputType, size: asked.size, expiresAt: wholeSeconds(expiresAt) };
    if (asked.ofBatch) {
      const { tokenId, profileId } = asked;
      const ended = { status: 'succeeded', reason: null, tokenId, ...result } as const;
      return this.batches.ended(requestId, ended, profileId, cause);
    }
    const end = { status: 'succeeded', result, cursor: await this.store.tail() } as const;
    await this.commands.settle(cause.commandId, end, asked.profileId, cause);
  }

  /** Who waits for its data waits no longer. */
  private async deleted({ id, data }: Recorded): Promise<void> {
    const { tokenId } = data as TokenData<'data_token.deleted'>;
    for (const requestId of await this.opened.open(tokenId)) await this.fail(requestId, 'data_token.not_found', id);
  }

  /** Once more: of a request that has failed nothing else is left to tell that its command has not ended. */
  private async failed({ id, data }: Recorded): Promise<void> {
    const { requestId, reason } = data as RetrievalData<'data_token.retrieval_failed'>;
    const { state } = await this.streams.load(retrieval, requestId);
    if (!state.asked) return;
    await this.reject(state.asked, reason, await this.store.tail(), await this.causeOf(requestId, id));
  }

  private async fail(requestId: string, reason: string, eventId: string): Promise<void> {
    const { state } = await this.streams.load(retrieval, requestId);
    if (!state.asked) return;
    const cause = await this.causeOf(requestId, eventId);
    const outcome = await this.streams.transact(retrieval, requestId, failRetrieval, { reason }, cause);
    if (outcome.status === 'refused' || outcome.cursor === null) return;
    await this.reject(state.asked, reason, outcome.cursor, cause);
  }

  private async reject(
    { requestId, tokenId, profileId, ofBatch }: DataRequested['data'],
    reason: string,
    cursor: string | null,
    cause: Cause & { readonly commandId: string },
  ): Promise<void> {
    const ended = { status: 'rejected', reason } as const;
    if (ofBatch) return this.batches.ended(requestId, { ...ended, tokenId, requestId }, profileId, cause);
    await this.commands.settle(cause.commandId, { ...ended, cursor }, profileId, cause);
  }

  /** The request's own command goes on, whoever answered it. */
  private async causeOf(requestId: string, eventId: string): Promise<CommandCause> {
    for await (const { type, meta } of this.store.read(`retrieval-${requestId}`)) {
      const { commandId, correlationId, actor } = meta;
      if (type !== 'data_token.data_requested' || commandId === null) continue;
      return { commandId, correlationId, actor, causationId: uuid5(`${eventId}/token-vault.deliver-data`) };
    }
    throw new Error(`retrieval ${requestId} was never requested`);
  }

  /** Contract, section 5: the data or where to get it; null once the answer was cleared away. */
  private async messages({ data, meta }: Recorded): Promise<ChannelMessages | null> {
    const { requestId, tokenId, outputType, parcelId } = data as RetrievalData<'data_token.data_ready'>;
    const { state } = await this.streams.load(retrieval, requestId);
    const row = await this.tokens.byId(tokenId);
    if (!state.asked || !row) return null;
    const { profileId } = state.asked;
    const body = outputType === 0 ? await this.inline(state.asked, parcelId) : await this.urlOf(profileId, requestId);
    if (body === null) return null;
    const context = await openColumn<string>(this.opened.boxes, profileId, tokenId, 'context', row.context);
    const ready = {
      type: 'X-DPT-CAB-REQUEST-ID',
      id: requestId,
      data_context: context,
      output_type: outputType,
      body,
    };
    const messages: object[] = [{ data: ready }];
    if (outputType === 1) messages.push({ data: { type: 'STREAM-READY', id: requestId, body } });
    return { profileId, commandId: meta.commandId, applicationId: meta.actor.applicationId ?? null, messages };
  }

  private async inline(asked: DataRequested['data'], parcelId: string): Promise<string | null> {
    const body = await this.opened.deliver(asked, parcelId);
    return body && (await buffer(body.bytes)).toString('base64');
  }

  /** Items of a batch, with their tokens and download URLs. */
  private async shown(items: readonly ItemEnd[], profileId: string): Promise<object[]> {
    const ids = items.flatMap(({ tokenId, requestId }) => [tokenId, requestId]).filter((id) => typeof id === 'string');
    const texts = await this.keys.readStrings(profileId, ids);
    return items.map(({ status, reason, tokenId, requestId, ...rest }) => {
      const auth = status === 'succeeded' && typeof requestId === 'string' ? texts.get(requestId) : undefined;
      return {
        status,
        reason,
        token: texts.get(String(tokenId)) ?? null,
        ...(requestId === undefined ? {} : { requestId }),
        ...rest,
        ...(auth === undefined ? {} : { downloadUrl: `${this.settings.downstreamUrl}?auth=${auth}` }),
      };
    });
  }

  private async urlOf(profileId: string, requestId: string): Promise<string | null> {
    const auth = await this.keys.readString(profileId, requestId);
    return auth && `${this.settings.downstreamUrl}?auth=${auth}`;
  }

  /** The auth is over: nobody will fetch the parcel any more. */
  private async lapsed(requestId: string): Promise<void | { again: Instant }> {
    if (await this.transfers.running('download', requestId)) return { again: this.clock.after(recheck) };
    await this.opened.clear(requestId);
  }
}
