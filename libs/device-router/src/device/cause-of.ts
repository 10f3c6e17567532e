import type { ProfileCaller } from '@symbolon/command-log';
import { uuid7 } from '@symbolon/crypto';
import type { Cause } from '@symbolon/kernel';

/** The cause of what a synchronous call appends: the call itself, which is never repeated. */
export function causeOf({ actor, client }: ProfileCaller): Cause {
  const id = uuid7();
  return { commandId: null, correlationId: id, causationId: id, actor, client };
}
