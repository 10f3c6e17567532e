import type { CommandAccepted, CommandStatus } from './answers';
import { type Answer, type Api, type CallOptions, type Fields, pause } from './api';
import type { Channel, ChannelMessage } from './channel';
import { Refused, TimedOut, Unreachable } from './refused';
import type { CommandOptions, Outcome } from './session-options';

/** Seconds for which a call is held open: an answer in this time costs no second message. */
export const HELD = 10;
/** Seconds for which a status is asked at one go while no channel is joined: the most that the server allows. */
export const POLL = 30;
/** Milliseconds after which a quiet channel is doubted and the command's status is asked. */
const QUIET_MS = 30_000;

/** Gives commands and waits until they are final. */
export class Commands {
  constructor(
    private readonly api: Api,
    private readonly channel: Channel | null,
  ) {}

  /**
   * Gives a command and waits until it is final, over the call itself, the WebSocket, or the command's status,
   * whichever speaks first. A broken connection repeats the call under the same idempotency key.
   */
  async command<T = unknown>(path: string, fields: Fields = {}, options: CommandOptions = {}): Promise<Outcome<T>> {
    const call: CallOptions = {
      fields,
      idempotencyKey: options.idempotencyKey ?? globalThis.crypto.randomUUID(),
      wait: Math.floor(Math.min(options.timeout ?? HELD, HELD)),
      signal: options.signal,
    };
    return this.settle<T>(await this.api.post(path, call), options);
  }

  /** The status of a command (row 2). */
  async status(
    commandId: string,
    options: { readonly wait?: number; readonly signal?: AbortSignal } = {},
  ): Promise<CommandStatus> {
    return (await this.api.get<CommandStatus>(statusPath(commandId), options)).body;
  }

  /** Waits for a command that was given earlier, perhaps by another process. */
  async outcome<T = unknown>(commandId: string, options: CommandOptions): Promise<Outcome<T>> {
    return this.settle<T>(await this.api.get(statusPath(commandId), { signal: options.signal }), options);
  }

  /** Waits for the command that an answer names. */
  async settle<T>(answer: Answer<unknown>, options: CommandOptions): Promise<Outcome<T>> {
    const given = answer.body as CommandAccepted | CommandStatus;
    if (typeof given?.commandId !== 'string') {
      throw new Refused({ key: 'internal_error', detail: 'the answer names no command', status: answer.status });
    }
    const now = 'command_status' in given ? finalOf<T>(given) : null;
    return now ?? this.untilFinal<T>(given, options);
  }

  private async untilFinal<T>(accepted: CommandAccepted, { timeout, signal }: CommandOptions): Promise<Outcome<T>> {
    const { commandId } = accepted;
    const ending = new AbortController();
    const end = (): void => ending.abort(signal?.reason);
    if (signal?.aborted) end();
    signal?.addEventListener('abort', end, { once: true });
    const timer =
      timeout === undefined ? null : setTimeout(() => ending.abort(new TimedOut(commandId)), timeout * 1000);
    try {
      for (;;) {
        ending.signal.throwIfAborted();
        const message = await this.message(commandId, ending.signal);
        if (message) return fromMessage<T>(accepted, message);
        // The channel is not there, was lost, or is quiet: the status decides, once, and after it the channel again.
        const wait = this.channel?.joined ? 0 : POLL;
        const final = finalOf<T>(await this.statusAnyway(commandId, wait, ending.signal));
        if (final) return final;
      }
    } finally {
      if (timer) clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      ending.abort();
    }
  }

  /** The command's message, or null as soon as the channel is no longer to be relied on. */
  private async message(commandId: string, signal: AbortSignal): Promise<ChannelMessage | null> {
    if (!this.channel?.joined) return null;
    const step = new AbortController();
    const stop = (): void => step.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      const quiet = pause(QUIET_MS, step.signal).catch(() => undefined);
      const lost = this.channel.stateChange(step.signal);
      return (await Promise.race([this.channel.final(commandId, step.signal), quiet, lost])) ?? null;
    } finally {
      signal.removeEventListener('abort', stop);
      step.abort();
    }
  }

  /** The status, however long the server is away: a command that was accepted becomes final. */
  private async statusAnyway(commandId: string, wait: number, signal: AbortSignal): Promise<CommandStatus> {
    for (;;) {
      try {
        return await this.status(commandId, { wait, signal });
      } catch (error) {
        signal.throwIfAborted();
        const away = error instanceof Unreachable || (error instanceof Refused && error.kind === 'unavailable');
        if (!away) throw error;
        await pause(1000, signal);
      }
    }
  }
}

function statusPath(commandId: string): string {
  return `/request-status/${encodeURIComponent(commandId)}`;
}

/** The outcome of a final status, null of a pending one. Throws `Refused` for a rejected command. */
function finalOf<T>(status: CommandStatus): Outcome<T> | null {
  if (status.status === 'rejected') throw rejected(status.commandId, status.reason);
  if (status.status !== 'succeeded') return null;
  return { commandId: status.commandId, body: status.body as T, poolId: status.poolId ?? null };
}

function fromMessage<T>(accepted: CommandAccepted, message: ChannelMessage): Outcome<T> {
  if (message.command_status === 3) throw rejected(accepted.commandId, message.body as string);
  return { commandId: accepted.commandId, body: message.body as T, poolId: accepted.poolId ?? null };
}

function rejected(commandId: string, reason: string | null): Refused {
  return new Refused({ key: reason ?? 'internal_error', commandId });
}
