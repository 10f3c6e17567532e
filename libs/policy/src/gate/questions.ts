import type { PolicyEventId } from '@symbolon/contracts';

/** What a question may speak of; null where it is unknown or does not apply. */
export interface Subject {
  readonly who: string;
  /** The application that the command came through. */
  readonly application: string | null;
  /** The application that is to be authorized. */
  readonly authorized: string | null;
  readonly address: string | null;
  readonly context: string | null;
  readonly classification: string | null;
  readonly device: string | null;
  /** Name of a policy or voting configuration. */
  readonly name: string | null;
  /** The new value of a setting. */
  readonly value: string | null;
}

type Phrase = (subject: Subject) => string;

const data = (verb: string, preposition: string): Phrase => {
  return ({ context }) => `${verb}${context === null ? '' : ` ${preposition} ${quoted(context)}`}`;
};
const named = (verb: string, thing: string): Phrase => {
  return ({ name }) => (name === null ? `${verb} a ${thing}` : `${verb} the ${thing} ${quoted(name)}`);
};
const device = (before: string, after = ''): Phrase => {
  return ({ device: name }) => `${before} ${name === null ? 'a device' : `the device ${quoted(name)}`}${after}`;
};
const setting = (thing: string, unit = ''): Phrase => {
  return ({ value }) => (value === null ? `change the ${thing}` : `set the ${thing} to ${value}${unit}`);
};

const phrases: Record<PolicyEventId, Phrase> = {
  'profile.authenticate': ({ address }) => (address === null ? 'sign in' : `sign in from ${address}`),
  'profile.reauthorize': () => 'stay signed in for longer',
  'oauth.authorize': ({ authorized }) =>
    authorized === null ? 'authorize an application' : `authorize the application ${quoted(authorized)}`,
  'data_token.space_reserved': data('reserve a data token', 'for'),
  'data_token.data_exchanged': data('store data', 'in'),
  'data_token.data_requested': data('retrieve data', 'from'),
  'data_token.data_replaced': data('change data', 'in'),
  'data_token.deleted': data('delete data', 'from'),
  'data_token.security_meta_configured': (subject) => {
    const to = subject.classification === null ? '' : ` to ${quoted(subject.classification)}`;
    return `${data('change the classification of data', 'in')(subject)}${to}`;
  },
  'device.approved': device('approve'),
  'device.removed': device('remove'),
  'device.configuration_rotated': device('make new credentials for'),
  'storage.registered': device('store data on'),
  'storage.removed': device('stop storing data on'),
  'authenticator.registered': device('let', ' vote'),
  'authenticator.removed': device('no longer let', ' vote'),
  'public_key.replaced': ({ device: name }) =>
    name === null ? 'replace the public key' : `replace the public key of the device ${quoted(name)}`,
  'profile.change_password': () => 'change the password',
  'profile.delete_account': () => 'delete the account and everything in it',
  'voting.quorum_size_set': setting('quorum'),
  'voting.quorum_strategy_set': setting('voting strategy'),
  'voting.time_limit_set': setting('voting time limit', ' seconds'),
  'voting.max_attempts_set': setting('number of voting attempts'),
  'voting_configuration.registered': named('add', 'voting configuration'),
  'voting_configuration.updated': named('change', 'voting configuration'),
  'voting_configuration.deleted': named('delete', 'voting configuration'),
  'policy.activated': named('activate', 'policy'),
  'policy.deactivated': named('deactivate', 'policy'),
  'policy.deleted': named('delete', 'policy'),
  'directory.password_set': () => "set a member's password",
};

/** A sentence for the people who vote. */
export function questionFor(policyEventId: PolicyEventId, subject: Subject): string {
  const { who, application } = subject;
  const through = application === null ? '' : ` (through ${quoted(application)})`;
  return `Allow ${who}${through} to ${phrases[policyEventId](subject)}?`;
}

function quoted(text: string): string {
  return `"${text}"`;
}
