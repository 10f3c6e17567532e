import type { Policies, Voting, VotingEvent } from '@symbolon/contracts';
import { accept, type Decide, nothing, refuse } from '@symbolon/kernel';
import { keepsPolicies } from '../configuration/configuration.decide';

export interface WithdrawAuthenticator {
  readonly profileId: string;
  readonly deviceIdentifier: string;
}

export type RemoveAuthenticator = WithdrawAuthenticator & { readonly policies: Policies };

export const removeAuthenticator: Decide<RemoveAuthenticator, VotingEvent, Voting> = (
  { profileId, deviceIdentifier, policies },
  state,
) => {
  if (!state.authenticators.has(deviceIdentifier)) return refuse('authenticator.not_registered');
  const event: VotingEvent = { type: 'authenticator.removed', version: 1, data: { deviceIdentifier, profileId } };
  return keepsPolicies(state, policies, [event]) ? accept(event) : refuse('authenticator.required_by_policy');
};

/** Its device is gone: never refused, whatever policies then fail closed. */
export const withdrawAuthenticator: Decide<WithdrawAuthenticator, VotingEvent, Voting> = (data, { authenticators }) =>
  authenticators.has(data.deviceIdentifier) ? accept({ type: 'authenticator.removed', version: 1, data }) : nothing;
