import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { deferred, type HandlerResult, rejected } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { retrieval } from '../retrieval/retrieval.model';
import { token } from '../token/token.model';
import { Tokens } from '../token/tokens.query';
import { RequestData } from './request-data.command';
import { requestData } from './request-data.decide';

@CommandHandler(RequestData)
export class RequestDataHandler implements ICommandHandler<RequestData> {
  constructor(
    private readonly streams: Streams,
    private readonly tokens: Tokens,
  ) {}

  /** Devices are asked by whoever follows the event; the answer ends the command. */
  async execute({ data, context: { profileId: owner, cause } }: RequestData): Promise<HandlerResult> {
    const { state } = await this.streams.load(token, data.tokenId);
    const command = { ...data, owner, token: state, hasStorage: await this.tokens.hasStorage(owner) };
    const outcome = await this.streams.transact(retrieval, data.requestId, requestData, command, cause);
    return outcome.status === 'refused' ? rejected(outcome.refusal) : deferred;
  }
}
