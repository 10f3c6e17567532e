import type { Model } from '@symbolon/kernel';
import type { GateEvent } from './gate.events';

export interface Gate {
  readonly phase: 'absent' | 'waived' | 'open' | 'released' | 'denied';
  readonly commandId: string;
  readonly profileId: string;
  /** Chains of polls by their first poll. */
  readonly chains: ReadonlyMap<string, 'open' | 'settled'>;
  /** Why it was denied. */
  readonly reason: string | null;
}

export const gate: Model<GateEvent, Gate> = {
  category: 'gate',
  initial: { phase: 'absent', commandId: '', profileId: '', chains: new Map(), reason: null },
  evolve(state, { type, data }) {
    switch (type) {
      case 'policy.gate_opened': {
        const { commandId, profileId } = data;
        return {
          ...state,
          phase: 'open',
          commandId,
          profileId,
          chains: new Map(data.chains.map(({ poolId }) => [poolId, 'open'])),
        };
      }
      case 'policy.gate_waived':
        return { ...state, phase: 'waived', commandId: data.commandId, profileId: data.profileId };
      case 'policy.chain_settled':
        return { ...state, chains: new Map(state.chains).set(data.poolId, 'settled') };
      case 'policy.gate_released':
        return { ...state, phase: 'released' };
      case 'policy.gate_denied':
        return {
          ...state,
          phase: 'denied',
          commandId: data.commandId,
          profileId: data.profileId,
          reason: data.reason,
        };
      default:
        return state;
    }
  },
};
