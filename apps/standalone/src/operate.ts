import { parseArgs } from 'node:util';
import { exits } from '@symbolon/contracts';
import { KeyRingError, SealError } from '@symbolon/crypto';
import { PostgresCannotStart } from '@symbolon/embedded-postgres';
import { LogMoved } from '@symbolon/event-store';
import { isOutage, Unavailable } from '@symbolon/kernel';
import { Settings, SettingsError } from '@symbolon/settings';
import { UsageError } from './arguments';
import { DataDirectoryError, DataDirectoryInUse } from './data-directory';
import { OperateError, OperateInstallation } from './operate-installation';
import type { Told, VerbOptions } from './operate-verb';
import { verbs } from './operate-verbs';
import type { Running } from './running';

const usage = `symbolon VERB [--data-dir DIR] [--json]

  log tail [--category C]… [--lines N] [--follow]   the newest events, without what they hold
  log rebase                                        make a moved log readable on this PostgreSQL cluster
  projection ls                                     where each follower of the log stands
  projection rebuild NAME                           fill a projection anew from the first event
  projection skip NAME                              let a stalled projection pass the event that stops it
  dead-letters ls [--lines N]                       messages that no device took, the oldest first
  dead-letters show ID                              such a message, whose content is sealed for its device
  dead-letters requeue ID|all                       back into the queue of its device
  dead-letters drop ID|all                          delete it for good
  poll export POOL [-o FILE]                        what the log has of a poll, for who counts elsewhere
  poll verify POOL | --file FILE [--server-key KEY]… [--device-key DEVICE=KEY]…
                                                    count a poll again and check every signature
  key rotate epoch [--backed-up]                    a new key above all profile keys
  key rotate lookups|engine-seal|engine-sign|password`;

/**
 * Runs an operator's verb on the database and the key ring of an installation. Resolves with the exit code; nothing is
 * thrown, and what was opened is closed. With `--json` stdout has one document, with `--follow` one per line and event.
 */
export async function operate(argv: readonly string[], running: Running): Promise<number> {
  const json = argv.includes('--json');
  const say = (document: object, text: string, indent = 2) => {
    const said = json ? JSON.stringify(document, null, indent) : text;
    if (said !== '') process.stdout.write(`${said}\n`);
  };
  // The reader has gone: there is nobody to tell.
  process.stdout.on('error', () => void running.stop().then(() => process.exit(exits.ok)));
  try {
    const told = await run(argv, running, ({ document, text }) => say(document, text, 0));
    if (told && !running.isStopping) say(told.document, told.text);
    return exits.ok;
  } catch (error) {
    // Cut short by a signal, whose handler knows what to answer.
    if (running.isStopping) return exits.interrupted;
    const { key, message, exit } = failureOf(error);
    if (json) say({ error: { key, message, exit } }, '');
    else process.stderr.write(`${message}\n`);
    return exit;
  } finally {
    await running.stop();
  }
}

async function run(argv: readonly string[], running: Running, tell: (told: Told) => void): Promise<Told | null> {
  const { values, positionals } = parse(argv);
  const [topic = '', verb = '', argument, ...more] = positionals;
  if (values.help) return { document: { usage }, text: usage };
  const known = verbs[`${topic} ${verb}`];
  if (!known) throw new UsageError(`There is no verb "${`${topic} ${verb}`.trim()}".\n\n${usage}`);
  const { takes, orFile } = known;
  const spared = orFile === true && values.file !== undefined;
  const fits = takes === null ? argument === undefined : argument !== undefined || spared;
  if (!fits || more.length > 0 || (Array.isArray(takes) && !takes.includes(argument))) {
    const expected =
      takes === null
        ? 'no argument'
        : takes === 'NAME'
          ? 'one name'
          : takes === 'ID'
            ? 'one id'
            : `one of ${takes.join(', ')}`;
    throw new UsageError(`${topic} ${verb} takes ${expected}.`);
  }
  const lines = Number(values.lines ?? 20);
  if (!(Number.isInteger(lines) && lines >= 0 && lines <= 100_000)) {
    throw new UsageError(`--lines takes a number from 0 to 100000, not "${values.lines}".`);
  }
  const settings = Settings.read({
    ...process.env,
    ...(values['data-dir'] === undefined ? {} : { SYMBOLON_DATA_DIR: values['data-dir'] }),
  });
  const options: VerbOptions = {
    categories: values.category ?? [],
    lines,
    follow: values.follow ?? false,
    backedUp: values['backed-up'] ?? false,
    output: values.output ?? null,
    file: values.file ?? null,
    serverKeys: values['server-key'] ?? [],
    deviceKeys: values['device-key'] ?? [],
    tell,
  };
  return known.run(new OperateInstallation(settings, running), argument ?? '', options);
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        'data-dir': { type: 'string' },
        json: { type: 'boolean' },
        category: { type: 'string', multiple: true },
        lines: { type: 'string' },
        follow: { type: 'boolean' },
        'backed-up': { type: 'boolean' },
        output: { type: 'string', short: 'o' },
        file: { type: 'string' },
        'server-key': { type: 'string', multiple: true },
        'device-key': { type: 'string', multiple: true },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : 'The arguments cannot be read.'}\n\n${usage}`);
  }
}

function failureOf(error: unknown): { key: string; message: string; exit: number } {
  const failed = (key: string, exit: number, message = (error as Error).message) => ({ key, message, exit });
  if (error instanceof OperateError) return failed(error.key, error.exit);
  if (error instanceof UsageError || error instanceof SettingsError) return failed('usage', exits.usage);
  if (error instanceof DataDirectoryInUse) return failed('data_directory_in_use', exits.unavailable);
  if (error instanceof DataDirectoryError) return failed('data_directory', exits.refused);
  if (error instanceof PostgresCannotStart) return failed('postgres', exits.unavailable);
  if (error instanceof LogMoved) return failed('log_moved', exits.refused);
  if (error instanceof KeyRingError) return failed('key_ring', exits.untrusted, upperFirst(`${error.message}.`));
  if (error instanceof SealError) {
    const message = 'A wrapped key cannot be opened: the key ring is not the one that the database was written with.';
    return failed('seal', exits.untrusted, message);
  }
  if (error instanceof Unavailable || isOutage(error)) {
    return failed('unavailable', exits.unavailable, 'The database cannot be reached: is it running?');
  }
  const { code } = error as { code?: unknown };
  if (code === '42P01' || code === '3F000') {
    const message = 'There is no Symbolon in this database: start the server on it once.';
    return failed('missing', exits.missing, message);
  }
  if (code === '28P01' || code === '28000') {
    return failed('forbidden', exits.forbidden, 'The database does not take the login of DATABASE_URL.');
  }
  return failed('unexpected', exits.unexpected, error instanceof Error ? error.message : String(error));
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
