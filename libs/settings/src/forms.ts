import { Secret } from '@symbolon/observe';
import { isAddressRange } from './addresses';

/** An address to listen on. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** A form takes a variable's text to its value, or throws a message that goes on after the variable's name. */
type Form<T> = (text: string) => T;

function must(be: string): never {
  throw new Error(`must be ${be}`);
}

export function integer(least: number, most: number, why = ''): Form<number> {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (value >= least && value <= most) return value;
    return must(`an integer from ${least} to ${most}${why && ` (${why})`}`);
  };
}

export function boolean(text: string): boolean {
  if (text === 'true' || text === '1') return true;
  return text === 'false' || text === '0' ? false : must('true or false');
}

export function address(text: string): Address {
  const parts = /^(?:\[([\da-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text);
  const host = parts?.[1] ?? parts?.[2];
  const port = Number(parts?.[3]);
  return host !== undefined && port <= 65_535
    ? { host, port }
    : must('host:port, such as 127.0.0.1:8009 or [::1]:8009');
}

/** The address under which a listener is called from its own machine. */
export function reachable({ host, port }: Address): string {
  if (host === '0.0.0.0' || host === '::') return `127.0.0.1:${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export function origin(text: string): string {
  const bare = plain(text, ['http:', 'https:']);
  return bare?.pathname === '/' ? bare.origin : must('an origin without a path, such as https://vault.example.org');
}

export function origins(text: string): readonly string[] {
  const given = text.split(',').map((item) => item.trim());
  return given
    .filter((item) => item !== '')
    .map((item) => plain(item, ['http:', 'https:']))
    .map((url) =>
      url?.pathname === '/' && !url.hostname.includes('*')
        ? url.origin
        : must('a comma list of origins (a wildcard is not taken)'),
    );
}

export function addressRanges(text: string): readonly string[] {
  const given = text.split(',').map((item) => item.trim());
  return given
    .filter((item) => item !== '')
    .map((item) => (isAddressRange(item) ? item : must('a comma list of IP addresses and CIDR ranges')));
}

export function url(...protocols: [string, string]): Form<string> {
  return (text) =>
    plain(text, protocols)?.href ?? must(`a URL of ${protocols.join(' or ')} without user, query and fragment`);
}

export function databaseUrl(text: string): string {
  const right = URL.canParse(text) && ['postgres:', 'postgresql:'].includes(new URL(text).protocol);
  return right ? text : must('a URL such as postgres://user:password@host:5432/database');
}

export interface BrokerLogin {
  readonly user: string;
  readonly password: Secret<string>;
}

/** Where a RabbitMQ is reached, by the server and by devices. */
export interface Broker {
  readonly tls: boolean;
  readonly host: string;
  readonly port: number;
  readonly vhost: string;
  readonly login: BrokerLogin;
}

/** `url` has neither login nor a slash at its end. */
export interface Management extends Partial<BrokerLogin> {
  readonly url: string;
}

/** An AMQP URI; without a vhost it is that of Symbolon, `/%2F` is the broker's own default. */
export function brokerUrl(text: string): Broker {
  const url = URL.canParse(text) ? new URL(text) : null;
  const vhost = url && decoded(url.pathname.slice(1));
  const [user, password] = url ? [decoded(url.username), decoded(url.password)] : [null, null];
  const right = url && ['amqp:', 'amqps:'].includes(url.protocol) && url.hostname !== '' && !url.search && !url.hash;
  if (!right || vhost === null || url.pathname.slice(1).includes('/') || user === null || password === null)
    return must('a URL such as amqp://user:password@host:5672/symbolon');
  const tls = url.protocol === 'amqps:';
  return {
    tls,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (tls ? 5671 : 5672) : Number(url.port),
    vhost: vhost || 'symbolon',
    login: { user: user || 'guest', password: new Secret(user === '' ? 'guest' : password) },
  };
}

export function managementUrl(text: string): Management {
  const url = URL.canParse(text) ? new URL(text) : null;
  const [user, password] = url ? [decoded(url.username), decoded(url.password)] : [null, null];
  if (
    !url ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.search ||
    url.hash ||
    user === null ||
    password === null
  )
    return must('a URL such as http://user:password@host:15672');
  const address = `${url.origin}${url.pathname}`.replace(/\/+$/, '').replace(/\/api$/, '');
  return { url: address, ...(user === '' ? {} : { user, password: new Secret(password) }) };
}

export function key(text: string): Buffer {
  return /^[\da-fA-F]{64}$/.test(text) ? Buffer.from(text, 'hex') : must('64 hex digits, 32 random bytes');
}

export function logLevel(text: string): LogLevel {
  return logLevels.find((level) => level === text) ?? must(`one of ${logLevels.join(', ')}`);
}

export function notCarried(adapter: string, instead: string): Form<never> {
  return () => {
    throw new Error(`is set, but this build does not carry the ${adapter} adapter yet: unset it, and ${instead}`);
  };
}

function plain(text: string, protocols: readonly string[]): URL | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  return protocols.includes(url.protocol) && !url.search && !url.hash && !url.username && !url.password ? url : null;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

export function oneOf<T extends string>(...values: readonly T[]): Form<T> {
  return (text) => values.find((value) => value === text) ?? must(values.join(' or '));
}

/** `bucket` or `bucket/prefix` (Amazon S3, rules for bucket names). */
export function bucket(text: string): { readonly bucket: string; readonly prefix: string } {
  const [, name, prefix] = /^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([\w./-]{1,200}?))?\/?$/.exec(text) ?? [];
  if (!name) return must('a bucket such as vault-parcels, or vault-parcels/prefix');
  return { bucket: name, prefix: prefix ? `${prefix}/` : '' };
}

export function region(text: string): string {
  return /^[a-z0-9-]{1,32}$/.test(text) ? text : must('a region such as eu-central-1');
}
