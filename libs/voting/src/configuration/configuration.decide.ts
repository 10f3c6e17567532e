import {
  activePolicies,
  eligible,
  isPolicyEventId,
  isSatisfiable,
  type Policies,
  policyEvents,
  type RegisteredPolicy,
  required,
  rulesFor,
  type Voting,
  type VotingConfiguration,
  type VotingConfigurationFields,
  type VotingEvent,
  voting,
} from '@symbolon/contracts';

/** A configuration by its id or, failing that, its name. */
export function configurationOf({ configurations }: Voting, nameOrId: string): VotingConfiguration | null {
  return configurations.get(nameOrId) ?? [...configurations.values()].find(({ name }) => name === nameOrId) ?? null;
}

/** The one that a request names, by its id or its name; by both where both are given. */
export function namedConfiguration(
  { configurations }: Voting,
  { id, name }: { readonly id: string | null; readonly name: string | null },
): VotingConfiguration | null {
  const matches = (one: VotingConfiguration) => (id === null || one.id === id) && (name === null || one.name === name);
  return [...configurations.values()].find(matches) ?? null;
}

export function categoryIsTaken(
  { configurations }: Voting,
  category: VotingConfigurationFields['category'],
  by: string,
) {
  return category !== null && [...configurations.values()].some((one) => one.category === category && one.id !== by);
}

export function areRegistered({ authenticators }: Voting, deviceIdentifiers: readonly string[]): boolean {
  return deviceIdentifiers.every((id) => authenticators.has(id));
}

/**
 * Whether every active policy that these events concern has enough eligible authenticators after them. One that they
 * leave as it is, though a removed device has put it out of reach, refuses nothing.
 */
export function keepsPolicies(state: Voting, known: Policies, events: readonly VotingEvent[]): boolean {
  const after = events.reduce((now, event) => voting.evolve(now, event), state);
  return activePolicies(known).every(
    (policy) => isSatisfiable(policy, after) || demandsOf(policy, state) === demandsOf(policy, after),
  );
}

/** Who would be asked under which rules, as a text to compare. */
function demandsOf({ applyingEventIds, votingConfigurationId }: RegisteredPolicy, state: Voting): string {
  const demands = applyingEventIds.filter(isPolicyEventId).map((id) => {
    const resolved = rulesFor(state, votingConfigurationId, policyEvents[id].category);
    return resolved && { needed: required(resolved.rules), asked: eligible(state, resolved.rules) };
  });
  return JSON.stringify(demands);
}
