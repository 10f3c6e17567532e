import type { ApplicationEvent, AuthorizationEvent, TokensRevoked } from '@symbolon/contracts';
import { instant, millisOf, type Recorded } from '@symbolon/kernel';
import { insert, type Projection, statement, update } from '@symbolon/projection';

const applications = 'identity.oauth_application';
const authorizations = 'identity.oauth_authorization';
const tokens = 'identity.oauth_token';

/** A consent is fetched by its command's id, which is forgotten after this time (contract, section 4). */
const statusLife = 30 * 24 * 3600_000;

type Data<T extends (ApplicationEvent | AuthorizationEvent)['type']> = Extract<
  ApplicationEvent | AuthorizationEvent,
  { type: T }
>['data'];

/**
 * Applications, consents and their tokens, never the secrets themselves. That a family has ended stays with it: a token
 * that comes into it afterwards, by a call that ran at the same time, is dead from its beginning.
 */
export const oauthList: Projection = {
  name: 'identity.oauth-list',
  version: 1,
  categories: ['application', 'authorization', 'profile'],
  tables: [applications, authorizations, tokens],
  on: {
    'oauth_application.registered': (event) => {
      const data = event.data as Data<'oauth_application.registered'>;
      const { applicationId, profileId, clientId, redirectUri, scopes, secretKeyId } = data;
      return [
        insert(
          applications,
          { application_id: applicationId },
          {
            profile_id: profileId,
            client_id: clientId,
            redirect_uri: redirectUri,
            scopes,
            secret_key_id: secretKeyId,
            // Its box holds the name and the sealed secret.
            registered: { id: event.id, type: event.type, data: event.data },
            created_at: event.recordedAt,
          },
        ),
      ];
    },
    'oauth.authorization_code_requested': (event) => {
      const { applicationId, profileId, scope } = event.data as Data<'oauth.authorization_code_requested'>;
      return [
        insert(
          authorizations,
          { authorization_id: familyOf(event) },
          {
            application_id: applicationId,
            profile_id: profileId,
            scope,
            usable_until: instant(millisOf(event.recordedAt) + statusLife),
            ended: false,
            created_at: event.recordedAt,
          },
        ),
      ];
    },
    'oauth.authorization_code_issued': (event) => {
      const { codeId, expiresAt } = event.data as Data<'oauth.authorization_code_issued'>;
      return [
        update(authorizations, { authorization_id: familyOf(event) }, { code_id: codeId, usable_until: expiresAt }),
      ];
    },
    'oauth.access_token_issued': pairOf,
    'oauth.access_token_refreshed': pairOf,
    'oauth.token_family_revoked': ended,
    'profile.token_revoked': ended,
    'profile.tokens_revoked': (event) => {
      const { profileId, applicationId } = event.data as TokensRevoked['data'];
      return [
        statement(
          `update identity.oauth_authorization set ended = true
            where profile_id = $1 and ($2::uuid is null or application_id = $2)`,
          [profileId, applicationId],
        ),
      ];
    },
    'profile.deleted': (event) => {
      const { profileId } = event.data as { profileId: string };
      return [
        statement(
          `update identity.oauth_authorization set ended = true where profile_id = $1 or application_id in
             (select application_id from identity.oauth_application where profile_id = $1)`,
          [profileId],
        ),
        statement('delete from identity.oauth_application where profile_id = $1', [profileId]),
      ];
    },
  },
};

function pairOf(event: Recorded) {
  const { tokenId, expiresAt, refreshTokenExpiresAt } = event.data as Data<'oauth.access_token_issued'>;
  const authorization_id = familyOf(event);
  return [
    insert(
      tokens,
      { token_id: tokenId },
      { authorization_id, expires_at: expiresAt, refresh_expires_at: refreshTokenExpiresAt },
    ),
    update(authorizations, { authorization_id }, { token_id: tokenId, usable_until: refreshTokenExpiresAt }),
  ];
}

function ended(event: Recorded) {
  return [update(authorizations, { authorization_id: familyOf(event) }, { ended: true })];
}

function familyOf({ stream }: Recorded): string {
  return stream.slice('authorization-'.length);
}
