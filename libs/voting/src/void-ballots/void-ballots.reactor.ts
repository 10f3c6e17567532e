import { Injectable, type OnModuleInit } from '@nestjs/common';
import { type AuthenticatorRemoved, voting } from '@symbolon/contracts';
import { uuid5 } from '@symbolon/crypto';
import { type Cause, EventStore, type Recorded, Streams } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { Authenticators } from '../authenticator/authenticators';
import { Polls } from '../poll/polls';
import { withdrawAuthenticator } from '../remove-authenticator/remove-authenticator.decide';

const name = 'voting.when-authenticator-gone-then-void-ballots';

/** When a device is removed, then it is an authenticator no more; when an authenticator is removed, then its open ballots are void. */
@Injectable()
export class VoidBallots implements OnModuleInit {
  constructor(
    private readonly registry: Registry,
    private readonly streams: Streams,
    private readonly store: EventStore,
    private readonly authenticators: Authenticators,
    private readonly polls: Polls,
  ) {}

  onModuleInit(): void {
    this.registry.reactors({
      name,
      categories: ['device', 'voting'],
      on: {
        'device.removed': (event) => this.deviceRemoved(event),
        'authenticator.removed': (event) => this.removed(event),
      },
    });
  }

  private async deviceRemoved(event: Recorded): Promise<void> {
    const { deviceIdentifier } = event.data as { deviceIdentifier: string };
    const { owner } = await this.authenticators.device(deviceIdentifier);
    if (owner === null) return;
    const command = { deviceIdentifier, profileId: owner };
    await this.streams.transact(voting, owner, withdrawAuthenticator, command, causeOf(event));
  }

  private async removed(event: Recorded): Promise<void> {
    const { deviceIdentifier, profileId } = event.data as AuthenticatorRemoved['data'];
    // It is one again, and its new ballots are good.
    if (await this.authenticators.isEntitled(profileId, deviceIdentifier)) return;
    await this.polls.withdraw(deviceIdentifier, causeOf(event), await this.store.tail());
  }
}

function causeOf({ id, meta }: Recorded): Cause {
  const { commandId, correlationId, actor } = meta;
  return { commandId, correlationId, actor, causationId: uuid5(`${id}/${name}`) };
}
