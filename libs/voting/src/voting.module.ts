import { Module, type OnModuleInit } from '@nestjs/common';
import { controllersOf, providersOf } from '@symbolon/http';
import { Registry } from '@symbolon/platform';
import { Authenticators } from './authenticator/authenticators';
import { Polls } from './poll/polls';
import * as slices from './slices';
import { VotingChanges } from './voting-changes';
import { votingProjection } from './voting.projection';

@Module({
  controllers: controllersOf(slices),
  providers: [...providersOf(slices), Authenticators, Polls, VotingChanges],
})
export class VotingModule implements OnModuleInit {
  constructor(private readonly registry: Registry) {}

  onModuleInit(): void {
    this.registry.projections(votingProjection);
  }
}
