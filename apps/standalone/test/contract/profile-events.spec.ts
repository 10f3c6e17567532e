import { PersonalBoxes } from '@symbolon/crypto';
import type { Recorded } from '@symbolon/kernel';
import { password, type TestProfile, TestServer } from '@symbolon/testing';

const hash = expect.stringMatching(/^(?:[0-9a-f]{64}|[A-Za-z0-9_-]{43})$/);
const verifier = expect.stringContaining('$argon2id$');
const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/);
const agent = 'contract/1 (tests)';
const headers = { 'user-agent': agent };
const from = { ip: '127.0.0.1', userAgent: agent };
const newPassword = 'short yellow oak table';

interface Event {
  readonly type: string;
  readonly stream: string;
  readonly data: Record<string, unknown>;
  readonly meta: { readonly commandId: string | null; readonly actor: object };
  /** What lies in the subject's box. */
  readonly personal: object | null;
}

let server: TestServer;
let ada: TestProfile;
const secrets: string[] = [password, newPassword];

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile({ withKey: false });
  secrets.push(ada.token, ada.username);
});

afterAll(() => server.stop());

/** The events that a call appends, without those of its command, with what is sealed opened for `subject`. */
async function eventsOf(subject: string, call: () => Promise<unknown>): Promise<Event[]> {
  const query = 'select id, type, stream, version, data, meta from es.event where position > $1 order by position';
  const last = await server.database.pool.query<{ position: string }>(
    'select coalesce(max(position), 0) as position from es.event',
  );
  await call();
  const { rows } = await server.database.pool.query(query, [last.rows[0]!.position]);
  const text = JSON.stringify(rows);
  for (const secret of [...secrets, '127.0.0.1', agent]) expect(text).not.toContain(secret);
  return Promise.all(
    rows.map(async ({ type, stream, data: { sealed, ...data }, meta, ...rest }) => {
      const recorded = { ...rest, type, stream, meta, data: { ...data, sealed } } as unknown as Recorded;
      const personal = sealed ? await server.served.app.get(PersonalBoxes).open(recorded, subject) : null;
      return { type, stream, data, meta, personal };
    }),
  );
}

function without(events: readonly Event[], ...categories: string[]): Event[] {
  return events.filter(({ stream }) => !categories.includes(stream.split('-', 1)[0]!));
}

test('4 a login', async () => {
  let body: any;
  const [event, ...more] = await eventsOf(ada.profileId, async () => {
    body = (await server.post('/profile/authenticate', { headers, json: { username: ada.username, password } })).body;
    secrets.push(body.authorizationToken);
  });
  expect(more).toEqual([]);
  const { tokenId } = event!.data as { tokenId: string };
  expect(event).toMatchObject({
    type: 'profile.authenticated',
    stream: `session-${tokenId}`,
    meta: { commandId: null, actor: { profileId: ada.profileId, kind: 'user' } },
    personal: from,
  });
  expect(event!.data).toEqual({ profileId: ada.profileId, tokenId, tokenHash: hash, expiresAt: time, via: 'password' });
  expect(body.authorizationToken).not.toContain(event!.data['tokenHash']);
});

test.each([true, false])('4 a failed login (known name: %s)', async (known) => {
  const username = known ? ada.username : 'nobody@example.org';
  const [event, ...more] = await eventsOf(ada.profileId, () =>
    server.post('/profile/authenticate', { headers, json: { username, password: newPassword } }),
  );
  expect(more).toEqual([]);
  expect(event).toMatchObject({
    type: 'profile.authentication_failed',
    stream: expect.stringMatching(/^login-[0-9a-f]{64}$/),
  });
  expect(event!.data).toEqual({
    profileId: known ? ada.profileId : null,
    usernameHash: hash,
    ipHash: hash,
    locked: false,
    failures: 1,
    at: time,
  });
  expect(event!.personal).toEqual(known ? from : null);
});

test('3 a registration', async () => {
  const username = 'events@example.org';
  secrets.push(username);
  let profileId = '';
  const read = () =>
    server.post('/profile/register-profile', { headers, json: { username, password }, wait: 30 }).then(({ body }) => {
      ({ profileId } = body.body);
    });
  const events = await eventsOf('', read);
  expect(events.map(({ type }) => type)).toEqual([
    'command.accepted',
    'command.cleared',
    'claim.taken',
    'profile.registered',
    'command.succeeded',
  ]);
  const registered = events[3]!;
  expect(registered.stream).toBe(`profile-${profileId}`);
  expect(registered.data).toEqual({ profileId, kind: 'user', usernameHash: hash, managedBy: null });
  expect(registered.meta.commandId).toBe(events[0]!.data['commandId']);
  const { rows } = await server.database.pool.query('select * from es.event where stream = $1', [
    `profile-${profileId}`,
  ]);
  const opened = await server.served.app.get(PersonalBoxes).open(rows[0], profileId);
  expect(opened).toEqual({ username, passwordHash: verifier, ...from });
});

test('6 a changed password', async () => {
  const events = await eventsOf(ada.profileId, () =>
    server.post('/profile/change-password', {
      headers,
      token: ada.token,
      json: { currentPassword: password, newPassword },
      wait: 30,
    }),
  );
  const { profileId } = ada;
  const accepted = events.find(({ type }) => type === 'command.accepted');
  const { input } = accepted!.personal as { input: Record<string, unknown> };
  expect(Object.keys(input).sort()).toEqual(['passwordHash', 'tokenId', 'verified']);
  expect(input['passwordHash']).toEqual(verifier);
  // The wrong attempt before is forgotten with the right one.
  expect(without(events, 'command', 'login')).toEqual([
    {
      type: 'profile.password_changed',
      stream: `profile-${profileId}`,
      data: { profileId },
      meta: expect.anything(),
      personal: { passwordHash: input['passwordHash'], ...from },
    },
    {
      type: 'profile.tokens_revoked',
      stream: `profile-${profileId}`,
      data: { profileId, exceptTokenId: input['tokenId'], applicationId: null, cause: 'password_changed' },
      meta: expect.anything(),
      personal: from,
    },
  ]);
  expect(events.at(-1)).toMatchObject({ type: 'command.succeeded', personal: { result: { profileId } } });
});

test('8, 9 a prolonged and a revoked token', async () => {
  const token = await server.login(ada.username, newPassword);
  secrets.push(token);
  const { profileId } = ada;
  const [prolonged, ...more] = await eventsOf(profileId, () =>
    server.post('/profile/reauthorize-authorization-token', { headers, token, json: { ttl: 600 } }),
  );
  const { tokenId } = prolonged!.data as { tokenId: string };
  expect(more).toEqual([]);
  expect(prolonged).toMatchObject({ type: 'profile.token_reauthorized', stream: `session-${tokenId}`, personal: from });
  expect(prolonged!.data).toEqual({ profileId, tokenId, expiresAt: time });

  const [revoked, ...nothing] = await eventsOf(profileId, () =>
    server.post('/profile/revoke-authorization-token', {
      headers,
      token: ada.token,
      json: { authorizationToken: token },
    }),
  );
  expect(nothing).toEqual([]);
  expect(revoked).toMatchObject({ type: 'profile.token_revoked', stream: `session-${tokenId}`, personal: from });
  expect(revoked!.data).toEqual({ profileId, tokenId });
});

test('20 a registered and a replaced key; rows that only read append nothing', async () => {
  const { token, profileId } = ada;
  const fingerprints: unknown[] = [];
  for (const [type, first] of [
    ['public_key.registered', true],
    ['public_key.replaced', false],
  ] as const) {
    const { publicKey, privateKey } = (await server.get('/public-key/generate-keys', { token })).body;
    secrets.push(privateKey);
    const events = await eventsOf(profileId, () =>
      server.done('/public-key/register-public-key', { publicKey }, token),
    );
    const [key, activated] = without(events, 'command', 'claim');
    expect(key).toMatchObject({ type, stream: `profile-${profileId}` });
    const fingerprint = key!.data['fingerprint'];
    fingerprints.push(fingerprint);
    expect(key!.data).toEqual({
      profileId,
      publicKey,
      signingKey: null,
      fingerprint,
      claimId: key!.meta.commandId,
      ...(first ? {} : { previousFingerprint: fingerprints[0] }),
    });
    expect(activated).toEqual(
      first ? expect.objectContaining({ type: 'profile.activated', data: { profileId } }) : undefined,
    );
  }
  const read = await eventsOf(profileId, async () => {
    for (const path of [
      '/profile/retrieve-profile-id',
      '/public-key/generate-keys',
      '/public-key/retrieve-public-key',
    ]) {
      expect((await server.get(path, { token })).status).toBe(200);
    }
    expect((await server.post('/profile/authorization-token/expiry', { token })).status).toBe(200);
    for (const path of ['/dptcab/public-key', '/.well-known/jwks.json', '/health']) await server.get(path);
  });
  expect(read).toEqual([]);
});

test('the Idempotency-Key is hashed, the place that the client names is sealed', async () => {
  const { token, profileId } = ada;
  const key = 'an idempotency key in the clear';
  const place = 'attic, left of the chimney';
  secrets.push(key, place);
  const publicKey = (await server.get('/public-key/generate-keys', { token })).body.publicKey;
  const [accepted] = await eventsOf(profileId, () =>
    server.post('/public-key/register-public-key', {
      headers: { ...headers, 'idempotency-key': key, 'x-symbolon-location': place },
      token,
      json: { publicKey },
      wait: 30,
    }),
  ).then((events) => events.filter(({ type }) => type === 'command.accepted'));
  expect(accepted!.data).toMatchObject({
    commandType: 'public-key/register-public-key',
    profileId,
    idempotencyKeyHash: hash,
  });
  expect(accepted!.personal).toMatchObject({ location: place, ...from });
});
