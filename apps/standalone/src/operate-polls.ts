import { readFile, writeFile } from 'node:fs/promises';
import { exits } from '@symbolon/contracts';
import { PostgresEventStore } from '@symbolon/event-store';
import { isKey, parsePollRecord, type PollRecord, readPollRecord, type Recount, recount } from '@symbolon/voting';
import { UsageError } from './arguments';
import { missing, OperateError, type OperateInstallation, refused } from './operate-installation';
import type { Told, VerbOptions } from './operate-verb';

/** Writes what the log has of a poll, with the public keys that check it, for who counts elsewhere. */
export async function exportPoll(at: OperateInstallation, poolId: string, { output }: VerbOptions): Promise<Told> {
  const record = await recordOf(at, poolId);
  const text = JSON.stringify(record, null, 2);
  if (output === null) return { document: record, text };
  try {
    await writeFile(output, `${text}\n`, { flag: 'wx' });
  } catch (error) {
    if ((error as { code?: unknown }).code === 'EEXIST')
      throw refused(`There is a file ${output} already.`, 'file_exists');
    throw refused(`${output} cannot be written: ${(error as Error).message}.`, 'file');
  }
  const events = record.events.length;
  return {
    document: { poolId, file: output, events },
    text: `${output} holds the poll ${poolId} with ${events} events.`,
  };
}

/** Counts a poll again, from the log or from a file. What does not bear checking ends with the exit code of distrust. */
export async function verifyPoll(at: OperateInstallation, poolId: string, options: VerbOptions): Promise<Told> {
  const { file, serverKeys, deviceKeys } = options;
  const record = file === null ? await recordOf(at, poolId) : await recordIn(file, poolId);
  const counted = recount(record, {
    ...(serverKeys.length > 0 ? { server: serverKeys.map(keyOf) } : {}),
    devices: pinnedDevices(deviceKeys),
  });
  if (counted.faults.length > 0) throw new PollDistrusted(counted);
  return { document: { ...counted, right: true }, text: textOf(counted) };
}

/** The count is not what the statements say. */
class PollDistrusted extends OperateError {
  constructor({ poolId, faults }: Recount) {
    const text = [`The count of the poll ${poolId} does not bear checking.`, ...faults.map((fault) => `  ${fault}`)];
    super(text.join('\n'), 'poll_distrusted', exits.untrusted);
  }
}

async function recordOf(at: OperateInstallation, poolId: string): Promise<PollRecord> {
  const pool = await at.besideServer();
  const { keys } = await at.keys(pool);
  const store = new PostgresEventStore(pool);
  try {
    const server = keys.jwks().keys.map(({ x }) => Buffer.from(x, 'base64url').toString('hex'));
    const record = await readPollRecord(store, poolId, server);
    if (record) return record;
  } finally {
    await store.close();
  }
  throw missing(`There is no poll ${poolId} in the log.`);
}

async function recordIn(file: string, poolId: string): Promise<PollRecord> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw missing(`${file} cannot be read: ${error.message}.`);
  });
  const record = parsePollRecord(text);
  if (!record) throw refused(`${file} is no poll that was exported.`, 'file');
  if (poolId !== '' && poolId !== record.poolId) throw missing(`${file} holds the poll ${record.poolId}.`);
  return record;
}

/** `DEVICE=KEY`, each as often as the device has keys. */
function pinnedDevices(given: readonly string[]): Record<string, string[]> {
  const devices: Record<string, string[]> = {};
  for (const text of given) {
    const [device = '', key = ''] = text.split('=');
    (devices[device] ??= []).push(keyOf(key));
  }
  return devices;
}

function keyOf(text: string): string {
  const key = text.toLowerCase();
  if (!isKey(key)) throw new UsageError(`"${text}" is no signing key of 64 hex digits.`);
  return key;
}

function textOf({ poolId, outcome, yes, no, ballotsIssued, signed, unsigned }: Recount): string {
  const votes = `${yes} yes and ${no} no on ${ballotsIssued} ballots`;
  const ended = outcome === null ? 'is open' : `ended as ${outcome}`;
  const left =
    unsigned === 0
      ? ''
      : ` ${unsigned} came from devices without signing key: for these there is only the server's word.`;
  return `The poll ${poolId} ${ended}, with ${votes}: ${signed} checked with the keys of their devices.${left}`;
}
