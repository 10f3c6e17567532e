import 'reflect-metadata';
import { exits } from '@symbolon/contracts';
import { PostgresCannotStart, startEmbeddedPostgres } from '@symbolon/embedded-postgres';
import { LogMoved } from '@symbolon/event-store';
import { type Served, serve } from '@symbolon/gateway';
import { createLogger, listenMetrics, Metrics } from '@symbolon/observe';
import { Settings, SettingsError } from '@symbolon/settings';
import { AgentError, AgentProcess } from './agent-process';
import { type Arguments, readArguments, usage, UsageError } from './arguments';
import { contexts } from './contexts';
import { DataDirectory, DataDirectoryError } from './data-directory';
import { operate } from './operate';
import { Running } from './running';
import { Tour, TourFailed } from './tour';

/** Exit codes of `npm start`, for scripts that start it. */
const exitCodes = { unexpected: 1, usage: 2, settings: 3, dataDirectory: 4, postgres: 5, port: 6 } as const;

const running = new Running();

async function main(): Promise<void> {
  const begun = performance.now();
  const given = readArguments(process.argv.slice(2));
  if (given.help) return say(usage);
  const settings = Settings.read(environment(given));
  if (given.printConfig) return say(config(settings));
  for (const name of settings.unknown) warn(`${name} is not a setting of Symbolon and has no effect.`);

  const directory = DataDirectory.open(settings.dataDir);
  running.add(() => directory.release());
  if (given.reset) await directory.reset();

  const logger = createLogger({ level: settings.logLevel });
  const databaseUrl =
    settings.databaseUrl?.reveal() ?? (await ownDatabase(directory, (message) => logger.info({}, message)));
  const served = await serve({ settings, databaseUrl, dataDir: directory.path, logger, ...contexts }).catch(
    (error: unknown) => {
      if (error instanceof LogMoved) error.message += ` Here: npx symbolon log rebase --data-dir ${directory.path}`;
      throw error;
    },
  );
  running.add(() => served.close());
  const metrics = await listenMetrics(served.app.get(Metrics), settings.metricsListen).catch(
    (error: NodeJS.ErrnoException) => {
      warn(
        `No metrics are served: ${settings.metricsListen.host}:${settings.metricsListen.port} cannot be used (${error.code}).`,
      );
      return null;
    },
  );
  if (metrics) running.add(() => metrics.close());

  const url = `http://${settings.listen.host}:${served.port}`;
  say(`Symbolon is ready on ${url} (${((performance.now() - begun) / 1000).toFixed(1)} s)`);
  await showTour(given, directory, url, served);
}

async function ownDatabase(directory: DataDirectory, log: (message: string) => void): Promise<string> {
  const postgres = await startEmbeddedPostgres({ dataDir: directory.file('postgres'), log });
  running.add(() => postgres.stop());
  return postgres.url;
}

/** The first start shows the whole path; later ones bring its device agent back. */
async function showTour(given: Arguments, directory: DataDirectory, url: string, served: Served): Promise<void> {
  const tour = new Tour({ directory, url, file: given.tourFile, say, inspect: served.app });
  if (AgentProcess.isThere(directory.file('agent')) && tour.wasShown()) {
    const agent = tour.agent();
    running.add(() => agent.stop());
    await agent.start().then(
      () => say(`The device agent of the tour is connected (process ${agent.pid}).`),
      (error: Error) => warn(`${error.message} It is tried again; until then its data cannot be fetched.`),
    );
    return;
  }
  if (!given.tour) return;
  running.add(() => tour.stop());
  await tour.show().catch((error: unknown) => {
    // The server itself is well: it stays up, and the next start shows the tour anew.
    if (!(error instanceof TourFailed || error instanceof AgentError)) throw error;
    warn(error.message);
  });
}

function environment({ port, dataDir }: Arguments): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...(port === null ? {} : { SYMBOLON_LISTEN: `127.0.0.1:${port}` }),
    ...(dataDir === null ? {} : { SYMBOLON_DATA_DIR: dataDir }),
  };
}

function config(settings: Settings): string {
  return JSON.stringify(settings.describe(), null, 2);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function warn(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** What went wrong as a sentence for people, and the exit code for scripts. */
function failure(error: unknown): readonly [string, number] {
  if (error instanceof UsageError) return [error.message, exitCodes.usage];
  if (error instanceof SettingsError) return [error.message, exitCodes.settings];
  if (error instanceof DataDirectoryError) return [error.message, exitCodes.dataDirectory];
  if (error instanceof PostgresCannotStart) return [error.message, exitCodes.postgres];
  if (error instanceof LogMoved) return [error.message, exitCodes.postgres];
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  if (code === 'EADDRINUSE') {
    return [`Port ${port} is taken by another program: stop that one, or start with --port N.`, exitCodes.port];
  }
  if (code === 'EACCES' && port !== undefined) {
    return [`Port ${port} may not be used by this user: start with --port N, N above 1023.`, exitCodes.port];
  }
  return [error instanceof Error ? (error.stack ?? error.message) : String(error), exitCodes.unexpected];
}

const operating = process.argv[2] === 'operate';

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    void running.stop().then(() => process.exit(operating ? exits.interrupted : 0));
  });
}

if (operating) {
  void operate(process.argv.slice(3), running).then((code) => process.exit(code));
} else {
  main().catch(async (error: unknown) => {
    const [message, code] = failure(error);
    warn(message);
    await running.stop();
    process.exit(code);
  });
}
