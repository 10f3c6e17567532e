import type { ProfileEvent } from '@symbolon/contracts';
import { insert, type Projection, statement, update } from '@symbolon/projection';

const table = 'identity.profile';

type Data<T extends ProfileEvent['type']> = Extract<ProfileEvent, { type: T }>['data'];

/** Who there is, with which verifier and keys. Username and verifier lie in boxes. */
export const profileList: Projection = {
  name: 'identity.profile-list',
  version: 1,
  categories: ['profile'],
  tables: [table],
  on: {
    'profile.registered': async (event, boxes) => {
      const { profileId, kind, usernameHash, managedBy } = event.data as Data<'profile.registered'>;
      const personal = await boxes.open(event, profileId);
      return [
        insert(
          table,
          { profile_id: profileId },
          {
            kind,
            username_hash: usernameHash,
            managed_by: managedBy,
            username: personal
              ? await boxes.sealRow(profileId, `${table}.username`, profileId, personal['username'])
              : null,
            verifier: personal
              ? await boxes.sealRow(profileId, `${table}.verifier`, profileId, personal['passwordHash'])
              : null,
            passwords: 1,
            barred: false,
            created_at: event.recordedAt,
          },
        ),
      ];
    },
    'profile.password_changed': async (event, boxes) => {
      const { profileId } = event.data as Data<'profile.password_changed'>;
      const counted = statement('update identity.profile set passwords = passwords + 1 where profile_id = $1', [
        profileId,
      ]);
      return [...(await verifierOf(event, boxes)), counted];
    },
    'profile.verifier_renewed': verifierOf,
    'profile.barred': (event) => {
      const { profileId } = event.data as Data<'profile.barred'>;
      // Its login is of no use any more; of an erased one, rows made anew would not have it.
      return [update(table, { profile_id: profileId }, { barred: true, username: null, verifier: null })];
    },
    // A statement: somebody else may have the name in the same batch.
    'profile.deleted': (event) => [
      statement('delete from identity.profile where profile_id = $1', [
        (event.data as Data<'profile.deleted'>).profileId,
      ]),
    ],
    'public_key.registered': (event) => [keyOf(event)],
    'public_key.replaced': (event) => [keyOf(event)],
  },
};

async function verifierOf(...[event, boxes]: Parameters<Projection['on'][string]>) {
  const { profileId } = event.data as Data<'profile.password_changed'>;
  const personal = await boxes.open(event, profileId);
  if (!personal) return [];
  const verifier = await boxes.sealRow(profileId, `${table}.verifier`, profileId, personal['passwordHash']);
  return [update(table, { profile_id: profileId }, { verifier })];
}

function keyOf(event: Parameters<Projection['on'][string]>[0]) {
  const { profileId, publicKey, signingKey, fingerprint } = event.data as Data<'public_key.registered'>;
  return update(
    table,
    { profile_id: profileId },
    { public_key: publicKey, signing_key: signingKey, fingerprint, key_registered_at: event.recordedAt },
  );
}

/** Devices of which the owner may register the keys (row 20). */
export const deviceOwners: Projection = {
  name: 'identity.device-owners',
  version: 1,
  categories: ['device'],
  tables: ['identity.device'],
  on: {
    'device.registration_requested': (event) => {
      const { deviceIdentifier, ownerProfileId } = event.data as { deviceIdentifier: string; ownerProfileId: string };
      return [
        insert(
          'identity.device',
          { device_identifier: deviceIdentifier },
          { owner_profile_id: ownerProfileId, live: true },
        ),
      ];
    },
    'device.rejected': gone,
    'device.removed': gone,
  },
};

function gone(...[event]: Parameters<Projection['on'][string]>) {
  const { deviceIdentifier } = event.data as { deviceIdentifier: string };
  return [update('identity.device', { device_identifier: deviceIdentifier }, { live: false })];
}

/** Live authorization tokens. Never holds a token, only its id. */
export const sessionList: Projection = {
  name: 'identity.session-list',
  version: 1,
  categories: ['session', 'profile'],
  tables: ['identity.session'],
  on: {
    'profile.authenticated': (event) => {
      const { tokenId, profileId, expiresAt } = event.data as { tokenId: string; profileId: string; expiresAt: string };
      return [
        insert(
          'identity.session',
          { token_id: tokenId },
          { profile_id: profileId, expires_at: expiresAt, revoked: false, created_at: event.recordedAt },
        ),
      ];
    },
    'profile.token_reauthorized': (event) => {
      const { tokenId, expiresAt } = event.data as { tokenId: string; expiresAt: string };
      return [update('identity.session', { token_id: tokenId }, { expires_at: expiresAt })];
    },
    'profile.token_revoked': (event) => {
      const { tokenId } = event.data as { tokenId: string };
      return [update('identity.session', { token_id: tokenId }, { revoked: true })];
    },
    'profile.tokens_revoked': (event) => {
      const { profileId, exceptTokenId, applicationId } = event.data as Data<'profile.tokens_revoked'>;
      // Those of one application are no sessions of the profile's own.
      return applicationId === null ? [revokeAll(profileId, exceptTokenId)] : [];
    },
    'profile.barred': (event) => [revokeAll((event.data as Data<'profile.barred'>).profileId, null)],
  },
};

function revokeAll(profileId: string, except: string | null) {
  return statement(
    'update identity.session set revoked = true where profile_id = $1 and token_id is distinct from $2',
    [profileId, except],
  );
}
