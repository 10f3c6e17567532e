import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { Commands, deferred, type HandlerResult, rejected, succeeded } from '@symbolon/command-log';
import { Clock, Streams } from '@symbolon/kernel';
import { Deadlines } from '@symbolon/projection';
import { writeDeadline } from '../deposit-at-devices/deposit-at-devices.reactor';
import { Parcels } from '../parcel/parcels';
import { staleFile } from '../token/change-sections.decide';
import { FileSections } from '../token/file-sections.query';
import { token } from '../token/token.model';
import { Tokens } from '../token/tokens.query';
import { UpdateData } from './update-data.command';
import { updateData } from './update-data.decide';

@CommandHandler(UpdateData)
export class UpdateDataHandler implements ICommandHandler<UpdateData> {
  constructor(
    private readonly streams: Streams,
    private readonly tokens: Tokens,
    private readonly files: FileSections,
    private readonly parcels: Parcels,
    private readonly commands: Commands,
    private readonly deadlines: Deadlines,
    private readonly clock: Clock,
  ) {}

  async execute({ data, context }: UpdateData): Promise<HandlerResult> {
    const { tokenId, parcel, begunAt, changes } = data;
    const { commandId, profileId: owner, cause } = context;
    if (tokenId === null) return rejected('data_token.not_found');

    for (;;) {
      const hasStorage = await this.tokens.hasStorage(owner);
      const now = await this.files.now(tokenId, owner);
      const command = { tokenId, owner, begunAt, parcel, changes, hasStorage, now };
      const outcome = await this.streams.transact(token, tokenId, updateData, command, cause);
      if (outcome.status === 'refused') {
        if (outcome.refusal.key === staleFile) continue;
        const end = { status: 'rejected', reason: outcome.refusal.key, cursor: null } as const;
        // First the end, then the bytes: a repeat after a crash must not accept what was destroyed.
        await this.commands.settle(commandId, end, owner, cause);
        if (parcel) await this.parcels.discard([parcel.parcelId]);
        return end;
      }
      if (!parcel) {
        return succeeded({ tokenId, version: outcome.state.held?.version ?? outcome.state.written }, outcome.cursor);
      }
      const write = { tokenId, parcelId: parcel.parcelId, commandId, profileId: owner };
      await this.deadlines.schedule(writeDeadline(write, this.clock));
      return deferred;
    }
  }
}
