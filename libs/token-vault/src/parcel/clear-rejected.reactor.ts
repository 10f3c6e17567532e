import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { CommandAccepted, CommandRejected } from '@symbolon/contracts';
import { PersonalBoxes } from '@symbolon/crypto';
import { Clock, EventStore, type Recorded, Streams } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { ExpireReservations } from '../expire-reservations/expire-reservations.handler';
import { token } from '../token/token.model';
import { isOnToken, type TokenInput } from '../token/token-commands';
import { Parcels } from './parcels';

/**
 * A command may be rejected without ever having run, after it was held for days: its parcels are destroyed then, and a
 * reservation that lived only for its sake expires. What the command's own handler has cleared is cleared once more.
 */
@Injectable()
export class ClearRejected implements OnModuleInit {
  constructor(
    private readonly store: EventStore,
    private readonly streams: Streams,
    private readonly boxes: PersonalBoxes,
    private readonly parcels: Parcels,
    private readonly reservations: ExpireReservations,
    private readonly clock: Clock,
    private readonly registry: Registry,
  ) {}

  onModuleInit(): void {
    this.registry.reactors({
      name: 'token-vault.when-command-rejected-then-clear',
      categories: ['command'],
      on: { 'command.rejected': (event) => this.clear((event.data as CommandRejected['data']).commandId) },
    });
  }

  private async clear(commandId: string): Promise<void> {
    const accepted = await this.acceptedOf(commandId);
    const { commandType, profileId } = (accepted?.data ?? {}) as Partial<CommandAccepted['data']>;
    if (!accepted || !profileId || !commandType || !isOnToken(commandType)) return;
    const personal = await this.boxes.open(accepted, profileId);
    const input = personal?.['input'] as TokenInput | undefined;
    for (const { tokenId, parcel } of input?.items ?? (input ? [input] : [])) {
      if (tokenId) await this.clearToken(tokenId, parcel?.parcelId ?? null);
    }
  }

  private async clearToken(tokenId: string, parcelId: string | null): Promise<void> {
    const { state } = await this.streams.load(token, tokenId);
    const needed = [state.pending, state.held].some((stored) => stored?.dataKey.keyId === parcelId);
    if (parcelId !== null && !needed) await this.parcels.discard([parcelId]);
    if (state.phase === 'temporary' && state.expiresAt <= this.clock.now()) await this.reservations.expire(tokenId);
  }

  private async acceptedOf(commandId: string): Promise<Recorded | null> {
    for await (const event of this.store.read(`command-${commandId}`)) {
      if (event.type === 'command.accepted') return event;
    }
    return null;
  }
}
