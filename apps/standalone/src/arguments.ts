import { parseArgs } from 'node:util';

export interface Arguments {
  readonly port: number | null;
  readonly dataDir: string | null;
  readonly tour: boolean;
  readonly tourFile: string | null;
  readonly reset: boolean;
  readonly printConfig: boolean;
  readonly help: boolean;
}

/** The command line cannot be understood; the message is a sentence that says what to do. */
export class UsageError extends Error {}

export const usage = `npm start -- [options]

  --port N          listen on 127.0.0.1:N (default 8009; 0 takes any free port)
  --data-dir DIR    keep everything in DIR (default .symbolon)
  --no-tour         do not show the tour on the first start
  --tour-file FILE  exchange this file in the tour
  --reset           delete what the data directory holds, then start
  --print-config    print the settings in effect and exit
  --help            this text

For operators: npx symbolon log|projection|key rotate --help`;

export function readArguments(argv: readonly string[]): Arguments {
  const { values } = parse(argv);
  const port = values.port === undefined ? null : Number(values.port);
  if (port !== null && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new UsageError(`--port takes a number from 0 to 65535, not "${values.port}".`);
  }
  return {
    port,
    dataDir: values['data-dir'] ?? null,
    tour: !values['no-tour'],
    tourFile: values['tour-file'] ?? null,
    reset: values.reset ?? false,
    printConfig: values['print-config'] ?? false,
    help: values.help ?? false,
  };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        port: { type: 'string' },
        'data-dir': { type: 'string' },
        'no-tour': { type: 'boolean' },
        'tour-file': { type: 'string' },
        reset: { type: 'boolean' },
        'print-config': { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : 'The arguments cannot be read.'}\n\n${usage}`);
  }
}
