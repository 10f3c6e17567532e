import { Injectable } from '@nestjs/common';
import { rulesFor, voting } from '@symbolon/contracts';
import { Streams } from '@symbolon/kernel';
import { strategyNames } from '../strategy/strategy.decide';

@Injectable()
export class VotingSettings {
  constructor(private readonly streams: Streams) {}

  /** Row 49: what a profile has set, and the defaults where it has not. */
  async of(profileId: string): Promise<object> {
    const { state } = await this.streams.load(voting, profileId);
    const resolved = rulesFor(state, null, null);
    if (!resolved) throw new Error('no configuration was named');
    const { quorumSize, strategy, strategyParams, timeLimit, maxAttempts } = resolved.rules;
    return {
      ...{ quorumSize, strategy, strategy_params: strategyParams ?? '', timeLimit, numberOfAttempts: maxAttempts },
      availableStrategies: strategyNames,
    };
  }
}
