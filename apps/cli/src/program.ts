import { exits } from '@symbolon/contracts';
import { Command, InvalidArgumentError, Option } from 'commander';
import * as ballot from './ballot';
import { Context, defaultUrl } from './context';
import * as data from './data';
import * as device from './device';
import { exitHelp, failureOf } from './failure';
import * as policy from './policy';
import * as profile from './profile';
import {
  operatorArguments,
  type OperatorOptions,
  runDevice,
  runProgram,
  serverArguments,
  type UpOptions,
} from './programs';
import { type Surroundings, Terminal } from './terminal';
import * as voting from './voting';

interface Global {
  readonly url: string;
  readonly json?: boolean;
  readonly timeout?: number;
}

const rotations = ['epoch', 'lookups', 'engine-seal', 'engine-sign', 'password'];

/** Runs the command line and resolves with its exit code (see `exits`). Nothing is thrown. */
export async function run(
  argv: readonly string[],
  surroundings: Surroundings,
  signal: AbortSignal = new AbortController().signal,
): Promise<number> {
  const json = argv.includes('--json');
  const terminal = new Terminal(surroundings, json);
  try {
    return await parse(argv, terminal, signal);
  } catch (error) {
    const { exit, ...failure } = failureOf(error);
    if (signal.aborted) return exits.interrupted;
    if (exit === exits.ok) return exits.ok;
    if (json) terminal.result({ error: { ...failure, exit } }, '');
    // Commander has said its own sentence, with the usage, already.
    else if (!(error instanceof Error && error.name === 'CommanderError')) {
      terminal.hint(failure.message);
      for (const [field, messages] of Object.entries(failure.errors ?? {})) {
        terminal.hint(`  ${field} ${messages.join(', ')}`);
      }
    }
    return exit;
  }
}

async function parse(argv: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<number> {
  const { surroundings } = terminal;
  let exit: number = exits.ok;
  const program = new Command('symbolon')
    .description('A vault that gives a token for data, and keeps the data, sealed, on your own devices.')
    .option('--url <url>', 'the server (SYMBOLON_URL)', surroundings.env['SYMBOLON_URL'] || defaultUrl)
    .option('--json', 'one JSON document on stdout, whatever happens')
    .option('--timeout <seconds>', 'stop waiting for a command after this time; it goes on', positive)
    .addHelpText('after', exitHelp)
    .showHelpAfterError('(symbolon --help shows more)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => surroundings.stdout.write(text),
      writeErr: (text) => {
        if (!terminal.json) surroundings.stderr.write(text);
      },
    });

  /** Adds a command whose action gets a context, its arguments and its options. */
  const add = <A extends unknown[]>(
    parent: Command,
    usage: string,
    description: string,
    action: (context: Context, ...args: A) => Promise<number | void>,
  ): Command =>
    parent
      .command(usage)
      .description(description)
      .action(async (...given: unknown[]) => {
        const command = given.pop() as Command;
        const { url, timeout } = command.optsWithGlobals<Global>();
        const context = new Context(terminal, url, signal, timeout);
        exit = (await action(context, ...(given as A))) ?? exits.ok;
      });

  const server = (name: string, description: string, ...extra: string[]): Command =>
    add<[UpOptions]>(program, name, description, (_context, options) =>
      runProgram('standalone', [...serverArguments(options), ...extra], surroundings),
    )
      .option('--port <n>', 'listen on 127.0.0.1:N')
      .option('--data-dir <dir>', 'keep everything there')
      .option('--no-tour', 'do not show the tour on the first start')
      .option('--tour-file <file>', 'exchange this file in the tour')
      .option('--reset', 'delete what the data directory holds first');
  server('up', 'run the server, all in one process');
  server('config', 'show the settings in effect, without secrets', '--print-config');

  const passwordStdin = () => new Option('--password-stdin', 'the password is the first line of stdin');
  const acceptServerKey = () => new Option('--accept-server-key', 'trust the key that the server shows now');

  const profiles = program.command('profile').description('who you are at the server');
  for (const [name, description, action] of [
    ['register', 'register a new profile and sign in', profile.register],
    ['login', 'sign in', profile.login],
  ] as const) {
    add<[string, Omit<profile.LoginOptions, 'username'>]>(
      profiles,
      `${name} <username>`,
      description,
      (context, username, options) => action(context, { ...options, username }),
    )
      .addOption(passwordStdin())
      .addOption(acceptServerKey())
      .addHelpText('after', '\nThe password is asked for, or taken from SYMBOLON_PASSWORD or stdin.');
  }
  add(profiles, 'logout', 'end the sign-in; your keys stay', profile.logout);
  add(profiles, 'whoami', 'show who is signed in', profile.whoami);

  const keys = program
    .command('key')
    .description("your keys, which never leave this machine; for operators, the installation's");
  add(keys, 'register', 'make your keys here and register their public halves', profile.registerKey)
    .option('--renew', 'make new ones; the present ones go on opening what was sealed to them')
    .option('--replace', 'even though keys are registered that are not here');
  const passphraseStdin = () => new Option('--passphrase-stdin', 'the passphrase is the first line of stdin');
  add(keys, 'export <file>', 'write your keys into a file, sealed under a passphrase', profile.exportKey).addOption(
    passphraseStdin(),
  );
  add(keys, 'import <file>', 'take your keys from such a file', profile.importKey).addOption(passphraseStdin());

  /** A verb that works on the database and the key ring of an installation on this machine. */
  const operate = (parent: Command, usage: string, description: string): Command =>
    add(parent, usage, `${description} (for operators)`, (_context, ...given: unknown[]) => {
      const options = given.pop() as OperatorOptions;
      const words = [parent.name(), usage.split(' ', 1)[0]!, ...given.filter((word) => word !== undefined)] as string[];
      return runProgram('standalone', operatorArguments(words, options, terminal.json), surroundings);
    }).option('--data-dir <dir>', "the server's data directory (SYMBOLON_DATA_DIR)");

  const log = program.command('log').description('the event log of an installation');
  operate(log, 'tail', 'show the newest events, without what they hold')
    .option('--category <category...>', 'of these categories of streams alone')
    .option('--lines <n>', 'how many (default 20)', positive)
    .option('--follow', 'go on with those to come; with --json one document per line');
  operate(log, 'rebase', 'make a log readable that was moved to another PostgreSQL cluster; the server is stopped');
  const projections = program.command('projection').description('what an installation makes of its log');
  operate(projections, 'ls', 'show where each follower of the log stands');
  operate(projections, 'rebuild <name>', 'empty a projection and fill it anew from the first event');
  operate(projections, 'skip <name>', 'let a stalled projection pass the event that stops it');
  const letters = program.command('dead-letters').description('messages that no device took');
  operate(letters, 'ls', 'list them, the oldest first').option('--lines <n>', 'how many (default 20)', positive);
  operate(letters, 'show <id>', 'show one, whose content is sealed for its device');
  operate(letters, 'requeue <id>', 'put it back into the queue of its device; all: every one');
  operate(letters, 'drop <id>', 'delete it for good; all: every one');
  const polls = program.command('poll').description('what an installation can show for its polls');
  operate(polls, 'export <pool>', 'write what the log has of a poll, for who counts elsewhere').option(
    '-o, --output <file>',
    'where to (default: stdout)',
  );
  operate(polls, 'verify [pool]', 'count a poll again and check every signature')
    .option('--file <file>', 'from such a file, without an installation')
    .option('--server-key <key...>', "believe these keys of the server's alone")
    .option('--device-key <device=key...>', 'believe these keys of a device alone');
  operate(keys, 'rotate <what>', "make a new one of the installation's keys: " + rotations.join(', ')).option(
    '--backed-up',
    'the backup is verified: destroy the old epoch key',
  );

  const devices = program.command('device').description('where the data lie');
  add(devices, 'add <name>', 'register and approve a device, and write what its agent needs', device.add)
    .option('--dir <dir>', 'the directory of the device')
    .option('--no-approve', 'leave it pending');
  add(devices, 'list', 'list devices', device.list)
    .addOption(new Option('--status <status>').choices(['pending', 'approved', 'rejected', 'removed']))
    .option('--page <n>', 'page', positive)
    .option('--per-page <n>', 'devices per page', positive);
  add(devices, 'approve <device>', 'approve a pending device', device.approve).option(
    '--dir <dir>',
    'write its configuration there',
  );
  add(devices, 'reject <device>', 'reject a pending device', device.reject);
  add(devices, 'enable <device>', 'make it a storage device, once it has registered its key', device.enable);
  add(devices, 'run', 'run a device here, in the foreground', runDevice)
    .option('--dir <dir>', 'the directory of the device')
    .option('--config <file>', 'its device.json; login.json lies beside it')
    .option('--role <roles>', 'what it does: storage (default), authenticator, or both as storage,authenticator')
    .option('--rules <file>', 'decide on ballots by the rules in this file; without it they are asked here')
    .option('--storage', 'make it a storage device of the profile that is signed in')
    .option('--authenticator', 'make it an authenticator of the profile that is signed in')
    .addOption(new Option('--carrier <carrier>', 'how it reaches the server').choices(['websocket', 'rabbitmq']))
    .option('--pair-anew', "trust the server's present keys instead of those seen at the first start");

  const paged = (command: Command): Command =>
    command.option('--page <n>', 'page', positive).option('--per-page <n>', 'items per page, up to 100', positive);
  const authenticators = program.command('authenticator').description('devices that vote for you');
  add(
    authenticators,
    'add <device>',
    'make it an authenticator, once it has registered its key',
    voting.addAuthenticator,
  );
  add(authenticators, 'remove <device>', 'ask it no more; its open ballots are void', voting.removeAuthenticator);
  paged(add(authenticators, 'list', 'list authenticators', voting.listAuthenticators));

  const ballots = program.command('ballot').description('questions to the authenticators that run on this machine');
  add(ballots, 'list', 'show them: who asks for what, from where, until when', ballot.list).option(
    '--dir <dir>',
    'the directory of the device',
  );
  for (const choice of ['yes', 'no'] as const) {
    add<[string, ballot.VoteOptions]>(ballots, `${choice} <ballot>`, `vote ${choice}`, (context, id, options) =>
      ballot.vote(context, choice, id, options),
    )
      .option('--comment <text>', 'kept with the vote')
      .option('--dir <dir>', 'the directory of the device');
  }

  const votes = program.command('voting').description('how votes are held');
  add(votes, 'show', 'show the settings', voting.showSettings);
  add(votes, 'set', 'change settings', voting.changeSettings)
    .option('--quorum <n>', 'votes needed at least', positive)
    .option('--strategy <name>', 'unanimous, consensus, affirmative, minimum_percentage or threshold')
    .option('--params <text>', 'the percentage, or n/m for a count')
    .option('--time-limit <seconds>', 'how long a vote is open', positive)
    .option('--attempts <n>', 'how often it is held at most', positive);
  add(votes, 'configure <name>', 'register a configuration that policies can name', voting.addConfiguration)
    .requiredOption('--strategy <name>', 'as in voting set')
    .requiredOption('--time-limit <seconds>', 'how long a vote is open', positive)
    .option('--params <text>', 'the percentage, or n/m for a count')
    .option('--quorum <n>', 'votes needed at least', positive)
    .option('--attempts <n>', 'how often it is held at most', positive)
    .option('--device <id...>', 'these authenticators alone')
    .addOption(new Option('--category <name>', 'for these operations by default').choices(['auth', 'data', 'admin']));
  paged(add(votes, 'configurations', 'list configurations', voting.listConfigurations));
  add(votes, 'unconfigure <name>', 'delete a configuration', voting.removeConfiguration);
  add(votes, 'ask <question>', 'put a question to the authenticators', voting.ask)
    .requiredOption('--configuration <name>', 'how the vote is held')
    .requiredOption('--title <text>', 'what it is about');
  add(votes, 'pool <pool>', 'show what became of a vote', voting.showPool);
  add(votes, 'cancel <pool>', 'end a vote', voting.cancelPool);

  const policies = program.command('policy').description('operations that wait for a vote');
  add(policies, 'templates', 'show what policies can be made of', policy.templates);
  add(policies, 'add <template>', 'register a policy', policy.add)
    .option('--event <id...>', 'the operations it is about; default: every one of the template')
    .option('--name <name>', 'how you call it')
    .option('--set <key=value...>', 'hold only what meets this, as context=invoices/*')
    .option('--votes <configuration>', 'the voting configuration to use')
    .option('--activate', 'at once');
  paged(add(policies, 'list', 'list policies', policy.list));
  add(policies, 'show <policy>', 'show a policy', policy.show);
  for (const [name, what, description] of [
    ['activate', 'activate', 'hold from now on what it is about'],
    ['deactivate', 'deactivate', 'hold it no more'],
    ['delete', 'remove', 'delete an inactive policy'],
  ] as const) {
    add<[string]>(policies, `${name} <policy>`, description, (context, id) => policy.change(context, what, id));
  }

  add(program, 'put <file>', 'exchange a file for a token (- for stdin)', data.put)
    .option('--context <text>', 'what the token is about; the server sees it (default: sealed)')
    .option('--ttl <minutes>', 'how long the reservation lives, 1 to 60', positive)
    .option('--raw', 'do not seal: the file is sealed already')
    .option('--pad', 'hide the exact length')
    .option('--plain-meta', 'let the server know name and length of the file');
  add(program, 'get <token>', 'fetch the data of a token', data.get)
    .requiredOption('-o, --output <file>', 'where to (- for stdout)')
    .option('--raw', 'take the bytes as they are, sealed or not')
    .option('--at-least <version>', 'refuse an older version', positive);
  add(program, 'ls', 'list tokens', data.list)
    .option('--context <text>', 'with this context; a trailing * makes a prefix of it')
    .option('--name <text>', 'with this file name; a trailing * makes a prefix of it')
    .option('--extension <text>', 'with this file extension')
    .addOption(new Option('--status <status>').choices(['temporary', 'permanent']))
    .option('--page <n>', 'page', positive)
    .option('--per-page <n>', 'tokens per page, up to 100', positive)
    .option('--all', 'all pages');
  add(program, 'rm <tokens...>', 'delete tokens and the keys of their data', data.remove);
  add<[string, { wait?: boolean }]>(
    program,
    'status <command>',
    'show what became of a command',
    (context, id, { wait }) => data.status(context, id, wait ?? false),
  ).option('--wait', 'until it is final');

  await program.parseAsync([...argv], { from: 'user' });
  return exit;
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('A whole number above 0 is needed.');
  return Number(text);
}
