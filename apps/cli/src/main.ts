import { exits } from '@symbolon/contracts';
import { run } from './program';

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort());
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? exits.ok : exits.unexpected),
);

void run(process.argv.slice(2), process, interrupt.signal).then((code) => {
  process.exitCode = code;
  // Connections kept alive for another request would hold the process for seconds.
  process.stdout.write('', () => process.stderr.write('', () => process.exit()));
});
