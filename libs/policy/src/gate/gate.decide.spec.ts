import { defaultRules } from '@symbolon/contracts';
import { scenario } from '@symbolon/testing';
import { ada, id, otherId } from '../policy/sample-events';
import type { GateEvent, GateOpened } from './gate.events';
import { gate } from './gate.model';
import { openGate } from './open-gate.decide';
import { settleChain } from './settle-chain.decide';

const commandId = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10';
const first = '0193b4c6-0000-7000-8000-000000000001';
const second = '0193b4c6-0000-7000-8000-000000000002';
const policyEventId = 'data_token.data_requested';

function opened(...polls: string[]): GateOpened {
  return {
    type: 'policy.gate_opened',
    version: 1,
    data: {
      commandId,
      profileId: ada,
      commandType: 'data-token/request-data',
      policyEventId,
      op: 'digest',
      chains: polls.map((poolId) => ({ poolId, policyIds: [id], rules: defaultRules })),
    },
  };
}
const waived: GateEvent = { type: 'policy.gate_waived', version: 1, data: { commandId, profileId: ada } };
const settled = (poolId: string, reason: string | null): GateEvent => ({
  type: 'policy.chain_settled',
  version: 1,
  data: { commandId, poolId, reason },
});
const released: GateEvent = { type: 'policy.gate_released', version: 1, data: { commandId, profileId: ada } };
const denied = (reason: string, ...cancel: string[]): GateEvent => ({
  type: 'policy.gate_denied',
  version: 1,
  data: { commandId, profileId: ada, reason, cancel },
});

describe('what policies say of a command', () => {
  const { given } = scenario(gate, openGate);
  const command = { commandId, profileId: ada };
  const matched = [
    { id, commandId, policyEventId, poolId: first },
    { id: otherId, commandId, policyEventId, poolId: first },
  ];
  const ask = { kind: 'ask', gate: opened(first), matched } as const;

  test('waives its gate where none matches', () =>
    given()
      .when({ ...command, verdict: { kind: 'waive' } })
      .then(waived));
  test('denies it where one cannot be evaluated', () =>
    given()
      .when({ ...command, verdict: { kind: 'deny', reason: 'internal_error' } })
      .then(denied('internal_error')));
  test('opens it, and names every policy that matched', () =>
    given()
      .when({ ...command, verdict: ask })
      .then(opened(first), ...matched.map((data) => ({ type: 'policy.matched', version: 1, data }) as const)));
  test.each([[waived], [denied('internal_error')], [opened(second)]])('stands once it was said: %#', (said) => {
    for (const verdict of [ask, { kind: 'waive' }, { kind: 'deny', reason: 'x' }] as const)
      given(said)
        .when({ ...command, verdict })
        .then();
  });
});

describe('a gate whose chain has ended', () => {
  const { given } = scenario(gate, settleChain);
  const held = (poolId: string) => ({ poolId, reason: null });
  const failed = (poolId: string, reason = 'poll.rejected') => ({ poolId, reason });

  test('releases the command when it held', () =>
    given(opened(first)).when(held(first)).then(settled(first, null), released));
  test('waits for the other chains', () => given(opened(first, second)).when(held(first)).then(settled(first, null)));
  test('releases it with the last of them', () =>
    given(opened(first, second), settled(first, null)).when(held(second)).then(settled(second, null), released));
  test('denies it with the first that failed, and has the others cancelled', () =>
    given(opened(first, second))
      .when(failed(second))
      .then(settled(second, 'poll.rejected'), denied('poll.rejected', first)));
  test('has nothing cancelled that is over', () =>
    given(opened(first, second), settled(first, null))
      .when(failed(second, 'poll.timed_out'))
      .then(settled(second, 'poll.timed_out'), denied('poll.timed_out')));
  test.each([[[settled(first, null), released]], [[settled(first, 'poll.rejected'), denied('poll.rejected')]]])(
    'ignores what comes later: %#',
    (later) => {
      given(opened(first), ...later)
        .when(held(first))
        .then();
      given(opened(first), ...later)
        .when(failed(first))
        .then();
    },
  );
  test('notes the end of those that were cancelled', () =>
    given(opened(first, second), settled(second, 'poll.rejected'), denied('poll.rejected', first))
      .when(failed(first, 'poll.cancelled'))
      .then(settled(first, 'poll.cancelled')));
  test('ignores polls that are not its own', () => given(opened(first)).when(failed(second)).then());
  test('ignores polls where there is no gate', () => given().when(held(first)).then());
});
