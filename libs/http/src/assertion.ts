import type { Client } from '@symbolon/kernel';
import type { AccessToken, ClientApplication, Session } from './endpoint';

/** The header in which one process hands another what it has established about a call. */
export const assertionHeader = 'x-symbolon-assertion';

/** What the edge has established about a call: all that a service learns of its caller. Ids, never a secret. */
export interface Asserted {
  readonly session: Session | null;
  readonly application: ClientApplication | null;
  readonly accessToken: AccessToken | null;
  /** Where the call comes from; personal data. */
  readonly address: Client;
  /** Ties together what is logged about the call; the id of the command that it makes, if it makes one. */
  readonly requestId: string;
}

export function claimsOf({ session, application, accessToken, address, requestId }: Asserted): object {
  return {
    cid: requestId,
    adr: address,
    ...(session && !accessToken ? { ses: session } : {}),
    ...(application ? { app: application } : {}),
    ...(accessToken ? { act: accessToken } : {}),
  };
}

/** The counterpart of `claimsOf`, of claims whose signature was checked. */
export function assertedOf(claims: Readonly<Record<string, unknown>>): Asserted {
  const {
    cid,
    adr,
    ses = null,
    app = null,
    act = null,
  } = claims as {
    cid: string;
    adr: Client;
    ses?: Session;
    app?: ClientApplication;
    act?: AccessToken;
  };
  return { session: ses ?? act, application: app, accessToken: act, address: adr, requestId: cid };
}
