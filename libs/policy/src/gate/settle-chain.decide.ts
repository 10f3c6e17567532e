import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { GateEvent } from './gate.events';
import type { Gate } from './gate.model';

export interface SettleChain {
  /** First poll of the chain whose last poll has ended. */
  readonly poolId: string;
  /** Reason key; null where the vote held. */
  readonly reason: string | null;
}

/**
 * The command goes on when all chains have held; the first that has not denies it, and the others are cancelled: they
 * end after the denial.
 */
export const settleChain: Decide<SettleChain, GateEvent, Gate> = ({ poolId, reason }, state) => {
  const { phase, commandId, profileId, chains } = state;
  if (chains.get(poolId) !== 'open') return nothing;
  const settled: GateEvent = { type: 'policy.chain_settled', version: 1, data: { commandId, poolId, reason } };
  if (phase !== 'open') return accept(settled);
  const others = [...chains].filter(([id, chain]) => id !== poolId && chain === 'open').map(([id]) => id);
  if (reason !== null) {
    const data = { commandId, profileId, reason, cancel: others };
    return accept<GateEvent>(settled, { type: 'policy.gate_denied', version: 1, data });
  }
  if (others.length > 0) return accept(settled);
  return accept<GateEvent>(settled, { type: 'policy.gate_released', version: 1, data: { commandId, profileId } });
};
