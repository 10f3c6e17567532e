import type { Actor, Client } from '@symbolon/kernel';

/** Who calls an endpoint, as the edge established it. */
export interface Caller {
  readonly actor: Actor;
  readonly client: Client;
  /** The profile on whose behalf the call runs; null without credentials. */
  readonly profileId: string | null;
  /** The session of the token that was sent. */
  readonly tokenId: string | null;
  readonly idempotencyKey: string | null;
  /** Resolves when the HTTP answer was flushed or its connection ended. */
  readonly answered: Promise<void>;
  /** The id for the next command of this call: the edge has to know it before the command may be heard of. */
  readonly nextCommandId?: () => string;
}

/** A caller that carries credentials. */
export type ProfileCaller = Caller & { readonly profileId: string; readonly tokenId: string };
