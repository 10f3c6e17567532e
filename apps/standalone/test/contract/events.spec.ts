import { PersonalBoxes, randomBytes } from '@symbolon/crypto';
import { password, TestApplication, TestDevice, type TestProfile, TestServer } from '@symbolon/testing';

interface Stored {
  readonly type: string;
  readonly stream: string;
  readonly id: string;
  readonly data: Record<string, unknown> & { sealed?: Record<string, string> };
  readonly meta: { readonly commandId: string | null; readonly actor: Record<string, unknown> };
  /** What the subjects' boxes hold. */
  readonly personal: Record<string, unknown>;
}

/**
 * Section 18: fields of each event, those with † (in the box of the subject), and what processes keep besides. The
 * contract's `sealed` of `data_token.data_requested` is stored as `sealedStream`: `sealed` is where the boxes are.
 */
const fields: Record<string, readonly [clear: string, personal?: string, bookkeeping?: string]> = {
  'command.accepted': [
    'commandId commandType profileId requestId idempotencyKeyHash',
    'input location',
    'anonymous partOf',
  ],
  'command.cleared': ['commandId'],
  'command.succeeded': ['commandId', 'result'],
  'command.rejected': ['commandId reason'],
  'access.denied': ['profileId method path code'],
  'profile.qr_token_generated': ['profileId qrTokenHash expiresAt', '', 'tokenId'],
  'profile.qr_token_used': ['profileId commandId'],
  'profile.deleted': ['profileId', '', 'usernameHash'],
  'data_token.space_reserved': ['tokenId profileId tokenHash expiresAt', 'context meta'],
  'data_token.stream_auth_issued': ['tokenId authHash expiresAt'],
  'data_token.stream_received': ['tokenId size sha256'],
  'data_token.data_exchanged': ['tokenId version size sha256 via dataKey', '', 'profileId sealedSize'],
  'data_token.made_permanent': ['tokenId version deviceIdentifier', '', 'size'],
  'data_token.data_replaced': ['tokenId version size sha256 dataKey', 'changes', 'profileId sealedSize'],
  'data_token.version_confirmed': ['tokenId version', '', 'profileId size deviceIdentifier'],
  'data_token.meta_updated': ['tokenId', '', 'profileId version'],
  'data_token.data_meta_configured': ['tokenId', 'data'],
  'data_token.data_requested': [
    'tokenId requestId sealedStream',
    '',
    'profileId version size sealedSize sha256 dataKey',
  ],
  'data_token.data_ready': ['tokenId requestId outputType size downloadAuthHash expiresAt', '', 'parcelId'],
  'data_token.data_downloaded': ['tokenId requestId'],
  'data_token.security_meta_configured': ['tokenId', 'classification label handling'],
  'data_token.file_meta_configured': ['tokenId', 'file context'],
  'data_token.deleted': ['tokenId upToVersion', '', 'profileId'],
  'device.registration_requested': [
    'deviceIdentifier ownerProfileId clientId',
    'deviceName meta loginOnce',
    'loginKeyId',
  ],
  'device.identifier_retrieved': ['deviceIdentifier'],
  'device.approved': ['deviceIdentifier clientSecretHash', 'clientSecretOnce', 'secretKeyId'],
  'device.rejected': ['deviceIdentifier'],
  'device.configuration_retrieved': ['deviceIdentifier secretsShown'],
  'device.configuration_rotated': ['deviceIdentifier clientSecretHash', 'clientSecretOnce', 'secretKeyId'],
  'device.message_rejected': ['deviceIdentifier envelopeId messageType reason'],
  'oauth_application.registered': [
    'applicationId profileId clientId redirectUri scopes clientSecretHash',
    'name clientSecretOnce',
    'secretKeyId',
  ],
  'oauth_application.configuration_retrieved': ['applicationId'],
  'oauth.authorization_code_requested': ['applicationId profileId nonceHash scope'],
  'oauth.authorization_code_issued': ['applicationId profileId codeHash expiresAt', '', 'codeId'],
  'oauth.access_token_issued': [
    'applicationId profileId familyId tokenId tokenHash refreshTokenHash scope expiresAt refreshTokenExpiresAt',
  ],
  'oauth.access_token_refreshed': [
    'applicationId profileId familyId tokenId tokenHash refreshTokenHash scope expiresAt refreshTokenExpiresAt previousTokenId',
  ],
  'oauth.token_family_revoked': ['applicationId profileId familyId cause'],
  'profile.token_revoked': ['profileId tokenId'],
  'profile.tokens_revoked': ['profileId exceptTokenId applicationId cause'],
  'security.alert_raised': ['alertId profileId kind poolId commandId deviceIdentifier'],
  'storage.registered': ['deviceIdentifier profileId'],
  'storage.write_dispatched': ['tokenId version deviceIdentifier'],
  'storage.write_acknowledged': ['tokenId version deviceIdentifier sha256 signed'],
  'storage.read_dispatched': ['tokenId version deviceIdentifier requestId'],
  'storage.read_answered': ['tokenId version deviceIdentifier requestId size', '', 'parcelId'],
  'storage.read_failed': ['tokenId version deviceIdentifier requestId reason'],
  'storage.delete_dispatched': ['tokenId upToVersion deviceIdentifier'],
  'storage.delete_acknowledged': ['tokenId upToVersion deviceIdentifier'],
};

let server: TestServer;
let ada: TestProfile;
let device: TestDevice;
let events: readonly Stored[];
/** The profile whose account is deleted. */
let gone: string;
/** Everything of this life that no event may hold, sealed or not. */
const secrets = new Map<string, string>([['password', password]]);
const context = 'a context that is private';

beforeAll(async () => {
  server = await TestServer.start();
  ada = await server.profile();
  const eve = await server.profile();
  secrets.set('authorization token', ada.token);
  device = await TestDevice.of(server, ada);
  await device.connect();
  await live(eve);
  events = await read();
}, 120_000);

afterAll(async () => {
  await device.leave();
  await server.stop();
});

/** Calls every row once, on the good way and on a bad one. */
async function live(eve: TestProfile): Promise<void> {
  const small = await reserve({
    meta: { information_security_risk: { classification: 'c', label: 'l', handling: 'h' } },
  });
  const inline = 'cGF5bG9hZCBpbiB0aGUgY2xlYXI=';
  secrets.set('payload', 'payload in the clear').set('payload in base64', inline);
  await server.done(
    '/data-token/exchange-data-for-token',
    { temporaryTokenSpace: small.token, data: inline },
    ada.token,
  );
  const large = await reserve();
  await server.post(large.stream, { body: randomBytes(70_000), wait: 30 });
  for (const { token } of [small, large]) {
    const { body } = await server.done('/data-token/request-data', { token }, ada.token);
    secrets.set(`download auth of ${body.requestId}`, new URL(body.downloadUrl).searchParams.get('auth')!);
    await (await fetch(body.downloadUrl)).arrayBuffer();
    await server.post('/data-token/request-data', { json: { token }, token: eve.token });
  }
  device.behaviour['storage.read'] = ({ envelope, content: { objectId, version } }) =>
    void device.say('storage.read_result', { objectId, version, found: false }, envelope.id);
  await server.post('/data-token/request-data', { json: { token: small.token }, token: ada.token, wait: 30 });
  const risk = { classification: 'c2', label: 'l2', handling: 'h2' };
  await server.done('/data-token/configure-information-security-risk-meta', { token: small.token, ...risk }, ada.token);
  const json = { token: small.token, fileName: 'a', extension: 'b', context };
  await server.post('/data-token/configure-file-meta', { json, token: ada.token });
  await server.done('/data-token/update-data', { token: large.token, data: inline }, ada.token);
  await server.done('/data-token/update-data', { token: small.token, meta: { data: { type: 't' } } }, ada.token);
  await server.done('/data-token/delete-data', { token: small.token }, ada.token);
  await server.post('/data-token/delete-data', { json: { token: small.token }, token: ada.token, wait: 30 });
  device.say('storage.delete_ack', {}, null, { sig: '00'.repeat(64) });
  await device.got('error');

  const { commandId, body } = await server.done(
    '/device/request-unique-identifier',
    { deviceName: 'attic' },
    ada.token,
  );
  const { deviceIdentifier } = body;
  const login = await server.post('/device/retrieve-unique-identifier', { json: { id: commandId }, token: ada.token });
  secrets.set('device password', login.body.password);
  await server.done('/device/approve-device', { deviceIdentifier }, ada.token);
  for (const query of ['', '?rotate=true']) {
    const path = `/device/retrieve-device-configuration/${deviceIdentifier}${query}`;
    secrets.set(`client secret ${query}`, (await server.get(path, ada)).body['client-secret']);
  }
  const other = await server.done('/device/request-unique-identifier', { deviceName: 'x' }, ada.token);
  await server.done('/device/reject-device', { deviceIdentifier: other.body.deviceIdentifier }, ada.token);
  await grant();
  await leave();
  const acknowledged = `select 1 from es.event where type = 'storage.delete_acknowledged'`;
  while ((await server.database.pool.query(acknowledged)).rowCount === 0) await new Promise(setImmediate);
}

/** A sign-in by QR token, and the end of an account. */
async function leave(): Promise<void> {
  const { token, profileId } = await server.profile();
  gone = profileId;
  const { qrToken } = (await server.post('/profile/generate-token-qr', { token })).body;
  const { body } = await server.post('/profile/reauthorize-authorization-token', { json: { ttl: 60, qrToken } });
  secrets.set('QR token', qrToken).set('authorization by QR token', body.authorizationToken);
  await server.done('/profile/delete-account', { password }, token);
}

/** An application from its registration to the end of all that it was granted. */
async function grant(): Promise<void> {
  const application = await TestApplication.of(server, ada);
  const consent = await application.consent(ada, ['all'], 'a nonce that is private');
  const code = await application.code(consent);
  const first = await application.obtain(code);
  const { body: second } = await application.refresh(first);
  await application.call('/oauth-application/obtain-access-token', { authorization_code: code });
  const third = await application.grantedBy(ada);
  await server.post('/profile/revoke-authorization-token', { token: third.token });
  const { applicationId, clientSecret } = application;
  await server.post('/profile/revoke-authorization-token', { json: { applicationId }, token: ada.token });
  secrets
    .set('client secret of an application', clientSecret)
    .set('authorization code', code)
    .set('nonce', consent.nonce);
  for (const [name, pair] of Object.entries({ first, second, third })) {
    secrets.set(`${name} access token`, pair.token).set(`${name} refresh token`, pair.refreshToken);
  }
}

async function reserve(more: object = {}): Promise<{ token: string; stream: string }> {
  const { commandId } = await server.done('/data-token/reserve-token-space', { context, ...more }, ada.token);
  const { body } = await server.get(`/data-token/retrieve-temporary-data-token/${commandId}`, ada);
  secrets.set(`data token ${commandId}`, body.token).set(`auth ${commandId}`, body.streamAuthenticationToken);
  return body;
}

async function read(): Promise<Stored[]> {
  const boxes = server.served.app.get(PersonalBoxes);
  const { rows } = await server.database.pool.query<Omit<Stored, 'personal'>>(
    'select type, stream, id, data, meta from es.event order by position',
  );
  return Promise.all(
    rows.map(async (row) => {
      const opened = Object.keys(row.data.sealed ?? {}).map((subject) => boxes.open(row as never, subject));
      return { ...row, personal: Object.assign({}, ...(await Promise.all(opened))) as Record<string, unknown> };
    }),
  );
}

/** A part of a command, such as the profile of a new device, ends without a result of its own. */
const isPart = ({ meta }: Stored) =>
  events.some(({ data, stream }) => stream === `command-${meta.commandId}` && typeof data['partOf'] === 'string');
/** A command of the account that was deleted: its boxes are tombstones. */
const isErased = ({ stream }: Stored) =>
  events.some(
    (event) => event.stream === stream && event.type === 'command.accepted' && event.data['profileId'] === gone,
  );
const named = (type: string) =>
  events.filter((event) => event.type === type && !(type === 'command.succeeded' && isPart(event)) && !isErased(event));
const words = (text = '') => text.split(' ').filter(Boolean);

test.each(Object.entries(fields))(
  '%s has its fields, personal ones in the subject’s box',
  (type, [clear, personal, more]) => {
    const found = named(type);
    expect(found).not.toEqual([]);
    for (const event of found) {
      const { sealed: _, ...data } = event.data;
      expect(Object.keys(data).sort()).toEqual([...words(clear), ...words(more)].sort());
      const { ip, userAgent, ...own } = event.personal;
      expect([event.type, Object.keys(own).sort()]).toEqual([event.type, words(personal).sort()]);
      expect([typeof ip, typeof userAgent]).toEqual(
        ip === undefined ? ['undefined', 'undefined'] : ['string', 'string'],
      );
    }
  },
);

test('no event holds a secret or data, not even sealed; personal data are nowhere in the clear', () => {
  expect([...secrets.values()].every((secret) => typeof secret === 'string' && secret.length > 8)).toBe(true);
  for (const { personal, data, meta, type } of events) {
    const everything = JSON.stringify([personal, data, meta]);
    expect([type, [...secrets].filter(([, secret]) => everything.includes(secret)).map(([name]) => name)]).toEqual([
      type,
      [],
    ]);
    const clear = JSON.stringify([data, meta]);
    for (const text of [context, 'attic', ada.username, '127.0.0.1']) expect(clear).not.toContain(text);
  }
});

test('a command’s events are accepted, cleared, what it does, and one end', () => {
  const streams = events.map(({ stream }) => stream).filter((stream) => stream.startsWith('command-'));
  const commands = new Set(streams);
  expect(commands.size).toBeGreaterThan(15);
  for (const stream of commands) {
    const own = events.filter((event) => event.stream === stream);
    const [first, second, third, ...rest] = own.map(({ type }) => type);
    expect([stream, first, second, rest]).toEqual([stream, 'command.accepted', 'command.cleared', []]);
    expect(third).toMatch(/^command\.(succeeded|rejected)$/);
    for (const { meta } of own) expect(`command-${meta.commandId}`).toBe(stream);
  }
});

test.each([
  [
    'data-token/exchange-data-for-token',
    [
      'data_token.data_exchanged',
      'storage.write_dispatched',
      'storage.write_acknowledged',
      'data_token.made_permanent',
    ],
  ],
  [
    'upstream',
    [
      'data_token.stream_received',
      'data_token.data_exchanged',
      'storage.write_dispatched',
      'storage.write_acknowledged',
      'data_token.made_permanent',
    ],
  ],
  [
    'data-token/request-data',
    ['data_token.data_requested', 'storage.read_dispatched', 'storage.read_answered', 'data_token.data_ready'],
  ],
])('%s appends its events in their order, under the command', (commandType, types) => {
  const { meta } = named('command.accepted').find(({ data }) => data['commandType'] === commandType)!;
  const own = events.filter((event) => event.meta.commandId === meta.commandId).map(({ type }) => type);
  expect(own).toEqual(['command.accepted', 'command.cleared', ...types, 'command.succeeded']);
});

test('who acted: the profile, the device, or the system', () => {
  const actors = (type: string) =>
    new Set(named(type).map(({ meta }) => JSON.stringify(meta.actor, Object.keys(meta.actor).sort())));
  const { deviceIdentifier } = device;
  const byDevice = JSON.stringify({ deviceIdentifier, kind: 'device', profileId: deviceIdentifier });
  const byProfile = JSON.stringify({ kind: 'user', profileId: ada.profileId });
  for (const type of [
    'storage.write_acknowledged',
    'storage.read_answered',
    'storage.delete_acknowledged',
    'device.message_rejected',
  ]) {
    expect([type, [...actors(type)]]).toEqual([type, [byDevice]]);
  }
  for (const type of [
    'data_token.space_reserved',
    'data_token.data_exchanged',
    'data_token.deleted',
    'device.approved',
  ]) {
    expect([type, [...actors(type)]]).toEqual([type, [byProfile]]);
  }
});

test('`input` and `result` are reduced to ids and digests', () => {
  const ofType = (commandType: string) => {
    const accepted = named('command.accepted').find(({ data }) => data['commandType'] === commandType)!;
    const end = events.find(
      ({ type, meta }) => type === 'command.succeeded' && meta.commandId === accepted.meta.commandId,
    )!;
    return { input: accepted.personal['input'], result: end.personal['result'] };
  };
  const { tokenId } = named('data_token.space_reserved')[0]!.data;
  const exchanged = named('data_token.data_exchanged')[0]!.data as any;
  expect(ofType('data-token/exchange-data-for-token')).toMatchObject({
    input: {
      tokenId,
      parcel: {
        parcelId: exchanged.dataKey.keyId,
        size: 20,
        sha256: exchanged.sha256,
        header: exchanged.dataKey.header,
      },
    },
    result: { tokenId, version: 1, size: 20 },
  });
  expect(exchanged.dataKey.header).toMatch(/^[\w-]{75}$/);
  expect(exchanged.sha256).toBe(named('storage.write_acknowledged')[0]!.data['sha256']);
  expect(ofType('data-token/delete-data')).toMatchObject({ input: { tokenId }, result: { tokenId } });
  const requested = ofType('data-token/request-data').result as Record<string, unknown>;
  expect(requested).not.toHaveProperty('downloadUrl');
  const unknown = named('command.accepted').filter(({ data }) => data['commandType'] === 'data-token/delete-data')[1]!;
  expect(unknown.personal['input']).toMatchObject({ tokenId: null, tokenHash: expect.stringMatching(/^[\w-]{43}$/) });
});
