import { Injectable } from '@nestjs/common';
import {
  activePolicies,
  type ApplicationRegistered,
  type BallotContext,
  type CommandAccepted,
  type DeviceRegistrationRequested,
  isPolicyEventId,
  type PolicyEvent,
  type PolicyEventId,
  policyEvents,
  policyTemplate,
  policies,
  type RegisteredPolicy,
  rulesFor,
  shownBy,
  type Voting,
  type VotingAttribute,
  voting,
} from '@symbolon/contracts';
import { mintOperationNonce, operationDigest, PersonalBoxes, uuid7 } from '@symbolon/crypto';
import { EventStore, isOutage, type Recorded, Streams, Unavailable, wholeSeconds } from '@symbolon/kernel';
import { Logger } from '@symbolon/observe';
import { type Configuration, readConfiguration } from '../policy/configuration';
import type { GateOpened } from './gate.events';
import { type Facts, matches } from './matching';
import type { Verdict } from './open-gate.decide';
import { questionFor } from './questions';
import { SignIns } from './sign-ins.query';
import { readToken, textOf, type TokenFacts } from './token-facts';

type Input = Readonly<Record<string, unknown>>;

/** A held command with what its box holds. */
interface Held {
  readonly commandId: string;
  readonly commandType: string;
  readonly profileId: string;
  readonly policyEventId: PolicyEventId;
  /** Whose policies judge it. */
  readonly judge: string;
  readonly input: Input;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly location: string | null;
  readonly requester: string;
  /** The application that it came through. */
  readonly applicationId: string | null;
  readonly acceptedAt: string;
}

interface Candidate {
  readonly policy: RegisteredPolicy;
  readonly configuration: Configuration;
  readonly attributes: readonly VotingAttribute[];
}

/** Cannot be evaluated: the command is rejected with this reason. */
class Denied extends Error {
  constructor(readonly reason: string) {
    super(reason);
  }
}

/**
 * Says what the policies of a profile make of a held command. All it rests on is read from the log itself, so that no
 * read model lags behind. What cannot be evaluated is denied.
 */
@Injectable()
export class Evaluation {
  constructor(
    private readonly store: EventStore,
    private readonly streams: Streams,
    private readonly boxes: PersonalBoxes,
    private readonly signIns: SignIns,
    private readonly log: Logger,
  ) {}

  /** Throws only while something that it needs is away. */
  async evaluate(accepted: Recorded): Promise<Verdict> {
    try {
      return await this.judged(accepted);
    } catch (error) {
      if (error instanceof Unavailable || isOutage(error)) throw error;
      if (error instanceof Denied) return { kind: 'deny', reason: error.reason };
      this.log.error({ stream: accepted.stream, error }, 'policies could not be evaluated: the command is rejected');
      return { kind: 'deny', reason: 'internal_error' };
    }
  }

  private async judged(accepted: Recorded): Promise<Verdict> {
    const { held, profileId } = accepted.data as CommandAccepted['data'];
    if (!held || profileId === null || !isPolicyEventId(held.policyEventId)) throw new Denied('internal_error');
    const { policyEventId, profileId: judge, revision } = held;
    const { all, candidates } = await this.candidates(policyEventId, judge, revision);
    if (candidates.length === 0) return { kind: 'waive' };

    const command = await this.opened(accepted, profileId, policyEventId, judge);
    const token = await this.tokenOf(command);
    const facts = await this.factsOf(command, token, candidates);
    const matched = candidates.filter(({ configuration }) => matches(configuration, facts));
    if (matched.length === 0) return { kind: 'waive' };
    return this.asked(command, token, facts, matched, all);
  }

  /** Active policies that name the operation, as the policies stood when the command was accepted. */
  private async candidates(policyEventId: string, judge: string, revision: number | null) {
    let state = policies.initial;
    const registrations = new Map<string, Recorded>();
    for await (const event of this.store.read(`${policies.category}-${judge}`)) {
      if (revision !== null && event.revision > BigInt(revision)) break;
      state = policies.evolve(state, event as unknown as PolicyEvent);
      if (event.type === 'policy.registered') registrations.set((event.data as { id: string }).id, event);
    }
    const naming = activePolicies(state).filter(({ applyingEventIds }) => applyingEventIds.includes(policyEventId));
    const candidates: Candidate[] = [];
    for (const policy of naming) {
      const template = policyTemplate(policy.policyTemplateId);
      const fields = await this.boxes.open(registrations.get(policy.id)!, judge);
      const given = fields?.['configuration'];
      const readable = template !== null && typeof given === 'object' && given !== null;
      const configuration = readable ? readConfiguration(given as Input, template.configuration) : null;
      if (!template || !configuration) throw new Error(`the policy ${policy.id} cannot be read`);
      candidates.push({ policy, configuration, attributes: template.votingAttributes });
    }
    return { all: state, candidates };
  }

  private async opened(
    accepted: Recorded,
    profileId: string,
    policyEventId: PolicyEventId,
    judge: string,
  ): Promise<Held> {
    const fields = await this.boxes.open(accepted, profileId);
    // The subject's key is gone: its account was deleted while the command waited.
    if (!fields) throw new Denied('not_found');
    const { actor } = accepted.meta;
    // A caller that is not the subject has a box of its own.
    const caller = actor.profileId ?? profileId;
    const client = caller === profileId ? fields : await this.boxes.open(accepted, caller);
    const { commandId, commandType } = accepted.data as CommandAccepted['data'];
    const input = fields['input'];
    return {
      commandId,
      commandType,
      profileId,
      policyEventId,
      judge,
      input: typeof input === 'object' && input !== null ? (input as Input) : {},
      ip: textOf(client?.['ip']),
      userAgent: textOf(client?.['userAgent']),
      location: textOf(fields['location']),
      requester: caller,
      applicationId: actor.applicationId ?? null,
      acceptedAt: accepted.recordedAt,
    };
  }

  /** Null for operations that concern no token that is there already. */
  private async tokenOf({ policyEventId, input, profileId }: Held): Promise<TokenFacts | null> {
    if (policyEvents[policyEventId].category !== 'data' || policyEventId === 'data_token.space_reserved') return null;
    // A vote is about one token. Batches are refused before; this one was overtaken by an activation.
    if (Array.isArray(input['items'])) throw new Denied('policy.asks_each');
    const tokenId = textOf(input['tokenId']);
    const found = tokenId === null ? null : await readToken(this.store, this.boxes, tokenId, profileId);
    if (!found) throw new Denied('data_token.not_found');
    return found;
  }

  private async factsOf(held: Held, token: TokenFacts | null, candidates: readonly Candidate[]): Promise<Facts> {
    const { policyEventId, input, judge, ip, applicationId, acceptedAt } = held;
    const asksForNew = candidates.some(({ configuration }) => configuration.onlyNewAddress === true);
    const known = asksForNew && ip !== null && (await this.signIns.knows(judge, ip, acceptedAt));
    const changed = changedSecurity(input);
    const security = (key: 'classification' | 'label' | 'handling') =>
      [token?.security?.[key], changed?.[key]].filter((value) => typeof value === 'string');
    const parcel = input['parcel'] as { size?: unknown } | null | undefined;
    const reserving = policyEventId === 'data_token.space_reserved';
    return {
      applicationId: policyEventId === 'oauth.authorize' ? textOf(input['applicationId']) : applicationId,
      address: ip,
      newAddress: !known,
      context: reserving ? textOf(input['context']) : (token?.context ?? null),
      classification: security('classification'),
      label: security('label'),
      handling: security('handling'),
      size: typeof parcel?.size === 'number' ? parcel.size : (token?.size ?? null),
      devices: [textOf(input['deviceIdentifier']) ?? keyHolder(held)].filter((device) => device !== null),
    };
  }

  /** One chain of polls for all policies that resolve to the same configuration. */
  private async asked(
    command: Held,
    token: TokenFacts | null,
    facts: Facts,
    matched: readonly Candidate[],
    all: { readonly byId: ReadonlyMap<string, RegisteredPolicy> },
  ): Promise<Verdict> {
    const { commandId, commandType, policyEventId, judge, input } = command;
    const { state } = await this.streams.load(voting, judge);
    const { category, label } = policyEvents[policyEventId];
    const chains = new Map<string | null, GateOpened['data']['chains'][number]>();
    for (const { policy } of matched) {
      const resolved = rulesFor(state, policy.votingConfigurationId, category);
      if (!resolved) throw new Error(`the voting configuration of the policy ${policy.id} does not exist`);
      const { configurationId, rules } = resolved;
      const chain = chains.get(configurationId) ?? { poolId: uuid7(), policyIds: [], rules };
      chains.set(configurationId, { ...chain, policyIds: [...chain.policyIds, policy.id] });
    }
    const opNonce = mintOperationNonce();
    const attributes = new Set(matched.flatMap((candidate) => candidate.attributes));
    const shown = await this.shown(command, token, facts);
    const gate: GateOpened = {
      type: 'policy.gate_opened',
      version: 1,
      data: {
        commandId,
        profileId: judge,
        commandType,
        policyEventId,
        op: operationDigest(commandType, commandId, input, opNonce),
        chains: [...chains.values()],
      },
      personal: {
        subject: judge,
        fields: {
          opNonce,
          title: label,
          question: questionFor(policyEventId, {
            who: await this.nameOf(command, shown.requester.username),
            application: command.applicationId === null ? null : (shown.application?.name ?? null),
            authorized: await this.authorized(command),
            address: command.ip,
            context: shown.dataContext,
            classification: changedSecurity(input)?.classification ?? null,
            device: shown.device?.name ?? null,
            name: nameIn(input, all, state),
            value: valueIn(input),
          }),
          context: shownBy(attributes, shown),
        },
      },
    };
    return {
      kind: 'ask',
      gate,
      matched: gate.data.chains.flatMap(({ poolId, policyIds }) =>
        policyIds.map((id) => ({ id, commandId, policyEventId, poolId })),
      ),
    };
  }

  private async shown(command: Held, token: TokenFacts | null, { applicationId, context, devices }: Facts) {
    const { requester, ip, userAgent, location, acceptedAt } = command;
    const shownApplication = command.policyEventId === 'oauth.authorize' ? applicationId : command.applicationId;
    const [deviceIdentifier] = devices;
    return {
      requester: { profileId: requester, username: await this.usernameOf(requester) },
      application: shownApplication === null ? null : await this.applicationOf(shownApplication),
      ip,
      userAgent,
      location,
      time: wholeSeconds(acceptedAt),
      dataContext: context,
      classification: token?.security?.classification ?? null,
      label: token?.security?.label ?? null,
      handling: token?.security?.handling ?? null,
      device:
        deviceIdentifier === undefined
          ? null
          : { deviceIdentifier, name: (await this.deviceNameOf(deviceIdentifier, command)) ?? deviceIdentifier },
      nonce: null,
    } satisfies BallotContext;
  }

  private async usernameOf(profileId: string): Promise<string> {
    for await (const event of this.store.read(`profile-${profileId}`)) {
      if (event.type !== 'profile.registered') continue;
      return textOf((await this.boxes.open(event, profileId))?.['username']) ?? profileId;
    }
    return profileId;
  }

  /** People know a device by its name, not by the identifier that is its username. */
  private async nameOf(command: Held, username: string): Promise<string> {
    const name = command.requester === command.judge ? null : await this.deviceNameOf(command.requester, command);
    return name === null ? username : `the device "${name}"`;
  }

  private async applicationOf(applicationId: string) {
    for await (const event of this.store.read(`application-${applicationId}`)) {
      if (event.type !== 'oauth_application.registered') continue;
      const { profileId } = event.data as ApplicationRegistered['data'];
      return { applicationId, name: textOf((await this.boxes.open(event, profileId))?.['name']) ?? applicationId };
    }
    return { applicationId, name: applicationId };
  }

  private async authorized({ policyEventId, input }: Held): Promise<string | null> {
    const applicationId = policyEventId === 'oauth.authorize' ? textOf(input['applicationId']) : null;
    return applicationId === null ? null : (await this.applicationOf(applicationId)).name;
  }

  /** The newest name; null for a device that is somebody else's, or not there. */
  private async deviceNameOf(deviceIdentifier: string, { profileId, judge }: Held): Promise<string | null> {
    let owner: string | null = null;
    let name: string | null = null;
    for await (const event of this.store.read(`device-${deviceIdentifier}`)) {
      if (event.type === 'device.registration_requested')
        owner = (event.data as DeviceRegistrationRequested['data']).ownerProfileId;
      if (owner !== profileId && owner !== judge) return null;
      if (event.type !== 'device.registration_requested' && event.type !== 'device.meta_configured') continue;
      name = textOf((await this.boxes.open(event, owner))?.['deviceName']) ?? name;
    }
    return name;
  }
}

/** The security section that a command sets (29, 32, and 23 with its meta). */
function changedSecurity(input: Input): { classification: string; label: string; handling: string } | null {
  const changes = input['changes'] as { meta?: Input } | undefined;
  const meta = (changes?.meta ?? input['meta']) as Input | null | undefined;
  const section = 'classification' in input ? input : (meta?.['information_security_risk'] as Input | null | undefined);
  const { classification, label, handling } = section ?? {};
  if (typeof classification !== 'string' || typeof label !== 'string' || typeof handling !== 'string') return null;
  return { classification, label, handling };
}

/** The device that replaces its own key. */
function keyHolder({ policyEventId, profileId, judge }: Held): string | null {
  return policyEventId === 'public_key.replaced' && profileId !== judge ? profileId : null;
}

/** Of the policy or voting configuration that a command names, by its name or its id. */
function nameIn(
  input: Input,
  { byId }: { readonly byId: ReadonlyMap<string, RegisteredPolicy> },
  { configurations }: Voting,
): string | null {
  const named = textOf(input['name']) ?? byId.get(textOf(input['policyId']) ?? '')?.name;
  return named ?? configurations.get(textOf(input['id']) ?? '')?.name ?? null;
}

function valueIn(input: Input): string | null {
  const { strategy, strategyParams } = (input['strategy'] ?? {}) as Input;
  if (typeof strategy === 'string') return textOf(strategyParams) === null ? strategy : `${strategy} ${strategyParams}`;
  const value = input['quorumSize'] ?? input['timeLimit'] ?? input['numberOfAttempts'];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}
