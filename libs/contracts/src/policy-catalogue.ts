import type { BallotContext } from './events/voting';

/** Which settings answer for an operation when its policy names no voting configuration (contract, section 13). */
export type PolicyCategory = 'auth' | 'data' | 'admin';

export interface PolicyEventKind {
  readonly category: PolicyCategory;
  /** For people: names the operation in lists and as the title of a ballot. */
  readonly label: string;
}

function kind(category: PolicyCategory, label: string): PolicyEventKind {
  return { category, label };
}

/** Every operation that a policy can hold for a vote (contract, section 14). */
export const policyEvents = {
  'profile.authenticate': kind('auth', 'Sign in'),
  'profile.reauthorize': kind('auth', 'Prolong sign-in'),
  'oauth.authorize': kind('auth', 'Authorize application'),
  'data_token.space_reserved': kind('data', 'Reserve token space'),
  'data_token.data_exchanged': kind('data', 'Exchange data for token'),
  'data_token.data_requested': kind('data', 'Retrieve data'),
  'data_token.data_replaced': kind('data', 'Update data token'),
  'data_token.deleted': kind('data', 'Delete data'),
  'data_token.security_meta_configured': kind('data', 'Change classification'),
  'device.approved': kind('admin', 'Approve device'),
  'device.removed': kind('admin', 'Remove device'),
  'device.configuration_rotated': kind('admin', 'Rotate device credentials'),
  'storage.registered': kind('admin', 'Add storage device'),
  'storage.removed': kind('admin', 'Remove storage device'),
  'authenticator.registered': kind('admin', 'Add authenticator'),
  'authenticator.removed': kind('admin', 'Remove authenticator'),
  'public_key.replaced': kind('admin', 'Replace public key'),
  'profile.change_password': kind('admin', 'Change password'),
  'profile.delete_account': kind('admin', 'Delete account'),
  'voting.quorum_size_set': kind('admin', 'Change quorum size'),
  'voting.quorum_strategy_set': kind('admin', 'Change voting strategy'),
  'voting.time_limit_set': kind('admin', 'Change voting time limit'),
  'voting.max_attempts_set': kind('admin', 'Change voting attempts'),
  'voting_configuration.registered': kind('admin', 'Add voting configuration'),
  'voting_configuration.updated': kind('admin', 'Change voting configuration'),
  'voting_configuration.deleted': kind('admin', 'Delete voting configuration'),
  'policy.activated': kind('admin', 'Activate policy'),
  'policy.deactivated': kind('admin', 'Deactivate policy'),
  'policy.deleted': kind('admin', 'Delete policy'),
  'directory.password_set': kind('admin', 'Set member password'),
} as const satisfies Record<string, PolicyEventKind>;

export type PolicyEventId = keyof typeof policyEvents;

export function isPolicyEventId(text: string): text is PolicyEventId {
  return Object.hasOwn(policyEvents, text);
}

/**
 * The operation that a command of this type is, under the contract's command types. Not here: commands whose kind only
 * their submitter can tell (20 when it replaces a key; 8 with a QR token; 41 with `rotate`), who names it himself.
 */
const operations: Readonly<Record<string, PolicyEventId>> = {
  'profile/authenticate': 'profile.authenticate',
  'profile/reauthorize-authorization-token': 'profile.reauthorize',
  'profile/oauth-application-request-authorization-code': 'oauth.authorize',
  'profile/change-password': 'profile.change_password',
  'profile/delete-account': 'profile.delete_account',
  'data-token/reserve-token-space': 'data_token.space_reserved',
  'data-token/exchange-data-for-token': 'data_token.data_exchanged',
  upstream: 'data_token.data_exchanged',
  'data-token/request-data': 'data_token.data_requested',
  'data-token/configure-information-security-risk-meta': 'data_token.security_meta_configured',
  'data-token/update-data': 'data_token.data_replaced',
  'data-token/delete-data': 'data_token.deleted',
  'device/approve-device': 'device.approved',
  'device/remove': 'device.removed',
  'storage/register': 'storage.registered',
  'storage/remove': 'storage.removed',
  'verified-authenticator/register': 'authenticator.registered',
  'verified-authenticator/set-quorum-size': 'voting.quorum_size_set',
  'verified-authenticator/set-quorum-strategy': 'voting.quorum_strategy_set',
  'verified-authenticator/set-voting-time-limit': 'voting.time_limit_set',
  'verified-authenticator/set-maximum-voting-attempts': 'voting.max_attempts_set',
  'verified-authenticator/remove': 'authenticator.removed',
  'verified-authenticator/voting-configuration/register': 'voting_configuration.registered',
  'verified-authenticator/voting-configuration/update': 'voting_configuration.updated',
  'verified-authenticator/voting-configuration/delete': 'voting_configuration.deleted',
  'policy/activate': 'policy.activated',
  'policy/deactivate': 'policy.deactivated',
  'policy/delete': 'policy.deleted',
  'directory/set-profile-password': 'directory.password_set',
  'directory/create-profile-device': 'device.approved',
  'directory/add-storage-device': 'storage.registered',
};

/** Null: commands of this type are never held. */
export function policyEventOf(commandType: string): PolicyEventId | null {
  return Object.hasOwn(operations, commandType) ? operations[commandType]! : null;
}

/** Keys of a policy's `configuration`, by the kind of value they take. */
export type PolicyKey =
  | 'classification'
  | 'label'
  | 'handling'
  | 'context'
  | 'minimumSize'
  | 'applicationId'
  | 'exceptAddresses'
  | 'onlyNewAddress'
  | 'deviceIdentifiers';

/** What a ballot may show beside title and question. */
export type VotingAttribute =
  | 'requester'
  | 'application'
  | 'ip'
  | 'userAgent'
  | 'location'
  | 'time'
  | 'dataContext'
  | 'classification'
  | 'label'
  | 'handling'
  | 'device';

export interface PolicyTemplate {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly events: readonly PolicyEventId[];
  readonly configuration: readonly PolicyKey[];
  readonly votingAttributes: readonly VotingAttribute[];
}

const everywhere = ['requester', 'application', 'ip', 'userAgent', 'location', 'time'] as const;

/** In the order in which they are listed. */
export const policyTemplates: readonly PolicyTemplate[] = [
  {
    id: 'classification',
    name: 'Classified data',
    description: 'Ask before data with a given security classification is used or changed',
    events: [
      'data_token.data_requested',
      'data_token.data_exchanged',
      'data_token.data_replaced',
      'data_token.deleted',
      'data_token.security_meta_configured',
    ],
    configuration: ['classification', 'label', 'handling'],
    votingAttributes: [...everywhere, 'dataContext', 'classification', 'label', 'handling'],
  },
  {
    id: 'authentication',
    name: 'Sign-in',
    description: 'Ask before somebody signs in, prolongs a sign-in or authorizes an application',
    events: ['profile.authenticate', 'profile.reauthorize', 'oauth.authorize'],
    configuration: ['exceptAddresses', 'onlyNewAddress', 'applicationId'],
    votingAttributes: everywhere,
  },
  {
    id: 'data_access',
    name: 'Data access',
    description: 'Ask before data is retrieved',
    events: ['data_token.data_requested'],
    configuration: ['context', 'applicationId', 'minimumSize'],
    votingAttributes: [...everywhere, 'dataContext'],
  },
  {
    id: 'data_change',
    name: 'Data change',
    description: 'Ask before data is stored, replaced, classified or deleted',
    events: [
      'data_token.space_reserved',
      'data_token.data_exchanged',
      'data_token.data_replaced',
      'data_token.deleted',
      'data_token.security_meta_configured',
    ],
    configuration: ['context', 'applicationId', 'minimumSize'],
    votingAttributes: [...everywhere, 'dataContext'],
  },
  {
    id: 'device_management',
    name: 'Device management',
    description: 'Ask before devices and storages come or go',
    events: ['device.approved', 'device.removed', 'storage.registered', 'storage.removed'],
    configuration: ['deviceIdentifiers', 'applicationId'],
    votingAttributes: [...everywhere, 'device'],
  },
  {
    id: 'security_settings',
    name: 'Security settings',
    description: 'Ask before credentials, authenticators, voting rules or policies change',
    events: [
      'profile.change_password',
      'profile.delete_account',
      'public_key.replaced',
      'device.configuration_rotated',
      'authenticator.registered',
      'authenticator.removed',
      'voting.quorum_size_set',
      'voting.quorum_strategy_set',
      'voting.time_limit_set',
      'voting.max_attempts_set',
      'voting_configuration.registered',
      'voting_configuration.updated',
      'voting_configuration.deleted',
      'policy.activated',
      'policy.deactivated',
      'policy.deleted',
      'directory.password_set',
    ],
    configuration: ['applicationId'],
    votingAttributes: [...everywhere, 'device'],
  },
];

/** What these attributes let a ballot show; the rest is null. */
export function shownBy(attributes: ReadonlySet<VotingAttribute>, context: BallotContext): BallotContext {
  const show = <K extends VotingAttribute>(key: K) => (attributes.has(key) ? context[key] : null);
  return {
    requester: show('requester'),
    application: show('application'),
    ip: show('ip'),
    userAgent: show('userAgent'),
    location: show('location'),
    time: context.time,
    dataContext: show('dataContext'),
    classification: show('classification'),
    label: show('label'),
    handling: show('handling'),
    device: show('device'),
    nonce: context.nonce,
  };
}

export function policyTemplate(id: string): PolicyTemplate | null {
  return policyTemplates.find((template) => template.id === id) ?? null;
}
