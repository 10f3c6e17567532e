import { exits, type Reason, reasons } from '@symbolon/contracts';
import {
  KeyFormError,
  KeysMissing,
  PinMismatch,
  Refused,
  type RefusalKind,
  RolledBack,
  SealError,
  TimedOut,
  Unreachable,
} from '@symbolon/sdk';
import { CommanderError } from 'commander';

const meanings: Record<keyof typeof exits, string> = {
  ok: 'done',
  unexpected: 'unexpected fault, here or at the server',
  usage: 'wrong usage, or input that the server finds invalid',
  forbidden: 'not signed in, or not allowed',
  missing: 'no such token, device, command or file',
  refused: 'refused: what is there does not allow it',
  unavailable: 'not available now: no connection, a limit, no answer in time',
  untrusted: 'not to be trusted: data that cannot be opened, an older version, another server key',
  interrupted: 'interrupted',
};

export const exitHelp = `
Exit codes:
${Object.entries(exits)
  .map(([name, code]) => `  ${code}  ${meanings[name as keyof typeof exits]}`)
  .join('\n')}`;

/** Something the caller has to mend; the message is a sentence that says how. */
export class CliError extends Error {
  constructor(
    message: string,
    readonly exit: number = exits.usage,
    readonly key: string = 'usage',
  ) {
    super(message);
  }
}

const byKind: Record<RefusalKind, number> = {
  invalid: exits.usage,
  unauthorized: exits.forbidden,
  forbidden: exits.forbidden,
  missing: exits.missing,
  refused: exits.refused,
  unavailable: exits.unavailable,
  unexpected: exits.unexpected,
};

/** What is told of a failure: a sentence, and with `--json` the same as a document. */
export interface Failure {
  readonly exit: number;
  readonly key: string;
  readonly message: string;
  readonly errors?: Readonly<Record<string, readonly string[]>>;
  readonly commandId?: string;
}

const advice: Readonly<Record<string, string>> = {
  unauthorized: 'Sign in with `symbolon profile login`.',
  'profile.public_key_required': 'Register your keys with `symbolon key register`.',
  'storage.no_devices': 'Add one with `symbolon device add`, then `symbolon device run --storage`.',
  'storage.no_device_answered': 'Is a storage device running? `symbolon device list` shows.',
  'device.public_key_missing': 'Start the device with `symbolon device run`: it registers its key.',
  'device.not_approved': 'Approve it with `symbolon device approve`.',
  'policy.no_authenticators':
    'There are fewer authenticators than its votes need: add one with `symbolon device run --authenticator`.',
  'authenticator.required_by_policy':
    'An active policy needs it for its votes: add another one, or deactivate the policy.',
  'voting.quorum_exceeds_authenticators':
    'An active policy has fewer authenticators than that: add some with `symbolon device run --authenticator`.',
  'voting.no_authenticators': 'Nobody is there to vote: add one with `symbolon device run --authenticator`.',
};

/** A rejected command has its reason key alone. */
function meaningOf({ key, message }: Refused): string {
  return message === key && Object.hasOwn(reasons, key) ? `${key}: ${reasons[key as Reason]}` : message;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof Refused) {
    const sentence = [meaningOf(error).replace(/\.?$/, '.'), advice[error.key]].filter(Boolean).join(' ');
    return {
      exit: byKind[error.kind],
      key: error.key,
      message: sentence,
      ...(Object.keys(error.errors).length > 0 ? { errors: error.errors } : {}),
      ...(error.commandId === null ? {} : { commandId: error.commandId }),
    };
  }
  if (error instanceof CliError) return { exit: error.exit, key: error.key, message: error.message };
  if (error instanceof CommanderError) {
    return {
      exit: error.exitCode === 0 ? exits.ok : exits.usage,
      key: 'usage',
      message: error.message.replace(/^error: /, ''),
    };
  }
  if (error instanceof Unreachable) {
    return { exit: exits.unavailable, key: 'unreachable', message: `${error.message}. Is the server running?` };
  }
  if (error instanceof TimedOut) {
    return {
      exit: exits.unavailable,
      key: 'timed_out',
      message: `The command goes on. Ask for it with \`symbolon status ${error.commandId}\`.`,
      commandId: error.commandId,
    };
  }
  if (error instanceof SealError) {
    const message =
      'The data cannot be opened: it was damaged, swapped, or not sealed by this profile. What was put with --raw is fetched with --raw.';
    return { exit: exits.untrusted, key: 'seal', message };
  }
  if (error instanceof RolledBack) return { exit: exits.untrusted, key: 'rolled_back', message: `${error.message}.` };
  if (error instanceof PinMismatch) {
    const message = `${error.message}. If the server's owner confirms the new one, sign in again with \`symbolon profile login --accept-server-key\`.`;
    return { exit: exits.untrusted, key: 'server_key_changed', message: upperFirst(message) };
  }
  if (error instanceof KeysMissing) {
    const message =
      'This profile has no keys here: make them with `symbolon key register`, or bring them with `symbolon key import`.';
    return { exit: exits.forbidden, key: 'keys_missing', message };
  }
  if (error instanceof KeyFormError)
    return { exit: exits.usage, key: 'key_form', message: upperFirst(`${error.message}.`) };
  return systemFailure(error);
}

function systemFailure(error: unknown): Failure {
  const { code, path, message } = error as NodeJS.ErrnoException;
  const where = path ?? 'the file';
  switch (code) {
    case 'ENOENT':
      return { exit: exits.missing, key: 'file_missing', message: `There is no ${where}.` };
    case 'EACCES':
    case 'EPERM':
      return { exit: exits.forbidden, key: 'file_forbidden', message: `${where} may not be opened by this user.` };
    case 'EISDIR':
      return { exit: exits.usage, key: 'file_is_directory', message: `${where} is a directory.` };
    case 'ENOSPC':
      return { exit: exits.unexpected, key: 'disk_full', message: 'The disk is full.' };
    case 'EPIPE':
      return { exit: exits.ok, key: 'closed', message: 'The reader has gone.' };
    default:
      return { exit: exits.unexpected, key: 'unexpected', message: message || String(error) };
  }
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
