import type { CommandEvent } from '@symbolon/contracts';
import type { Model } from '@symbolon/kernel';

export type CommandPhase = 'absent' | 'accepted' | 'pending_vote' | 'cleared' | 'succeeded' | 'rejected';

export interface CommandState {
  readonly phase: CommandPhase;
  readonly type: string;
  readonly profileId: string | null;
  readonly requestId: string | null;
  readonly poolId?: string | undefined;
  readonly reason: string | null;
}

export const command: Model<CommandEvent, CommandState> = {
  category: 'command',
  initial: { phase: 'absent', type: '', profileId: null, requestId: null, reason: null },
  evolve(state, event) {
    switch (event.type) {
      case 'command.accepted':
        return {
          ...state,
          phase: 'accepted',
          type: event.data.commandType,
          profileId: event.data.profileId,
          requestId: event.data.requestId,
          poolId: event.data.poolId,
        };
      case 'command.pending_vote':
        return { ...state, phase: 'pending_vote' };
      case 'command.cleared':
        return { ...state, phase: 'cleared' };
      case 'command.succeeded':
        return { ...state, phase: 'succeeded' };
      case 'command.rejected':
        return { ...state, phase: 'rejected', reason: event.data.reason };
      default:
        return state;
    }
  },
};

export function isFinal(phase: CommandPhase): boolean {
  return phase === 'succeeded' || phase === 'rejected';
}
