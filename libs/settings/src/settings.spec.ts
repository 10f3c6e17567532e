import { inspect } from 'node:util';
import { Settings, SettingsError } from './index';

const master = 'c7'.repeat(32);

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    Settings.read(environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe('settings', () => {
  test('have the defaults of the API contract', () => {
    expect(Settings.read({})).toMatchObject({
      listen: { host: '127.0.0.1', port: 8009 },
      metricsListen: { host: '127.0.0.1', port: 9464 },
      masterKey: null,
      databaseUrl: null,
      publicUrl: 'http://127.0.0.1:8009',
      wsUrl: 'ws://127.0.0.1:8009/ws',
      upstreamUrl: 'http://127.0.0.1:8009/upstream/',
      downstreamUrl: 'http://127.0.0.1:8009/downstream/',
      deviceChannelUrl: 'ws://127.0.0.1:8009/device-channel',
      deviceKeyBeforeApproval: false,
      argon2: { memoryKib: 65_536, iterations: 3, parallelism: 4 },
      tokenTtl: 86_400,
      uploadMaxBytes: 0,
      wsAckDelayMs: 100,
      rates: { token: 1200, address: 300 },
      corsOrigins: [],
      trustedProxies: [],
      logLevel: 'info',
      unknown: [],
    });
  });

  test('take what the environment says; an empty variable counts as unset', () => {
    const settings = Settings.read({
      SYMBOLON_LISTEN: '[::1]:0',
      SYMBOLON_PUBLIC_URL: 'https://Vault.example.org/',
      SYMBOLON_UPSTREAM_URL: 'https://up.example.org',
      SYMBOLON_MASTER_KEY: master,
      DATABASE_URL: 'postgres://app:hunter2@db/vault',
      SYMBOLON_DEVICE_KEY_BEFORE_APPROVAL: '1',
      SYMBOLON_CORS_ORIGINS: 'https://a.example.org, http://localhost:5173,',
      SYMBOLON_TRUSTED_PROXIES: '10.0.0.0/8, ::1,192.0.2.7',
      SYMBOLON_TOKEN_TTL: '',
    });
    expect(settings).toMatchObject({
      listen: { host: '::1', port: 0 },
      publicUrl: 'https://vault.example.org',
      wsUrl: 'wss://vault.example.org/ws',
      upstreamUrl: 'https://up.example.org/',
      downstreamUrl: 'https://vault.example.org/downstream/',
      deviceChannelUrl: 'wss://vault.example.org/device-channel',
      deviceKeyBeforeApproval: true,
      corsOrigins: ['https://a.example.org', 'http://localhost:5173'],
      trustedProxies: ['10.0.0.0/8', '::1', '192.0.2.7'],
      tokenTtl: 86_400,
    });
    expect(settings.masterKey?.reveal().toString('hex')).toBe(master);
    expect(settings.databaseUrl?.reveal()).toBe('postgres://app:hunter2@db/vault');
  });

  test('derive the public URL from the address of the listener', () => {
    expect(Settings.read({ SYMBOLON_LISTEN: '0.0.0.0:9000' }).publicUrl).toBe('http://127.0.0.1:9000');
    expect(Settings.read({ SYMBOLON_LISTEN: '[::1]:9000' }).publicUrl).toBe('http://[::1]:9000');
  });

  test.each([
    ['SYMBOLON_LISTEN', '8009'],
    ['SYMBOLON_LISTEN', '127.0.0.1:65536'],
    ['SYMBOLON_METRICS_LISTEN', 'http://127.0.0.1:9464'],
    ['SYMBOLON_MASTER_KEY', ''],
    ['SYMBOLON_MASTER_KEY', 'c7'.repeat(31)],
    ['SYMBOLON_MASTER_KEY', 'g'.repeat(64)],
    ['DATABASE_URL', 'mysql://db/vault'],
    ['SYMBOLON_RABBITMQ_URL', 'http://mq'],
    ['SYMBOLON_RABBITMQ_URL', 'amqp://mq/a/b'],
    ['SYMBOLON_RABBITMQ_URL', 'amqp://me:%zz@mq'],
    ['SYMBOLON_RABBITMQ_MANAGEMENT_URL', 'amqp://mq'],
    ['SYMBOLON_RABBITMQ_MANAGEMENT_URL', 'mq:15672'],
    ['SYMBOLON_PUBLIC_URL', 'vault.example.org'],
    ['SYMBOLON_PUBLIC_URL', 'https://vault.example.org/api'],
    ['SYMBOLON_PUBLIC_URL', 'ftp://vault.example.org'],
    ['SYMBOLON_WS_URL', 'https://vault.example.org/ws'],
    ['SYMBOLON_UPSTREAM_URL', 'https://up.example.org/?a=b'],
    ['SYMBOLON_DOWNSTREAM_URL', 'https://me:pass@down.example.org/'],
    ['SYMBOLON_DEVICE_CHANNEL_URL', 'nonsense'],
    ['SYMBOLON_DEVICE_KEY_BEFORE_APPROVAL', 'yes'],
    ['SYMBOLON_ARGON2_MEMORY_KIB', '19455'],
    ['SYMBOLON_ARGON2_ITERATIONS', '1'],
    ['SYMBOLON_ARGON2_PARALLELISM', '0'],
    ['SYMBOLON_TOKEN_TTL', '1.5'],
    ['SYMBOLON_TOKEN_TTL', '0'],
    ['SYMBOLON_UPLOAD_MAX_BYTES', '-1'],
    ['SYMBOLON_UPLOAD_MAX_BYTES', '9007199254740992'],
    ['SYMBOLON_WS_ACK_DELAY_MS', '1e3'],
    ['SYMBOLON_RATE_TOKEN_PER_MINUTE', 'many'],
    ['SYMBOLON_RATE_ADDRESS_PER_MINUTE', ' 5'],
    ['SYMBOLON_CORS_ORIGINS', '*'],
    ['SYMBOLON_CORS_ORIGINS', 'https://*.example.org'],
    ['SYMBOLON_CORS_ORIGINS', 'https://a.example.org,null'],
    ['SYMBOLON_TRUSTED_PROXIES', 'proxy.example.org'],
    ['SYMBOLON_TRUSTED_PROXIES', '10.0.0.0/33'],
    ['SYMBOLON_TRUSTED_PROXIES', '*'],
    ['SYMBOLON_LOG_LEVEL', 'loud'],
  ])('refuse %s=%s and name the variable alone', (name, value) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name} must be `));
  });

  test.each(['SYMBOLON_ARGON2_MEMORY_KIB=19456', 'SYMBOLON_ARGON2_ITERATIONS=2', 'SYMBOLON_ARGON2_PARALLELISM=1'])(
    'take the floor %s',
    (assignment) => {
      const [name = '', value = ''] = assignment.split('=');
      expect(problemsOf({ [name]: value })).toEqual([]);
    },
  );

  test.each([['EVENTSTORE_URL', 'esdb://admin:changeit@es:2113', 'EventStoreDB']])(
    'say of %s that its adapter is not there yet',
    (name, value, adapter) => {
      const [problem] = problemsOf({ [name]: value });
      expect(problem).toContain(`${name} is set, but this build does not carry the ${adapter} adapter yet`);
      expect(problem).not.toContain('changeit');
    },
  );

  test('of RabbitMQ say where the broker is, its vhost and both logins', () => {
    expect(Settings.read({}).rabbitmq).toBeNull();
    const { rabbitmq } = Settings.read({
      SYMBOLON_RABBITMQ_URL: 'amqp://app:hunter%2f2@mq',
      SYMBOLON_RABBITMQ_MANAGEMENT_URL: 'http://mq:15672/',
    });
    expect(rabbitmq).toMatchObject({
      tls: false,
      host: 'mq',
      port: 5672,
      vhost: 'symbolon',
      login: { user: 'app' },
      management: { url: 'http://mq:15672', user: 'app' },
    });
    expect([rabbitmq?.login.password.reveal(), rabbitmq?.management.password.reveal()]).toEqual(
      Array(2).fill('hunter/2'),
    );
    const other = Settings.read({
      SYMBOLON_RABBITMQ_URL: 'amqps://[::1]:5999/%2F',
      SYMBOLON_RABBITMQ_MANAGEMENT_URL: 'https://boss:secret@mq.example.org/rabbit/api',
    }).rabbitmq;
    expect(other).toMatchObject({
      tls: true,
      host: '::1',
      port: 5999,
      vhost: '/',
      login: { user: 'guest' },
      management: { url: 'https://mq.example.org/rabbit', user: 'boss' },
    });
    expect(other?.management.password.reveal()).toBe('secret');
  });

  test('of RabbitMQ are refused without the management API, and show no password', () => {
    expect(problemsOf({ SYMBOLON_RABBITMQ_URL: 'amqp://me:changeit@mq' })).toEqual([
      'SYMBOLON_RABBITMQ_MANAGEMENT_URL must be set where SYMBOLON_RABBITMQ_URL is, such as http://127.0.0.1:15672.',
    ]);
    const environment = {
      SYMBOLON_RABBITMQ_URL: 'amqp://me:changeit@mq',
      SYMBOLON_RABBITMQ_MANAGEMENT_URL: 'http://me:changeit@mq:15672',
    };
    const settings = Settings.read(environment);
    expect(JSON.stringify([settings, settings.describe()])).not.toContain('changeit');
    expect(inspect(settings, { depth: 9 })).not.toContain('changeit');
  });

  test('report every problem at once, and no secret in any of them', () => {
    const problems = problemsOf({
      SYMBOLON_LISTEN: 'here',
      SYMBOLON_MASTER_KEY: 'hunter2',
      DATABASE_URL: 'mysql://app:hunter2@db/vault',
      SYMBOLON_PUBLIC_URL: 'https://me:hunter2@vault.example.org',
      SYMBOLON_TOKEN_TTL: 'soon',
    });
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      'SYMBOLON_LISTEN',
      'SYMBOLON_MASTER_KEY',
      'DATABASE_URL',
      'SYMBOLON_PUBLIC_URL',
      'SYMBOLON_TOKEN_TTL',
    ]);
    expect(problems.join()).not.toContain('hunter2');
    expect(problems[4]).toContain('but is "soon"');
  });

  test('are described with value, default and effect, and without secrets', () => {
    const settings = Settings.read({
      SYMBOLON_MASTER_KEY: master,
      DATABASE_URL: 'postgres://app:hunter2@db/vault?sslpassword=hunter2',
      SYMBOLON_TOKEN_TTL: '60',
    });
    const rows = new Map(settings.describe().map((row) => [row.name, row]));
    expect(rows.get('SYMBOLON_TOKEN_TTL')).toEqual({
      name: 'SYMBOLON_TOKEN_TTL',
      value: '60',
      default: '86400',
      effect: 'seconds that an authorization token lives',
      source: 'environment',
    });
    expect(rows.get('DATABASE_URL')?.value).toBe('postgres://app:secret@db/vault?sslpassword=secret');
    expect(rows.get('SYMBOLON_MASTER_KEY')?.value).toBe('[secret]');
    expect(rows.get('SYMBOLON_WS_URL')).toMatchObject({ value: 'ws://127.0.0.1:8009/ws', source: 'default' });
    expect(rows.size).toBe(33);
    for (const text of [
      JSON.stringify(settings.describe()),
      JSON.stringify(settings),
      inspect(settings, { depth: 9 }),
    ]) {
      expect(text).not.toContain('hunter2');
      expect(text).not.toContain(master);
    }
  });

  test('point out variables that look like settings and are none', () => {
    expect(Settings.read({ SYMBOLON_TOKEN_TLL: '60', PATH: '/bin' }).unknown).toEqual(['SYMBOLON_TOKEN_TLL']);
  });
});

describe('the place of the parcels', () => {
  test('is the data directory unless something else is said', () => {
    expect(Settings.read({}).parcelPlace).toEqual({ kind: 'file' });
    expect(Settings.read({ SYMBOLON_PARCEL_STORE: 'postgres' }).parcelPlace).toEqual({ kind: 'postgres' });
  });

  test('is a bucket with its endpoint, prefix and credentials, which are never shown', () => {
    const settings = Settings.read({
      SYMBOLON_PARCEL_STORE: 's3',
      SYMBOLON_S3_BUCKET: 'vault-parcels/transit',
      SYMBOLON_S3_ENDPOINT: 'http://127.0.0.1:9000',
      SYMBOLON_S3_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      SYMBOLON_S3_SECRET_ACCESS_KEY: 'hunter2hunter2',
    });
    expect(settings.parcelPlace).toMatchObject({
      kind: 's3',
      bucket: 'vault-parcels',
      prefix: 'transit/',
      endpoint: 'http://127.0.0.1:9000/',
      region: 'us-east-1',
    });
    expect(JSON.stringify(settings.describe()) + inspect(settings, { depth: 9 })).not.toContain('hunter2');
  });

  test.each<[string, Record<string, string>, string]>([
    ['another store', { SYMBOLON_PARCEL_STORE: 'tape' }, 'SYMBOLON_PARCEL_STORE must be file or postgres or s3'],
    ['no bucket', { SYMBOLON_PARCEL_STORE: 's3' }, 'SYMBOLON_S3_BUCKET must be set'],
    [
      'a malformed bucket',
      { SYMBOLON_PARCEL_STORE: 's3', SYMBOLON_S3_BUCKET: 'A_B' },
      'SYMBOLON_S3_BUCKET must be a bucket',
    ],
    ['half of the credentials', { SYMBOLON_S3_ACCESS_KEY_ID: 'AKIDEXAMPLE' }, 'must be set together'],
  ])('%s is refused', (_, environment, problem) => {
    expect(problemsOf(environment).join('\n')).toContain(problem);
  });
});

describe('services', () => {
  test('stand at addresses of their own, each of which can be another', () => {
    expect(Settings.read({}).services).toEqual({
      identity: { host: '127.0.0.1', port: 8011 },
      'token-vault': { host: '127.0.0.1', port: 8012 },
      'device-router': { host: '127.0.0.1', port: 8013 },
      policy: { host: '127.0.0.1', port: 8014 },
      voting: { host: '127.0.0.1', port: 8015 },
    });
    const { services, serviceListen } = Settings.read({
      SYMBOLON_SERVICES: 'token-vault=vault.internal:80, voting=[::1]:9',
      SYMBOLON_SERVICE_LISTEN: '0.0.0.0:80',
    });
    expect(services).toMatchObject({
      identity: { host: '127.0.0.1', port: 8011 },
      'token-vault': { host: 'vault.internal', port: 80 },
      voting: { host: '::1', port: 9 },
    });
    expect(serviceListen).toEqual({ host: '0.0.0.0', port: 80 });
  });

  test.each([
    ['a service that is none', 'elsewhere=127.0.0.1:1'],
    ['one twice', 'policy=127.0.0.1:1,policy=127.0.0.1:2'],
    ['no address', 'policy'],
    ['no port', 'policy=127.0.0.1'],
    ['two at one address', 'policy=127.0.0.1:1,voting=127.0.0.1:1'],
  ])('%s is refused', (_, SYMBOLON_SERVICES) => {
    expect(problemsOf({ SYMBOLON_SERVICES })).toEqual([expect.stringMatching(/^SYMBOLON_SERVICES must /)]);
  });
});
