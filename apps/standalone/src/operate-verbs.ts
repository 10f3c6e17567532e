import { countBehind, logEntries, type LogEntry, LogMoved, rebaseLog, verifyLog } from '@symbolon/event-store';
import { type Checkpoint, checkpoints, cursorColumns, rebuild, skipStalled } from '@symbolon/projection';
import type { DeadLetter } from '@symbolon/device-link';
import { missing, type OperateInstallation, refused } from './operate-installation';
import { exportPoll, verifyPoll } from './operate-polls';
import type { Told, VerbOptions } from './operate-verb';

interface Verb {
  /** What its one argument may be, or null without one. */
  readonly takes: 'NAME' | 'ID' | readonly string[] | null;
  /** A file may stand for the argument. */
  readonly orFile?: boolean;
  readonly run: (at: OperateInstallation, argument: string, options: VerbOptions) => Promise<Told | null>;
}

export const verbs: Readonly<Record<string, Verb>> = {
  'log tail': { takes: null, run: tailOfLog },
  'log rebase': { takes: null, run: rebase },
  'projection ls': { takes: null, run: list },
  'projection rebuild': { takes: 'NAME', run: rebuildProjection },
  'projection skip': { takes: 'NAME', run: skipEvent },
  'dead-letters ls': { takes: null, run: listDeadLetters },
  'dead-letters show': { takes: 'ID', run: showDeadLetter },
  'dead-letters requeue': { takes: 'ID', run: requeueDeadLetters },
  'dead-letters drop': { takes: 'ID', run: dropDeadLetters },
  'poll export': { takes: 'ID', run: exportPoll },
  'poll verify': { takes: 'ID', orFile: true, run: verifyPoll },
  'key rotate': { takes: ['epoch', 'lookups', 'engine-seal', 'engine-sign', 'password'], run: rotate },
};

async function tailOfLog(at: OperateInstallation, _: string, options: VerbOptions): Promise<Told | null> {
  const { categories, lines, follow, tell } = options;
  const pool = await at.besideServer();
  await verifyLog(pool);
  const events: LogEntry[] = [];
  for await (const page of logEntries(pool, { categories, last: lines, follow })) {
    if (follow) for (const entry of page) tell({ document: entry, text: line(entry) });
    else events.push(...page);
  }
  return follow ? null : { document: { events }, text: events.map(line).join('\n') };
}

function line({ place, recordedAt, stream, revision, type, id, meta }: LogEntry): string {
  return [place, recordedAt, `${stream}@${revision}`, type, id, meta.commandId ?? '-'].join('  ');
}

async function rebase(at: OperateInstallation): Promise<Told> {
  const pool = await at.withoutServer();
  const moved = await verifyLog(pool).then(
    () => false,
    (error: unknown) => {
      if (error instanceof LogMoved) return true;
      throw error;
    },
  );
  const events = await countBehind(pool, null);
  if (!moved) {
    return {
      document: { rebased: false, events },
      text: 'The log belongs to this PostgreSQL cluster: there is nothing to do.',
    };
  }
  await rebaseLog(pool, cursorColumns);
  return {
    document: { rebased: true, events },
    text: `The log belongs to this PostgreSQL cluster now, ${count(events, 'event')} in the same order and every cursor at the same place: start the server.`,
  };
}

async function list(at: OperateInstallation): Promise<Told> {
  const pool = await at.besideServer();
  const all = await checkpoints(pool);
  const rows = await Promise.all(all.map(async (row) => ({ ...row, behind: await countBehind(pool, row.cursor) })));
  const heading = ['NAME', 'KIND', 'VERSION', 'POSITION', 'BEHIND', 'STATE'];
  const cells = rows.map(({ name, kind, version, cursor, behind, stalled }) =>
    [name, kind, version, cursor ?? '-', behind, stalled ? 'stalled' : 'ok'].map(String),
  );
  const stalled = rows.flatMap((row) => (row.stalled ? [{ ...row, stalled: row.stalled }] : []));
  const sentences = stalled.map(({ name, stalled: { since, event, error } }) =>
    [
      `${name} is stalled since ${since.toISOString()} by the event ${event ?? 'that is next'} (${error}).`,
      ...(event ? [`\`symbolon projection skip ${name}\` lets it pass.`] : []),
    ].join(' '),
  );
  return {
    document: { projections: rows },
    text: [columns(heading, cells), ...(sentences.length > 0 ? ['', ...sentences] : [])].join('\n'),
  };
}

async function rebuildProjection(at: OperateInstallation, name: string): Promise<Told> {
  const pool = await at.besideServer();
  const client = await pool.connect();
  try {
    if (!(await rebuild(client, name))) throw notThere(name, await checkpoints(client));
  } finally {
    client.release();
  }
  return {
    document: { name, rebuilding: true },
    text: `${name} is empty now and is filled again from the first event: at once where a server runs, else at its next start.`,
  };
}

async function skipEvent(at: OperateInstallation, name: string): Promise<Told> {
  const pool = await at.besideServer();
  const event = await skipStalled(pool, name);
  if (event === null) {
    const all = await checkpoints(pool);
    if (!all.some((row) => row.name === name && row.kind === 'projection')) throw notThere(name, all);
    throw refused(`No event holds up ${name}: there is nothing to skip.`, 'nothing_stalled');
  }
  return {
    document: { name, skipped: event },
    text: `${name} passes over the event ${event}; a running server goes on within half a minute.`,
  };
}

function notThere(name: string, all: readonly Checkpoint[]): Error {
  const near = all.filter((row) => row.kind === 'projection' && row.name.includes(name)).map((row) => row.name);
  const hint = near.length > 0 ? ` Is it ${near.join(' or ')}?` : ' `symbolon projection ls` shows them.';
  return missing(`There is no projection ${name}.${hint}`);
}

const every = 'all';

async function listDeadLetters(at: OperateInstallation, _: string, { lines }: VerbOptions): Promise<Told> {
  const letters = await (await at.deadLetters()).list(lines);
  const heading = ['ID', 'TYPE', 'QUEUE', 'REASON', 'DIED', 'BYTES'];
  return {
    document: { deadLetters: letters },
    text: letters.length === 0 ? 'There are no dead letters.' : columns(heading, letters.map(cellsOf)),
  };
}

/** The envelope as it is: what it orders is sealed for the device. */
async function showDeadLetter(at: OperateInstallation, id: string): Promise<Told> {
  const letters = await (await at.deadLetters()).show(id);
  if (letters.length === 0) throw noLetter(id);
  return {
    document: { deadLetters: letters },
    text: letters.map((letter) => `${cellsOf(letter).join('  ')}\n${letter.content}`).join('\n\n'),
  };
}

async function requeueDeadLetters(at: OperateInstallation, id: string): Promise<Told> {
  const { requeued, kept } = await (await at.deadLetters()).requeue(id === every ? null : id);
  if (requeued + kept === 0 && id !== every) throw noLetter(id);
  const left = kept === 0 ? '' : ` ${count(kept, 'letter')} stay here: their queue is gone with its device.`;
  return {
    document: { requeued, kept },
    text: `${count(requeued, 'letter')} went back to the queue of its device.${left}`,
  };
}

async function dropDeadLetters(at: OperateInstallation, id: string): Promise<Told> {
  const dropped = await (await at.deadLetters()).drop(id === every ? null : id);
  if (dropped === 0 && id !== every) throw noLetter(id);
  return { document: { dropped }, text: `${count(dropped, 'letter')} deleted.` };
}

function cellsOf({ id, type, queue, reason, diedAt, bytes }: DeadLetter): string[] {
  return [id ?? '-', type ?? '-', queue ?? '-', reason ?? '-', diedAt ?? '-', String(bytes)];
}

function noLetter(id: string): Error {
  return missing(`There is no dead letter ${id}. \`symbolon dead-letters ls\` shows them.`);
}

async function rotate(at: OperateInstallation, what: string, { backedUp }: VerbOptions): Promise<Told> {
  const { ring, keys } = await at.keys(await at.besideServer());
  switch (what) {
    case 'epoch': {
      const [waiting, ...old] = ring.all('epoch-kek');
      if (backedUp && old.length === 0) {
        throw refused(
          'No rotation waits for a backup: begin one with `symbolon key rotate epoch`, then back up.',
          'no_rotation',
        );
      }
      // The backup is one of the rotation that was waiting when its operator confirmed it, and of no other.
      const report = await keys.rotateEpoch(async () => backedUp && ring.current('epoch-kek').id === waiting?.id);
      return { document: { rotated: what, ...report }, text: epochText(report) };
    }
    case 'lookups': {
      const report = await keys.rotateLookups();
      const left =
        report.left === 0
          ? 'the old key is destroyed'
          : `${count(report.left, 'row')} follow when their secret is used, then run this again to destroy the old key`;
      return {
        document: { rotated: what, ...report },
        text: `${count(report.rekeyed, 'look-up row')} moved to the new key, ${left}; one-time URLs handed out before are void within a minute.`,
      };
    }
    case 'engine-seal':
    case 'engine-sign':
    case 'password': {
      const { id, createdAt } = await keys.rotate(what);
      return {
        document: { rotated: what, id, createdAt },
        text: `There is a new key for ${what}, which a running server takes up within a minute; ${followUps[what]}.`,
      };
    }
    default:
      throw new Error(`no rotation of ${what}`);
  }
}

function epochText({ rewrapped, finished }: { rewrapped: number; finished: boolean }): string {
  if (finished) return 'The old epoch key is destroyed: backups from before the rotation open nothing any more.';
  return `${count(rewrapped, 'key')} wrapped under the new epoch key, and the old one is kept: back up the database with its schema "keys" now, verify the backup, then run \`symbolon key rotate epoch --backed-up\`, which destroys the old key.`;
}

const followUps = {
  'engine-seal':
    'the old one opens for another 30 days, until when clients confirm the new one (`symbolon profile login --accept-server-key`) and devices get a new configuration (`symbolon device run --pair-anew`)',
  'engine-sign': 'it is published now and signs in 24 hours, and the old one stays published for another 30 days',
  password: 'each verifier follows at the next login of its profile',
} as const;

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}

function columns(heading: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const widths = heading.map((_, at) => Math.max(...[heading, ...rows].map((row) => row[at]?.length ?? 0)));
  const cells = (row: readonly string[]) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0));
  return [heading, ...rows].map((row) => cells(row).join('  ').trimEnd()).join('\n');
}
