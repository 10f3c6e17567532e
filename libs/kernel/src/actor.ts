/** Who acts. `kind: 'system'` has no profile: a deadline, a sweep, a reaction without a person behind it. */
export interface Actor {
  readonly profileId: string | null;
  readonly kind: 'user' | 'device' | 'application' | 'system';
  readonly applicationId?: string;
  readonly deviceIdentifier?: string;
}

export const system: Actor = { profileId: null, kind: 'system' };

/** Personal data about the calling client. Sealed under the actor's key wherever it is stored. */
export interface Client {
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly location: string | null;
}
