import { pino } from 'pino';
import { correlation } from './correlation';
import { redact, scrub } from './redaction';

/** Writes a line with fields of its own and a sentence. Errors go in as a field: `{ error }`. */
export abstract class Logger {
  abstract debug(fields: object, message: string): void;
  abstract info(fields: object, message: string): void;
  abstract warn(fields: object, message: string): void;
  abstract error(fields: object, message: string): void;
}

export interface LoggerOptions {
  readonly level?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** Where lines go; the standard error output, so that what a program prints for people stays apart. */
  readonly write?: (line: string) => void;
}

/**
 * One JSON object per line (pino), with the correlation of the running code. Members that are named like secrets or
 * personal data are masked at any depth, and so is every text that has the form of a secret.
 */
export function createLogger({ level = 'info', write }: LoggerOptions = {}): Logger {
  const out = write ?? ((line: string) => void process.stderr.write(line));
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"at":"${new Date().toISOString()}"`,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => redact(fields) as Record<string, unknown>,
      },
      mixin: () => ({ ...correlation() }),
      serializers: { err: (error: unknown) => error },
    },
    { write: (line) => out(scrub(line)) },
  );
}
