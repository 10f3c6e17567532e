import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rowContext } from '@symbolon/contracts';
import { open, seal, SealError } from '@symbolon/crypto';
import { dropFile, replaceFile } from '../durable';
import type { DeviceKeys } from '../home';
import type { Ballot } from './ballot';

export interface Vote {
  readonly vote: 'yes' | 'no';
  /** RFC 3339. */
  readonly votedAt: string;
  readonly comment: string | null;
  /** What decided: a rule, or a person. */
  readonly by: string;
}

/** A ballot that this device was given, and what became of it. */
export interface Held {
  readonly ballot: Ballot;
  /** Of the message that brought it: votes answer it. */
  readonly envelopeId: string;
  readonly vote: Vote | null;
  /** Why it cannot be voted on any more: the server's reason, or its code for a vote that it did not take. */
  readonly closed: string | null;
}

const expiredKeptMillis = 60_000;

/**
 * Ballots on this device's disk, each sealed under the device's own key: they name people. One is here before the server
 * is told that it came, and a vote before it is sent, so that a crash forgets neither and nothing is voted twice.
 */
export class BallotBox {
  private readonly held = new Map<string, Held>();

  private constructor(
    private readonly dir: string,
    private readonly deviceIdentifier: string,
    private readonly key: Uint8Array,
  ) {}

  /** Takes up what an earlier run left. What cannot be opened any more is dropped: the server asks again. */
  static async open(dir: string, deviceIdentifier: string, { master }: Pick<DeviceKeys, 'master'>): Promise<BallotBox> {
    const box = new BallotBox(dir, deviceIdentifier, master.key);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    for (const name of await readdir(dir)) {
      const ballotId = /^([0-9a-f-]{36})\.ballot$/.exec(name)?.[1];
      if (ballotId === undefined) continue;
      try {
        const text = open(box.key, box.context(ballotId), await readFile(join(dir, name)));
        box.held.set(ballotId, JSON.parse(text.toString()) as Held);
      } catch (error) {
        if (!(error instanceof SealError || error instanceof SyntaxError)) throw error;
        await dropFile(join(dir, name));
      }
    }
    return box;
  }

  find(ballotId: string): Held | null {
    return this.held.get(ballotId) ?? null;
  }

  /** All that are kept, the one that ends first before the others. */
  all(): readonly Held[] {
    return [...this.held.values()].sort((a, b) => Date.parse(a.ballot.expiresAt) - Date.parse(b.ballot.expiresAt));
  }

  /** Durable when resolved. */
  async put(held: Held): Promise<void> {
    const { ballotId } = held.ballot;
    const sealed = seal(this.key, this.context(ballotId), Buffer.from(JSON.stringify(held)));
    await replaceFile(this.path(ballotId), sealed);
    this.held.set(ballotId, held);
  }

  /** Drops ballots whose time is over. */
  async sweep(now: number): Promise<void> {
    for (const { ballot } of this.all()) {
      if (Date.parse(ballot.expiresAt) + expiredKeptMillis > now) return;
      await dropFile(this.path(ballot.ballotId));
      this.held.delete(ballot.ballotId);
    }
  }

  private path(ballotId: string): string {
    return join(this.dir, `${ballotId}.ballot`);
  }

  private context(ballotId: string): Uint8Array {
    return rowContext(this.deviceIdentifier, 'ballot', ballotId);
  }
}
