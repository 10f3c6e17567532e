import type { PolicyEvent, VotingEvent } from '@symbolon/contracts';

type Of<T extends PolicyEvent['type']> = Extract<PolicyEvent, { type: T }>;

export const ada = '01937b40-0000-7000-8000-00000000ada0';
export const id = '01937b48-0000-7000-8000-000000000001';
export const otherId = '01937b48-0000-7000-8000-000000000002';
export const configurationId = '01937b48-0000-7000-8000-00000000000c';
export const devices = [1, 2, 3].map((n) => `01937b49-0000-7000-8000-00000000000${n}`);

export const registered: Of<'policy.registered'> = {
  type: 'policy.registered',
  version: 1,
  data: {
    id,
    profileId: ada,
    name: 'ask me',
    policyTemplateId: 'data_access',
    applyingEventIds: ['data_token.data_requested'],
    votingConfigurationId: null,
  },
  personal: { subject: ada, fields: { configuration: { context: 'invoices/*' } } },
};
export const activated: Of<'policy.activated'> = { type: 'policy.activated', version: 1, data: { id } };
export const deactivated: Of<'policy.deactivated'> = { type: 'policy.deactivated', version: 1, data: { id } };
export const deleted: Of<'policy.deleted'> = { type: 'policy.deleted', version: 1, data: { id } };

/** A verified authenticator each. */
export function authenticators(...identifiers: readonly string[]): VotingEvent[] {
  return identifiers.flatMap((deviceIdentifier) => [
    { type: 'authenticator.registered', version: 1, data: { deviceIdentifier, profileId: ada } },
    { type: 'authenticator.verified', version: 1, data: { deviceIdentifier, profileId: ada } },
  ]);
}
