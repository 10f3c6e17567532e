import type { ApplicationEvent } from '@symbolon/contracts';
import type { Model } from '@symbolon/kernel';

export interface Application {
  readonly phase: 'absent' | 'registered';
  readonly secretShown: boolean;
}

/** What events and commands hold of a client secret. */
export interface NewClientSecret {
  readonly clientSecretHash: string;
  readonly secretKeyId: string;
  readonly clientSecretOnce: string;
}

/** An OAuth application. What it is called lies in a box and is not folded. */
export const application: Model<ApplicationEvent, Application> = {
  category: 'application',
  initial: { phase: 'absent', secretShown: false },
  evolve(state, event) {
    switch (event.type) {
      case 'oauth_application.registered':
        return { ...state, phase: 'registered' };
      case 'oauth_application.configuration_retrieved':
        return { ...state, secretShown: true };
      default:
        return state;
    }
  },
};
