import type { ApplicationEvent, AuthorizationEvent } from '@symbolon/contracts';

export const ada = '01937b40-0000-7000-8000-00000000ada0';
export const applicationId = '01937b49-0c11-7f3e-8d02-5a6b7c8d9e0f';
export const clientId = '01937b49-1111-7f3e-8d02-5a6b7c8d9e0f';
export const familyId = '01937b49-2222-7f3e-8d02-5a6b7c8d9e0f';
export const scope = ['data-token:read', 'data-token:write'];
export const before = '2026-02-21T15:00:00.000+00:00';
export const now = '2026-02-21T15:05:00.000+00:00';
export const later = '2026-02-21T15:10:00.000+00:00';
export const latest = '2026-03-23T15:10:00.000+00:00';
export const pair = {
  tokenId: '01937b49-3333-7f3e-8d02-5a6b7c8d9e0f',
  tokenHash: 'token hash',
  refreshTokenHash: 'refresh hash',
  expiresAt: later,
  refreshTokenExpiresAt: latest,
};
export const nextPair = { ...pair, tokenId: '01937b49-4444-7f3e-8d02-5a6b7c8d9e0f', tokenHash: 'next token hash' };

type Of<E extends { type: string }, T extends E['type']> = Extract<E, { type: T }>;

export const registered: Of<ApplicationEvent, 'oauth_application.registered'> = {
  type: 'oauth_application.registered',
  version: 1,
  data: {
    applicationId,
    profileId: ada,
    clientId,
    redirectUri: 'https://app.example/back',
    scopes: scope,
    clientSecretHash: 'secret hash',
    secretKeyId: 'secret key',
  },
  personal: { subject: ada, fields: { name: 'Ledger', clientSecretOnce: 'sealed secret' } },
};
export const configurationRetrieved: Of<ApplicationEvent, 'oauth_application.configuration_retrieved'> = {
  type: 'oauth_application.configuration_retrieved',
  version: 1,
  data: { applicationId },
};

const who = { applicationId, profileId: ada };
export const requested: Of<AuthorizationEvent, 'oauth.authorization_code_requested'> = {
  type: 'oauth.authorization_code_requested',
  version: 1,
  data: { ...who, nonceHash: 'nonce hash', scope },
};
export const codeIssued: Of<AuthorizationEvent, 'oauth.authorization_code_issued'> = {
  type: 'oauth.authorization_code_issued',
  version: 1,
  data: { ...who, codeHash: 'code hash', expiresAt: later, codeId: 'code id' },
};
export const tokenIssued: Of<AuthorizationEvent, 'oauth.access_token_issued'> = {
  type: 'oauth.access_token_issued',
  version: 1,
  data: { ...who, familyId, ...pair, scope },
};
export const tokenRefreshed: Of<AuthorizationEvent, 'oauth.access_token_refreshed'> = {
  type: 'oauth.access_token_refreshed',
  version: 1,
  data: { ...who, familyId, ...nextPair, scope, previousTokenId: pair.tokenId },
};
export const familyRevoked = (
  cause: 'code_reused' | 'refresh_token_reused',
): Of<AuthorizationEvent, 'oauth.token_family_revoked'> => ({
  type: 'oauth.token_family_revoked',
  version: 1,
  data: { ...who, familyId, cause },
});
export const tokenRevoked: Of<AuthorizationEvent, 'profile.token_revoked'> = {
  type: 'profile.token_revoked',
  version: 1,
  data: { profileId: ada, tokenId: pair.tokenId },
};
