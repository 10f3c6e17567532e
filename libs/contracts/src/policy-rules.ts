import type { Model } from '@symbolon/kernel';
import type { PolicyEvent } from './events/policy';
import type { PollRules, Strategy, VotingConfigurationFields, VotingEvent } from './events/voting';
import { isPolicyEventId, type PolicyCategory, policyEvents } from './policy-catalogue';

/** A policy as the log's clear fields tell it. */
export interface RegisteredPolicy {
  readonly id: string;
  readonly name: string;
  readonly policyTemplateId: string;
  readonly applyingEventIds: readonly string[];
  /** Id of a voting configuration; null = that of the category, else the profile's settings. */
  readonly votingConfigurationId: string | null;
  readonly active: boolean;
}

export interface Policies {
  readonly byId: ReadonlyMap<string, RegisteredPolicy>;
}

/** Stream `policies-<profileId>`. */
export const policies: Model<PolicyEvent, Policies> = {
  category: 'policies',
  initial: { byId: new Map() },
  evolve(state, event) {
    switch (event.type) {
      case 'policy.registered': {
        const { profileId: _, ...policy } = event.data;
        return { byId: new Map(state.byId).set(policy.id, { ...policy, active: false }) };
      }
      case 'policy.activated':
      case 'policy.deactivated': {
        const policy = state.byId.get(event.data.id);
        if (!policy) return state;
        return { byId: new Map(state.byId).set(policy.id, { ...policy, active: event.type === 'policy.activated' }) };
      }
      case 'policy.deleted': {
        const byId = new Map(state.byId);
        byId.delete(event.data.id);
        return { byId };
      }
      default:
        return state;
    }
  },
};

/** In the order in which they were registered. */
export function activePolicies({ byId }: Policies): RegisteredPolicy[] {
  return [...byId.values()].filter(({ active }) => active);
}

export type VotingConfiguration = VotingConfigurationFields & { readonly id: string; readonly name: string };

/** Who may vote and how, as far as set; null = not set. */
export interface Voting {
  /** Devices and whether they are verified. */
  readonly authenticators: ReadonlyMap<string, boolean>;
  readonly quorumSize: number | null;
  readonly strategy: Strategy | null;
  readonly timeLimit: number | null;
  readonly numberOfAttempts: number | null;
  readonly configurations: ReadonlyMap<string, VotingConfiguration>;
}

/** Stream `voting-<profileId>`. */
export const voting: Model<VotingEvent, Voting> = {
  category: 'voting',
  initial: {
    authenticators: new Map(),
    quorumSize: null,
    strategy: null,
    timeLimit: null,
    numberOfAttempts: null,
    configurations: new Map(),
  },
  evolve(state, event) {
    switch (event.type) {
      case 'authenticator.registered':
      case 'authenticator.verified': {
        const verified = event.type === 'authenticator.verified';
        return { ...state, authenticators: new Map(state.authenticators).set(event.data.deviceIdentifier, verified) };
      }
      case 'authenticator.removed': {
        const authenticators = new Map(state.authenticators);
        authenticators.delete(event.data.deviceIdentifier);
        return { ...state, authenticators };
      }
      case 'voting.quorum_size_set':
        return { ...state, quorumSize: event.data.quorumSize };
      case 'voting.quorum_strategy_set': {
        const { strategy, strategyParams, countRequired } = event.data;
        return { ...state, strategy: { strategy, strategyParams, countRequired } };
      }
      case 'voting.time_limit_set':
        return { ...state, timeLimit: event.data.timeLimit };
      case 'voting.max_attempts_set':
        return { ...state, numberOfAttempts: event.data.numberOfAttempts };
      case 'voting_configuration.registered': {
        const { profileId: _, ...configuration } = event.data;
        return { ...state, configurations: new Map(state.configurations).set(configuration.id, configuration) };
      }
      case 'voting_configuration.updated': {
        const known = state.configurations.get(event.data.id);
        if (!known) return state;
        const changed = { ...known, ...event.data };
        return { ...state, configurations: new Map(state.configurations).set(known.id, changed) };
      }
      case 'voting_configuration.deleted': {
        const configurations = new Map(state.configurations);
        configurations.delete(event.data.id);
        return { ...state, configurations };
      }
      default:
        return state;
    }
  },
};

/** What holds where a profile has set nothing (contract, section 13). */
export const defaultRules: PollRules = {
  strategy: 'affirmative',
  strategyParams: null,
  countRequired: null,
  quorumSize: 1,
  timeLimit: 300,
  maxAttempts: 1,
  deviceIdentifiers: null,
};

export interface ResolvedRules {
  /** Id of the configuration they come from; null = the profile's settings. */
  readonly configurationId: string | null;
  readonly rules: PollRules;
}

/**
 * The rules of a poll: those of the named configuration, else of the one bound to the category, else the profile's
 * settings, else the defaults (contract, section 13). Null when a configuration is named that does not exist.
 */
export function rulesFor(
  state: Voting,
  configurationId: string | null,
  category: PolicyCategory | null,
): ResolvedRules | null {
  const quorumSize = state.quorumSize ?? defaultRules.quorumSize;
  const maxAttempts = state.numberOfAttempts ?? defaultRules.maxAttempts;
  const named = configurationId === null ? null : (state.configurations.get(configurationId) ?? null);
  if (configurationId !== null && named === null) return null;
  const bound = category === null ? null : [...state.configurations.values()].find((one) => one.category === category);
  const configuration = named ?? bound ?? null;
  if (configuration) {
    const { strategy, strategyParams, countRequired, timeLimit, deviceIdentifiers } = configuration;
    return {
      configurationId: configuration.id,
      rules: {
        strategy,
        strategyParams,
        countRequired,
        quorumSize: configuration.quorumSize ?? quorumSize,
        timeLimit,
        maxAttempts: configuration.numberOfAttempts ?? maxAttempts,
        deviceIdentifiers: deviceIdentifiers.length > 0 ? deviceIdentifiers : null,
      },
    };
  }
  const { strategy, strategyParams, countRequired } = state.strategy ?? defaultRules;
  const timeLimit = state.timeLimit ?? defaultRules.timeLimit;
  return {
    configurationId: null,
    rules: { strategy, strategyParams, countRequired, quorumSize, timeLimit, maxAttempts, deviceIdentifiers: null },
  };
}

/** How many authenticators these rules need at least: max(1, quorum, count). */
export function required({ quorumSize, strategy, countRequired }: PollRules): number {
  return Math.max(1, quorumSize, strategy === 'threshold' ? (countRequired ?? 1) : 1);
}

/** Verified authenticators that these rules would ask. */
export function eligible(state: Voting, { deviceIdentifiers }: PollRules): string[] {
  return [...state.authenticators]
    .filter(([device, verified]) => verified && (deviceIdentifiers === null || deviceIdentifiers.includes(device)))
    .map(([device]) => device);
}

/** Whether every vote that this policy may ask for can be held: enough eligible authenticators under its rules. */
export function isSatisfiable(
  { applyingEventIds, votingConfigurationId }: Pick<RegisteredPolicy, 'applyingEventIds' | 'votingConfigurationId'>,
  state: Voting,
): boolean {
  return applyingEventIds.every((id) => {
    if (!isPolicyEventId(id)) return false;
    const resolved = rulesFor(state, votingConfigurationId, policyEvents[id].category);
    return resolved !== null && eligible(state, resolved.rules).length >= required(resolved.rules);
  });
}
