import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { Streams } from '@symbolon/kernel';
import { KeyClaims } from '../profile/key-claims';
import { keyOf, profile } from '../profile/profile.model';
import { BarDevice } from './bar-profile.command';
import { barProfile } from './bar-profile.decide';

@CommandHandler(BarDevice)
export class BarDeviceHandler implements ICommandHandler<BarDevice> {
  constructor(
    private readonly streams: Streams,
    private readonly claims: KeyClaims,
  ) {}

  async execute({ data: { deviceIdentifier: profileId, cause }, context }: BarDevice): Promise<HandlerResult> {
    const outcome = await this.streams.transact(profile, profileId, barProfile, { profileId, cause }, context.cause);
    const key = outcome.status === 'succeeded' && outcome.state.phase === 'barred' ? keyOf(outcome.state) : null;
    // Nobody uses its key any more.
    if (key) await this.claims.release(key, profileId, context.cause);
    return resultOf(outcome, () => null);
  }
}
