import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, rejected, succeeded } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { token } from '../token/token.model';
import { DeleteData } from './delete-data.command';
import { deleteData } from './delete-data.decide';
import { DestroyToken } from './destroy-token';

@CommandHandler(DeleteData)
export class DeleteDataHandler implements ICommandHandler<DeleteData> {
  constructor(
    private readonly streams: Streams,
    private readonly tokens: DestroyToken,
  ) {}

  /** Keys and bytes are gone before the command has succeeded; a run that was cut off destroys them again. */
  async execute({ data, context }: DeleteData): Promise<HandlerResult> {
    const { tokenId, begunAt } = data;
    const { profileId: owner, cause } = context;
    if (tokenId === null) return rejected('data_token.not_found');
    const outcome = await this.streams.transact(token, tokenId, deleteData, { tokenId, owner, begunAt }, cause);
    if (outcome.status === 'refused') return rejected(outcome.refusal);
    await this.tokens.destroy(tokenId, outcome.state);
    return succeeded({ tokenId }, outcome.cursor);
  }
}
