import type { Actor, Cause, Client, Outcome, Refusal } from '@symbolon/kernel';

/** What a worker hands to the handler of a command. */
export interface Context {
  readonly commandId: string;
  readonly requestId: string | null;
  readonly profileId: string;
  readonly actor: Actor;
  readonly client: Client;
  readonly acceptedAt: string;
  /** The cause of everything that the handler appends. */
  readonly cause: Cause;
}

/** A message for Nest's CommandBus; `data` is the command's input as it was submitted. */
export interface CommandMessage<D> {
  readonly data: D;
  readonly context: Context;
}

export type CommandClass<D = unknown> = (new (data: D, context: Context) => CommandMessage<D>) & {
  readonly type: string;
  /** Runs again, with `data` null, also where the key of its own input is gone: it was this command that destroyed it. */
  readonly erases?: boolean;
};

const classes = new Map<string, CommandClass<never>>();

/** Registers a message class under the contract's command type, which is what the log stores. */
export function CommandType(type: string, { erases = false } = {}) {
  return <C extends new (data: never, context: Context) => object>(target: C): void => {
    Object.defineProperty(target, 'type', { value: type });
    Object.defineProperty(target, 'erases', { value: erases });
    classes.set(type, target as unknown as CommandClass<never>);
  };
}

export function commandClass(type: string): CommandClass | undefined {
  return classes.get(type) as CommandClass | undefined;
}

/**
 * What a handler answers. `cursor` is the place of the last event of its effect: the final status follows when the
 * projections have passed it. `deferred`: something that happens later settles the command (`Commands.settle`).
 */
export type HandlerResult =
  | { readonly status: 'succeeded'; readonly result: object | null; readonly cursor: string | null }
  | { readonly status: 'rejected'; readonly reason: string; readonly cursor: string | null }
  | { readonly status: 'deferred' };

export const deferred: HandlerResult = { status: 'deferred' };

export function succeeded(result: object | null, cursor: string | null = null): HandlerResult {
  return { status: 'succeeded', result, cursor };
}

export function rejected(refusal: Refusal | string, cursor: string | null = null): HandlerResult {
  return { status: 'rejected', reason: typeof refusal === 'string' ? refusal : refusal.key, cursor };
}

/** The usual end of a handler: an outcome of `Streams.transact` becomes the command's result. */
export function resultOf<S>(outcome: Outcome<S>, result: (state: S) => object | null): HandlerResult {
  if (outcome.status === 'refused') return rejected(outcome.refusal);
  return succeeded(result(outcome.state), outcome.cursor);
}
