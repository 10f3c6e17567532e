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
  /** The hold on the key's claim: released once the profile uses the key no more. Absent in events of old. */
  claimId?: string;
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
  | ProfileBarred
  | ProfileDeleted;
/** From here on the profile is nobody: its name, keys, tokens and boxes are gone or going. */
export type ProfileDeleted = Event<'profile.deleted', { profileId: string; usernameHash: string }>;
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

/** Stream `qr-<id>`. `tokenId`: the token that made it; when that ends, so does what it made. */
export type QrTokenGenerated = Event<
  'profile.qr_token_generated',
  { profileId: string; qrTokenHash: string; expiresAt: string; tokenId: string }
>;
/** `commandId`: the login that a policy holds; only who names it again may finish it. */
export type QrTokenUsed = Event<'profile.qr_token_used', { profileId: string; commandId: string | null }>;
export type QrEvent = QrTokenGenerated | QrTokenUsed;

/** Stream `login-<guess hmac of username and address>`. */
export type AuthenticationFailed = Event<
  'profile.authentication_failed',
  { profileId: string | null; usernameHash: string; ipHash: string; locked: boolean; failures: number; at: string }
>;
/** A success ends a row of failures. */
export type LoginCleared = Event<'login.cleared', Record<string, never>>;
export type LoginEvent = AuthenticationFailed | LoginCleared;

/** Stream `application-<applicationId>`. `secretKeyId` names the key of the one-off copy, and the secret that counts. */
export type ApplicationRegistered = Event<
  'oauth_application.registered',
  {
    applicationId: string;
    profileId: string;
    clientId: string;
    redirectUri: string;
    scopes: readonly string[];
    clientSecretHash: string;
    secretKeyId: string;
  },
  { name: string; clientSecretOnce: string }
>;
export type ApplicationConfigurationRetrieved = Event<
  'oauth_application.configuration_retrieved',
  { applicationId: string }
>;
export type ApplicationEvent = ApplicationRegistered | ApplicationConfigurationRetrieved;

/**
 * Stream `authorization-<commandId of row 13>`: one consent, the code for it, and every token that descends from it. Its
 * id is the family's.
 */
export type AuthorizationCodeRequested = Event<
  'oauth.authorization_code_requested',
  { applicationId: string; profileId: string; nonceHash: string; scope: readonly string[] }
>;
export type AuthorizationCodeIssued = Event<
  'oauth.authorization_code_issued',
  /** `codeId`: what the code's look-up row leads to. */
  { applicationId: string; profileId: string; codeHash: string; expiresAt: string; codeId: string }
>;
interface TokenPair {
  applicationId: string;
  profileId: string;
  familyId: string;
  tokenId: string;
  tokenHash: string;
  refreshTokenHash: string;
  scope: readonly string[];
  expiresAt: string;
  refreshTokenExpiresAt: string;
}
export type AccessTokenIssued = Event<'oauth.access_token_issued', TokenPair>;
export type AccessTokenRefreshed = Event<'oauth.access_token_refreshed', TokenPair & { previousTokenId: string }>;
export type TokenFamilyRevoked = Event<
  'oauth.token_family_revoked',
  { applicationId: string; profileId: string; familyId: string; cause: 'code_reused' | 'refresh_token_reused' }
>;
export type AuthorizationEvent =
  | AuthorizationCodeRequested
  | AuthorizationCodeIssued
  | AccessTokenIssued
  | AccessTokenRefreshed
  | TokenFamilyRevoked
  /** The family's live token was revoked by hand: none that descends from it lives on. */
  | TokenRevoked;

/** Stream `claim-<guess hmac of profile, client and nonce>`: the authorization request that a nonce stands for. */
export type NonceTaken = Event<'oauth.nonce_taken', { commandId: string; scope: readonly string[]; expiresAt: string }>;
