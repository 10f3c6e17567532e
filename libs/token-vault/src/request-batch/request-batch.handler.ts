import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { deferred, type HandlerResult } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { Batches, type BatchItem } from '../batch/batches';
import { requestData } from '../request-data/request-data.decide';
import { retrieval } from '../retrieval/retrieval.model';
import { token } from '../token/token.model';
import { Tokens } from '../token/tokens.query';
import { RequestBatch, type RequestBatchItem } from './request-batch.command';

const atOnce = 128;

@CommandHandler(RequestBatch)
export class RequestBatchHandler implements ICommandHandler<RequestBatch> {
  constructor(
    private readonly streams: Streams,
    private readonly tokens: Tokens,
    private readonly batches: Batches,
  ) {}

  /** Each answer ends its item, as each does by itself; what cannot be asked for has ended before. */
  async execute({ data: { items, begunAt, sealed }, context }: RequestBatch): Promise<HandlerResult> {
    const { commandId, profileId: owner, cause } = context;
    const begun = items.map((item): BatchItem => ({ subjectId: item.requestId, parcelId: null }));
    await this.batches.begin(commandId, begun);
    const hasStorage = await this.tokens.hasStorage(owner);
    const queue = items.values();
    const ask = async (item: RequestBatchItem) => {
      const { requestId, tokenId } = item;
      const end = (reason: string) =>
        this.batches.ended(requestId, { status: 'rejected', reason, tokenId, requestId }, owner, cause);
      if (tokenId === null) return end('data_token.not_found');
      const { state } = await this.streams.load(token, tokenId);
      const command = { requestId, tokenId, owner, begunAt, sealed, token: state, hasStorage, ofBatch: true } as const;
      const outcome = await this.streams.transact(retrieval, requestId, requestData, command, cause);
      if (outcome.status === 'refused') await end(outcome.refusal.key);
    };
    const lane = async () => {
      for (const item of queue) await ask(item);
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
    return deferred;
  }
}
