import type {
  AuthenticatorItem,
  DeviceConfiguration,
  DeviceItem,
  DeviceLogin,
  List,
  PolicyItem,
  PolicyTemplate,
  Pool,
  StorageItem,
  VotingConfiguration,
  VotingSettings,
} from './answers';
import type { Fields } from './api';
import type { CommandOptions, ListOptions, Outcome } from './session-options';

/** What calls the rows of the API for a profile. */
interface Rows {
  query<T>(path: string, query?: Fields): Promise<T>;
  call<T>(path: string, fields?: Fields): Promise<T>;
  command<T = unknown>(path: string, fields?: Fields, options?: CommandOptions): Promise<Outcome<T>>;
}

export const devicesOf = (rows: Rows) => ({
  /** Row 35: the commandId is what `login` takes. */
  add: (deviceName: string, options?: CommandOptions): Promise<Outcome<{ readonly deviceIdentifier: string }>> =>
    rows.command('/device/request-unique-identifier', { deviceName }, options),
  /** Row 36: the device's own login is in the first answer only. */
  login: (commandId: string): Promise<DeviceLogin> =>
    rows.call('/device/retrieve-unique-identifier', { id: commandId }),
  list: (
    filter: { readonly status?: DeviceItem['status'] | undefined } = {},
    page: ListOptions = {},
  ): Promise<List<DeviceItem>> => rows.query('/device/retrieve-profile-devices', { ...filter, ...page }),
  approve: (deviceIdentifier: string, options?: CommandOptions): Promise<Outcome> =>
    rows.command('/device/approve-device', { deviceIdentifier }, options),
  reject: (deviceIdentifier: string, options?: CommandOptions): Promise<Outcome> =>
    rows.command('/device/reject-device', { deviceIdentifier }, options),
  /** Row 41: the secrets are in the first answer only, unless `rotate` makes new ones. */
  configuration: (deviceIdentifier: string, rotate = false): Promise<DeviceConfiguration> =>
    rows.query(
      `/device/retrieve-device-configuration/${encodeURIComponent(deviceIdentifier)}`,
      rotate ? { rotate } : {},
    ),
});

export const storageOf = (rows: Rows) => ({
  /** Row 43: the device must be approved and have registered its key. */
  register: (deviceIdentifier: string, options?: CommandOptions): Promise<Outcome> =>
    rows.command('/storage/register', { deviceIdentifier }, options),
  list: (page: ListOptions = {}): Promise<List<StorageItem>> =>
    rows.query('/storage/list-storage-devices', { ...page }),
});

export const authenticatorsOf = (rows: Rows) => ({
  /** Row 47: the device must be approved and have registered its key. */
  register: (deviceIdentifier: string, options?: CommandOptions): Promise<Outcome> =>
    rows.command('/verified-authenticator/register', { deviceIdentifier }, options),
  remove: (deviceIdentifier: string, options?: CommandOptions): Promise<Outcome> =>
    rows.command('/verified-authenticator/remove', { deviceIdentifier }, options),
  list: (page: ListOptions = {}): Promise<List<AuthenticatorItem>> =>
    rows.query('/verified-authenticator/list-verified-authenticators', { ...page }),
});

/** How votes of this profile are held (rows 49 to 58, 86, 87). */
export const votingOf = (rows: Rows) => ({
  settings: (): Promise<VotingSettings> => rows.query('/verified-authenticator/retrieve-strategy'),
  setQuorum: (quorumSize: number, options?: CommandOptions): Promise<Outcome> =>
    rows.command('/verified-authenticator/set-quorum-size', { quorumSize }, options),
  setStrategy: (strategy: string, params?: string, options?: CommandOptions): Promise<Outcome> =>
    rows.command('/verified-authenticator/set-quorum-strategy', { strategy, strategy_params: params }, options),
  setTimeLimit: (timeLimit: number, options?: CommandOptions): Promise<Outcome> =>
    rows.command('/verified-authenticator/set-voting-time-limit', { timeLimit }, options),
  setAttempts: (numberOfAttempts: number, options?: CommandOptions): Promise<Outcome> =>
    rows.command('/verified-authenticator/set-maximum-voting-attempts', { numberOfAttempts }, options),
  /** Fields of row 55. */
  configure: (fields: Fields, options?: CommandOptions): Promise<Outcome<{ id: string; name: string }>> =>
    rows.command('/verified-authenticator/voting-configuration/register', fields, options),
  /** `name` or `id`, and the fields of row 55 that change. */
  reconfigure: (fields: Fields, options?: CommandOptions): Promise<Outcome<{ id: string; name: string }>> =>
    rows.command('/verified-authenticator/voting-configuration/update', fields, options),
  configurations: (page: ListOptions = {}): Promise<List<VotingConfiguration>> =>
    rows.query('/verified-authenticator/voting-configuration/list', { ...page }),
  removeConfiguration: (name: string, options?: CommandOptions): Promise<Outcome<{ id: string; name: string }>> =>
    rows.command('/verified-authenticator/voting-configuration/delete', { name }, options),
  /** Puts a question to the authenticators; resolves once their ballots are out. */
  ask: (
    question: { readonly votingConfigurationId: string; readonly title: string; readonly question: string },
    options?: CommandOptions,
  ): Promise<Outcome<{ poolId: string }>> => rows.command('/voting/create', { ...question }, options),
  pool: (poolId: string): Promise<Pool> => rows.query(`/voting/check-pool-status/${encodeURIComponent(poolId)}`),
  cancel: (poolId: string, options?: CommandOptions): Promise<Outcome<{ poolId: string }>> =>
    rows.command('/voting/cancel-pool', { poolId }, options),
});

export const policiesOf = (rows: Rows) => ({
  templates: (): Promise<Readonly<Record<string, PolicyTemplate>>> => rows.query('/policy/list-policy-templates'),
  /** Fields of row 60; the policy is inactive. */
  register: (fields: Fields, options?: CommandOptions): Promise<Outcome<{ id: string; name: string }>> =>
    rows.command('/policy/register', fields, options),
  activate: (name: string, options?: CommandOptions): Promise<Outcome<{ id: string }>> =>
    rows.command('/policy/activate', { name }, options),
  deactivate: (name: string, options?: CommandOptions): Promise<Outcome<{ id: string }>> =>
    rows.command('/policy/deactivate', { name }, options),
  remove: (name: string, options?: CommandOptions): Promise<Outcome<{ id: string }>> =>
    rows.command('/policy/delete', { name }, options),
  list: (page: ListOptions = {}): Promise<List<PolicyItem>> =>
    rows.query('/policy/list-registered-policies', { ...page }),
  retrieve: (name: string): Promise<PolicyItem> => rows.query(`/policy/retrieve-policy/${encodeURIComponent(name)}`),
});
