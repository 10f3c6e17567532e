import { resolve } from 'node:path';
import { Secret } from '@symbolon/observe';
import * as as from './forms';
import { defaultServices, type ServiceAddresses, serviceAddresses } from './services';
import { type DescribedSetting, type Environment, SettingsReader } from './settings-reader';

/** A broker, and its management API with the login for it (that of the broker unless its URL has one of its own). */
export interface RabbitMqSettings extends as.Broker {
  readonly management: as.Management & as.BrokerLogin;
}

/**
 * Everything that the environment says, read once and checked as a whole (API contract, section 1).
 * `publicUrl` is an origin without a slash at its end; the other URLs are complete and take `?auth=…` as they are.
 */
export class Settings {
  readonly listen: as.Address;
  readonly metricsListen: as.Address;
  /** Absolute path of the folder for everything that the server keeps outside the database. */
  readonly dataDir: string;
  /** 32 bytes that seal the key ring; null: the key ring keeps a master of its own in the data directory. */
  readonly masterKey: Secret<Buffer> | null;
  /** Null: the server starts a PostgreSQL of its own. */
  readonly databaseUrl: Secret<string> | null;
  /** Null: devices connect by WebSocket alone. */
  readonly rabbitmq: RabbitMqSettings | null;
  /** Where sealed bytes in transit lie. */
  readonly parcelPlace: ParcelPlace;
  readonly publicUrl: string;
  readonly wsUrl: string;
  readonly upstreamUrl: string;
  readonly downstreamUrl: string;
  readonly deviceChannelUrl: string;
  readonly deviceKeyBeforeApproval: boolean;
  readonly argon2: { readonly memoryKib: number; readonly iterations: number; readonly parallelism: number };
  /** Seconds. */
  readonly tokenTtl: number;
  /** 0: no limit. */
  readonly uploadMaxBytes: number;
  readonly wsAckDelayMs: number;
  /** Requests per minute; 0: no limit. */
  readonly rates: { readonly token: number; readonly address: number };
  /** Empty: CORS is off. */
  readonly corsOrigins: readonly string[];
  /** Addresses and CIDR ranges of proxies before the server. */
  readonly trustedProxies: readonly string[];
  readonly logLevel: as.LogLevel;
  /** Where the services are, if each context runs as a process of its own. */
  readonly services: ServiceAddresses;
  /** Where such a process listens; null: at its address among the services. */
  readonly serviceListen: as.Address | null;
  /** Variables that look like settings and are none: most likely misspelt. */
  readonly unknown: readonly string[];

  readonly #described: readonly DescribedSetting[];

  /** Throws `SettingsError` with every problem at once. An empty variable counts as unset; an empty master key does not. */
  static read(environment: Environment): Settings {
    return new Settings(new SettingsReader(environment));
  }

  private constructor(reader: SettingsReader) {
    this.listen = reader.required({
      name: 'SYMBOLON_LISTEN',
      fallback: '127.0.0.1:8009',
      effect: 'address of the API, the WebSockets, uploads and downloads; port 0 takes any free one',
      read: as.address,
    });
    this.metricsListen = reader.required({
      name: 'SYMBOLON_METRICS_LISTEN',
      fallback: '127.0.0.1:9464',
      effect: 'address of the metrics; port 0 takes any free one',
      read: as.address,
    });
    this.dataDir = reader.required({
      name: 'SYMBOLON_DATA_DIR',
      fallback: '.symbolon',
      effect: 'folder for the key ring, the parcels in transit and the server’s own PostgreSQL',
      read: (text) => resolve(text),
    });
    this.masterKey = reader.optional({
      name: 'SYMBOLON_MASTER_KEY',
      otherwise: 'a random master in the data directory',
      effect: 'seals the key ring: 64 hex digits, kept apart from the data directory and its backups',
      secret: 'whole',
      emptyIsSet: true,
      read: (text) => new Secret(as.key(text)),
    });
    this.databaseUrl = reader.optional({
      name: 'DATABASE_URL',
      otherwise: 'a PostgreSQL of the server’s own',
      effect: 'PostgreSQL to use',
      secret: 'password',
      read: (text) => new Secret(as.databaseUrl(text)),
    });
    reader.optional({
      name: 'EVENTSTORE_URL',
      otherwise: 'PostgreSQL holds the log',
      effect: 'EventStoreDB to hold the event log',
      secret: 'password',
      read: as.notCarried('EventStoreDB', 'PostgreSQL holds the log'),
    });
    const broker = reader.optional({
      name: 'SYMBOLON_RABBITMQ_URL',
      otherwise: 'WebSocket only',
      effect: 'RabbitMQ as a carrier of the device channel',
      secret: 'password',
      read: as.brokerUrl,
    });
    const management = reader.optional({
      name: 'SYMBOLON_RABBITMQ_MANAGEMENT_URL',
      otherwise: 'unset',
      effect: 'the broker’s management HTTP API; required where RabbitMQ is configured',
      secret: 'password',
      read: as.managementUrl,
    });
    if (broker && reader.isUnset('SYMBOLON_RABBITMQ_MANAGEMENT_URL'))
      reader.refuse(
        'SYMBOLON_RABBITMQ_MANAGEMENT_URL must be set where SYMBOLON_RABBITMQ_URL is, such as http://127.0.0.1:15672.',
      );
    this.rabbitmq = broker && management && { ...broker, management: { ...broker.login, ...management } };

    this.parcelPlace = parcelPlaceOf(reader);

    this.publicUrl = reader.required({
      name: 'SYMBOLON_PUBLIC_URL',
      fallback: this.listen && `http://${as.reachable(this.listen)}`,
      effect: 'origin used in every URL that the API hands out',
      read: as.origin,
    });
    const web = this.publicUrl;
    const socket = web && web.replace(/^http/, 'ws');
    this.wsUrl = reader.required({
      name: 'SYMBOLON_WS_URL',
      fallback: socket && `${socket}/ws`,
      effect: 'URL of the client WebSocket, where it is reached under a host of its own',
      read: as.url('ws:', 'wss:'),
    });
    this.upstreamUrl = reader.required({
      name: 'SYMBOLON_UPSTREAM_URL',
      fallback: web && `${web}/upstream/`,
      effect: 'URL of uploads, where they are reached under a host of their own',
      read: as.url('http:', 'https:'),
    });
    this.downstreamUrl = reader.required({
      name: 'SYMBOLON_DOWNSTREAM_URL',
      fallback: web && `${web}/downstream/`,
      effect: 'URL of downloads, where they are reached under a host of their own',
      read: as.url('http:', 'https:'),
    });
    this.deviceChannelUrl = reader.required({
      name: 'SYMBOLON_DEVICE_CHANNEL_URL',
      fallback: socket && `${socket}/device-channel`,
      effect: 'URL of the device channel, where it is reached under a host of its own',
      read: as.url('ws:', 'wss:'),
    });
    this.deviceKeyBeforeApproval = reader.required({
      name: 'SYMBOLON_DEVICE_KEY_BEFORE_APPROVAL',
      fallback: 'false',
      effect: 'true: only a device with a public key can be approved',
      read: as.boolean,
    });
    this.argon2 = {
      memoryKib: reader.required({
        name: 'SYMBOLON_ARGON2_MEMORY_KIB',
        fallback: '65536',
        effect: 'memory of the password verifiers (argon2id), KiB',
        read: as.integer(19_456, 4_194_304, 'below it a password is too cheap to guess'),
      }),
      iterations: reader.required({
        name: 'SYMBOLON_ARGON2_ITERATIONS',
        fallback: '3',
        effect: 'passes over that memory',
        read: as.integer(2, 100, 'below it a password is too cheap to guess'),
      }),
      parallelism: reader.required({
        name: 'SYMBOLON_ARGON2_PARALLELISM',
        fallback: '4',
        effect: 'lanes of that memory',
        read: as.integer(1, 255),
      }),
    };
    this.tokenTtl = reader.required({
      name: 'SYMBOLON_TOKEN_TTL',
      fallback: '86400',
      effect: 'seconds that an authorization token lives',
      read: as.integer(1, 31_536_000),
    });
    this.uploadMaxBytes = reader.required({
      name: 'SYMBOLON_UPLOAD_MAX_BYTES',
      fallback: '0',
      effect: 'largest upload in bytes, 413 beyond it; 0: no limit',
      read: as.integer(0, Number.MAX_SAFE_INTEGER),
    });
    this.wsAckDelayMs = reader.required({
      name: 'SYMBOLON_WS_ACK_DELAY_MS',
      fallback: '100',
      effect: 'milliseconds between a command’s HTTP answer and the first message about it',
      read: as.integer(0, 60_000),
    });
    this.rates = {
      token: reader.required({
        name: 'SYMBOLON_RATE_TOKEN_PER_MINUTE',
        fallback: '1200',
        effect: 'requests per minute and authorization token; 0: no limit',
        read: as.integer(0, 1_000_000_000),
      }),
      address: reader.required({
        name: 'SYMBOLON_RATE_ADDRESS_PER_MINUTE',
        fallback: '300',
        effect: 'requests per minute and address without a token; 0: no limit',
        read: as.integer(0, 1_000_000_000),
      }),
    };
    this.corsOrigins = reader.required({
      name: 'SYMBOLON_CORS_ORIGINS',
      fallback: '',
      effect: 'comma list of browser origins that may call the API; empty: none',
      read: as.origins,
    });
    this.trustedProxies = reader.required({
      name: 'SYMBOLON_TRUSTED_PROXIES',
      fallback: '',
      effect:
        'comma list of addresses and CIDR ranges of reverse proxies whose X-Forwarded-For is believed; empty: none',
      read: as.addressRanges,
    });
    this.logLevel = reader.required({
      name: 'SYMBOLON_LOG_LEVEL',
      fallback: 'info',
      effect: `least severe log lines to write: ${as.logLevels.join(', ')}`,
      read: as.logLevel,
    });
    this.services = reader.required({
      name: 'SYMBOLON_SERVICES',
      fallback: defaultServices,
      effect: 'comma list of name=host:port: where each context runs, if they are processes of their own',
      read: serviceAddresses,
    });
    this.serviceListen = reader.optional({
      name: 'SYMBOLON_SERVICE_LISTEN',
      otherwise: 'its address in SYMBOLON_SERVICES',
      effect: 'where a context listens that is a process of its own',
      read: as.address,
    });
    this.unknown = reader.unknown();
    this.#described = reader.described();
  }

  /** Every setting with its value, its default and its effect; keys and passwords are masked. */
  describe(): readonly DescribedSetting[] {
    return this.#described;
  }
}

/** Where sealed bytes in transit lie: files in the data directory, rows of the database, or objects of an S3 bucket. */
export type ParcelPlace =
  | { readonly kind: 'file' }
  | { readonly kind: 'postgres' }
  | {
      readonly kind: 's3';
      readonly bucket: string;
      readonly prefix: string;
      readonly endpoint: string | null;
      readonly region: string;
      readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: Secret<string> } | null;
    };

function parcelPlaceOf(reader: SettingsReader): ParcelPlace {
  const kind = reader.required({
    name: 'SYMBOLON_PARCEL_STORE',
    fallback: 'file',
    effect: 'where sealed bytes in transit lie: file (the data directory), postgres (the database) or s3 (a bucket)',
    read: as.oneOf('file', 'postgres', 's3'),
  });
  const place = reader.optional({
    name: 'SYMBOLON_S3_BUCKET',
    otherwise: 'unset',
    effect: 'bucket of the parcels, or bucket/prefix; required with SYMBOLON_PARCEL_STORE=s3',
    read: as.bucket,
  });
  const endpoint = reader.optional({
    name: 'SYMBOLON_S3_ENDPOINT',
    otherwise: 'Amazon S3',
    effect: 'URL of an S3-compatible store',
    read: as.url('http:', 'https:'),
  });
  const region = reader.required({
    name: 'SYMBOLON_S3_REGION',
    fallback: 'us-east-1',
    effect: 'region of the bucket',
    read: as.region,
  });
  const accessKeyId = reader.optional({
    name: 'SYMBOLON_S3_ACCESS_KEY_ID',
    otherwise: 'found as AWS clients find it',
    effect: 'access key of the bucket',
    secret: 'whole',
    read: (text) => text,
  });
  const secretAccessKey = reader.optional({
    name: 'SYMBOLON_S3_SECRET_ACCESS_KEY',
    otherwise: 'found as AWS clients find it',
    effect: 'secret of that access key',
    secret: 'whole',
    read: (text) => new Secret(text),
  });
  const credentials = accessKeyId !== null && secretAccessKey ? { accessKeyId, secretAccessKey } : null;
  if (!credentials && (accessKeyId !== null || secretAccessKey))
    reader.refuse('SYMBOLON_S3_ACCESS_KEY_ID and SYMBOLON_S3_SECRET_ACCESS_KEY must be set together.');
  if (kind === 's3' && reader.isUnset('SYMBOLON_S3_BUCKET'))
    reader.refuse('SYMBOLON_S3_BUCKET must be set where SYMBOLON_PARCEL_STORE is s3, such as vault-parcels.');
  if (kind !== 's3' || !place) return { kind: kind === 's3' ? 'file' : kind };
  return { kind, ...place, endpoint, region, credentials };
}
