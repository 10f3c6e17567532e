import type { SealedMeta } from './sealed-meta';
/** What the API answers (contract, section 10), as far as this library names it. */

export interface CommandAccepted {
  readonly commandId: string;
  readonly poolId?: string;
}

export interface CommandStatus extends CommandAccepted {
  readonly type: string;
  readonly status: 'started' | 'pending_vote' | 'succeeded' | 'rejected';
  readonly command_status: 1 | 2 | 3;
  readonly reason: string | null;
  readonly body: unknown;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface Authorization {
  readonly authorizationToken: string;
  readonly expiresAt: string;
}

export interface List<T> {
  readonly items: readonly T[];
  readonly meta: { readonly count: number; readonly page: number; readonly perPage: number };
}

export interface TemporaryToken {
  readonly token: string;
  readonly stream: string;
  readonly expiresAt: string;
}

export interface Exchanged {
  readonly token: string;
  readonly version: number;
  readonly size: number;
}

export interface DataReady {
  readonly requestId: string;
  readonly outputType: 0 | 1;
  readonly size: number;
  readonly downloadUrl: string;
  readonly expiresAt: string;
}

export interface FileMeta {
  readonly fileName?: string;
  readonly extension?: string;
  readonly size?: number;
  readonly path?: string;
}

export interface TokenItem {
  readonly token: string;
  readonly context: string;
  readonly meta: {
    readonly file: FileMeta | null;
    readonly data: Readonly<Record<string, unknown>> | null;
    readonly information_security_risk: Readonly<Record<'classification' | 'label' | 'handling', string>> | null;
  };
  readonly status: 'temporary' | 'permanent';
  readonly size: number | null;
  readonly version: number | null;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly expiresAt: string | null;
}

/** An item of `Session.list`: what the server shows, and what it cannot read. */
export interface ListedToken extends TokenItem {
  /** Opened by the session; null where nothing was sealed, or nothing that the session's keys open. */
  readonly sealed: SealedMeta | null;
}

export interface DeviceItem {
  readonly deviceIdentifier: string;
  readonly name: string;
  readonly status: 'pending' | 'approved' | 'rejected' | 'removed';
  readonly roles: readonly ('storage' | 'authenticator')[];
  readonly publicKeyRegistered: boolean;
  readonly signingKeyRegistered: boolean;
  readonly online: boolean;
  readonly lastSeenAt: string | null;
  readonly meta: Readonly<Record<string, unknown>> | null;
  readonly createdAt: string;
}

export interface StorageItem {
  readonly deviceIdentifier: string;
  readonly name: string;
  readonly status: string;
  readonly online: boolean;
  readonly lastSeenAt: string | null;
  readonly tokensHeld: number;
  readonly registeredAt: string;
}

export interface AuthenticatorItem {
  readonly deviceIdentifier: string;
  readonly name: string;
  readonly verified: boolean;
  readonly online: boolean;
  readonly lastSeenAt: string | null;
  readonly registeredAt: string;
  readonly lastVoteAt: string | null;
}

/** How votes are held unless a configuration says otherwise. */
export interface VotingSettings {
  readonly quorumSize: number;
  readonly strategy: string;
  readonly strategy_params: string | null;
  /** Seconds. */
  readonly timeLimit: number;
  readonly numberOfAttempts: number;
  readonly availableStrategies: readonly string[];
}

export interface VotingConfiguration {
  readonly id: string;
  readonly name: string;
  readonly timeLimit: number;
  readonly strategy: string;
  readonly strategy_params: string | null;
  readonly percentageRequired: number | null;
  readonly countRequired: number | null;
  readonly deviceIdentifiers: readonly string[];
  readonly quorumSize: number | null;
  readonly numberOfAttempts: number | null;
  readonly category: 'auth' | 'data' | 'admin' | null;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface Pool {
  readonly poolId: string;
  readonly commandId: string | null;
  readonly operation: string | null;
  readonly title: string;
  readonly question: string;
  readonly nonce: string | null;
  readonly status: 'open' | 'succeeded' | 'rejected' | 'failed_quorum' | 'timed_out' | 'cancelled';
  readonly strategy: string;
  readonly strategy_params: string | null;
  readonly quorumSize: number;
  readonly ballotsIssued: number;
  readonly yes: number;
  readonly no: number;
  readonly pending: number;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly previousPoolId: string | null;
  readonly nextPoolId: string | null;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly resolvedAt: string | null;
  readonly reason: string | null;
}

export interface PolicyTemplate {
  readonly name: string;
  readonly description: string;
  readonly events: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly configuration: readonly string[];
  readonly votingAttributes: readonly string[];
}

export interface PolicyItem {
  readonly id: string;
  readonly name: string;
  readonly policyTemplateId: string;
  readonly applyingEventIds: readonly string[];
  readonly configuration: Readonly<Record<string, unknown>>;
  readonly votingConfigurationId: string | null;
  readonly configurationId: string | null;
  readonly active: boolean;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** `username` and `password` are the device's own login; the server shows them once. */
export interface DeviceLogin {
  readonly deviceIdentifier: string;
  readonly username?: string;
  readonly password?: string;
}

/** Contract, section 16.1; the secrets are there on the first retrieval only. */
export interface DeviceConfiguration {
  readonly 'device-identifier': string;
  readonly 'client-id': string;
  readonly 'client-secret'?: string;
  readonly 'channel-url': string;
  readonly 'cab-public-key': string;
  readonly 'jwks-url': string;
  readonly [key: string]: unknown;
}

export interface RegisteredKey {
  readonly publicKey: string;
  readonly signingKey: string | null;
  readonly fingerprint: string;
  readonly registeredAt: string;
}

export interface ServerKey {
  readonly publicKey: string;
  readonly keyId: string;
  readonly createdAt: string;
}
