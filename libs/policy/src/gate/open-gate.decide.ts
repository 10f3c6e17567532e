import { accept, type Decide, nothing } from '@symbolon/kernel';
import type { GateEvent, GateOpened, PolicyMatched } from './gate.events';
import type { Gate } from './gate.model';

/** What the policies say of a command. */
export type Verdict =
  | { readonly kind: 'waive' }
  | { readonly kind: 'deny'; readonly reason: string }
  | { readonly kind: 'ask'; readonly gate: GateOpened; readonly matched: ReadonlyArray<PolicyMatched['data']> };

export interface OpenGate {
  readonly commandId: string;
  readonly profileId: string;
  readonly verdict: Verdict;
}

/** The first verdict stands: who evaluates again, with whatever result, changes nothing. */
export const openGate: Decide<OpenGate, GateEvent, Gate> = ({ commandId, profileId, verdict }, { phase }) => {
  if (phase !== 'absent') return nothing;
  switch (verdict.kind) {
    case 'waive':
      return accept({ type: 'policy.gate_waived', version: 1, data: { commandId, profileId } });
    case 'deny': {
      const { reason } = verdict;
      return accept({ type: 'policy.gate_denied', version: 1, data: { commandId, profileId, reason, cancel: [] } });
    }
    case 'ask': {
      const matched = verdict.matched.map((data) => ({ type: 'policy.matched', version: 1, data }) as const);
      return accept<GateEvent>(verdict.gate, ...matched);
    }
  }
};
