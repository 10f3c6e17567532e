import { mkdirSync } from 'node:fs';
import { createLogger, listenMetrics, Metrics } from '@symbolon/observe';
import { isServiceName, Settings, SettingsError } from '@symbolon/settings';
import { serve, type ServeOptions } from './serve';

/** Exit codes, as of the server that is one process. */
const exitCodes = { unexpected: 1, settings: 3, dataDirectory: 4, port: 6 } as const;

type Contexts = Pick<ServeOptions, 'modules' | 'migrations' | 'entities'>;

/**
 * The main of a process that is a part of Symbolon: the gateway, or one context behind it. All parts of an installation
 * share the environment, the PostgreSQL at `DATABASE_URL` and the data directory with the key ring.
 */
export function runPart(part: NonNullable<ServeOptions['part']>, contexts: Contexts): void {
  const stops: Array<() => Promise<unknown>> = [];
  let ending: Promise<void> | null = null;
  const end = (code: number) => {
    ending ??= (async () => {
      for (const stop of stops.reverse()) await stop().catch(() => undefined);
      process.exit(code);
    })();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => end(0));
  start(part, contexts, (stop) => stops.push(stop)).catch((error: unknown) => {
    const [message, code] = failure(error);
    warn(message);
    end(code);
  });
}

async function start(
  part: NonNullable<ServeOptions['part']>,
  contexts: Contexts,
  started: (stop: () => Promise<unknown>) => void,
): Promise<void> {
  const settings = Settings.read(process.env);
  for (const name of settings.unknown) warn(`${name} is not a setting of Symbolon and has no effect.`);
  const databaseUrl = settings.databaseUrl?.reveal();
  if (databaseUrl === undefined) {
    throw new SettingsError(['DATABASE_URL must name the PostgreSQL that all parts of the installation share.']);
  }
  const { dataDir } = settings;
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o711 });
  } catch (error) {
    throw new DataDirectoryUnusable(`${dataDir} cannot be used as data directory (${codeOf(error)}).`);
  }
  const logger = createLogger({ level: settings.logLevel });
  const served = await serve({ settings, databaseUrl, dataDir, logger, part, ...contexts });
  started(() => served.close());
  const { host, port } = settings.metricsListen;
  const metrics = await listenMetrics(served.app.get(Metrics), { host, port }).catch((error: unknown) => {
    warn(`No metrics are served: ${host}:${port} cannot be used (${codeOf(error)}).`);
    return null;
  });
  if (metrics) started(() => metrics.close());
  const at = isServiceName(part) ? (settings.serviceListen ?? settings.services[part]) : settings.listen;
  process.stdout.write(`Symbolon ${part} is ready on http://${at.host}:${served.port}\n`);
}

class DataDirectoryUnusable extends Error {}

/** What went wrong as a sentence for people, and the exit code for scripts. */
function failure(error: unknown): readonly [string, number] {
  if (error instanceof SettingsError) return [error.message, exitCodes.settings];
  if (error instanceof DataDirectoryUnusable) return [error.message, exitCodes.dataDirectory];
  const { port } = error as { port?: number };
  if (port !== undefined && ['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL'].includes(codeOf(error))) {
    return [`Port ${port} cannot be used (${codeOf(error)}).`, exitCodes.port];
  }
  return [error instanceof Error ? (error.stack ?? error.message) : String(error), exitCodes.unexpected];
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown fault';
}

function warn(text: string): void {
  process.stderr.write(`${text}\n`);
}
