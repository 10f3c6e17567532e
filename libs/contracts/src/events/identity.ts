import type { Event } from './event';

/** Stream `profile-<profileId>`. `passwordHash` is an argon2id PHC string with pepper id, in the box. */
export type ProfileRegistered = Event<
  'profile.registered',
  { profileId: string; kind: 'user' | 'device'; usernameHash: string; managedBy: string | null },
  { username: string; passwordHash: string }
>;
export type ProfileActivated = Event<'profile.activated', { profileId: string }>;
export type PasswordChanged = Event<'profile.password_changed', { profileId: string }, { passwordHash: string }>;
/** The same password under the server's current parameters. */
export type VerifierRenewed = Event<'profile.verifier_renewed', { profileId: string }, { passwordHash: string }>;
export type TokensRevoked = Event<
  'profile.tokens_revoked',
  { profileId: string; exceptTokenId: string | null; applicationId: string | null; cause: string }
>;
interface RegisteredKey {
  profileId: string;
  /** 200 hex digits, lower case. */
  publicKey: string;
  /** 64 hex digits, or null. */
  signingKey: string | null;
  fingerprint: string;
}
export type PublicKeyRegistered = Event<'public_key.registered', RegisteredKey>;
export type PublicKeyReplaced = Event<'public_key.replaced', RegisteredKey & { previousFingerprint: string }>;
export type ProfileEvent =
  | ProfileRegistered
  | ProfileActivated
  | PasswordChanged
  | VerifierRenewed
  | TokensRevoked
  | PublicKeyRegistered
  | PublicKeyReplaced
  | ProfileBarred;
/** The profile of a device that was rejected or removed: no login and no session of it is valid from here on. */
export type ProfileBarred = Event<'profile.barred', { profileId: string; cause: string }>;

/** Stream `session-<tokenId>`. */
export type Authenticated = Event<
  'profile.authenticated',
  { profileId: string; tokenId: string; tokenHash: string; expiresAt: string; via: 'password' | 'qr' | 'vote' }
>;
export type TokenReauthorized = Event<
  'profile.token_reauthorized',
  { profileId: string; tokenId: string; expiresAt: string }
>;
export type TokenRevoked = Event<'profile.token_revoked', { profileId: string; tokenId: string }>;
export type SessionEvent = Authenticated | TokenReauthorized | TokenRevoked;

/** Stream `login-<guess hmac of username and address>`. */
export type AuthenticationFailed = Event<
  'profile.authentication_failed',
  { profileId: string | null; usernameHash: string; ipHash: string; locked: boolean; failures: number; at: string }
>;
/** A success ends a row of failures. */
export type LoginCleared = Event<'login.cleared', Record<string, never>>;
export type LoginEvent = AuthenticationFailed | LoginCleared;
