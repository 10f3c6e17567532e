/** What a ballot shows of the operation that is voted on (contract, section 16.3); what does not apply is null. */
export interface BallotContext {
  readonly requester: { readonly profileId: string; readonly username: string } | null;
  readonly application: { readonly applicationId: string; readonly name: string } | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly location: string | null;
  readonly time: string | null;
  readonly dataContext: string | null;
  readonly classification: string | null;
  readonly label: string | null;
  readonly handling: string | null;
  readonly device: { readonly deviceIdentifier: string; readonly name: string } | null;
  readonly nonce: string | null;
}

/** A question to this device, as the server signed and sealed it. */
export interface Ballot {
  readonly ballotId: string;
  readonly poolId: string;
  readonly operation: string;
  readonly title: string;
  readonly question: string;
  readonly context: BallotContext;
  readonly attempt: number;
  readonly maxAttempts: number;
  /** RFC 3339. */
  readonly expiresAt: string;
  /** The server's compact JWS. */
  readonly statement: string;
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The content of a `ballot.issued`; null if it is malformed. Unknown members are ignored. */
export function readBallot(content: Readonly<Record<string, unknown>>): Ballot | null {
  const { ballotId, poolId, operation, title, question, attempt, maxAttempts, expiresAt, statement } = content;
  const context = readContext(content['context']);
  const right =
    isUuid(ballotId) &&
    isUuid(poolId) &&
    isText(operation) &&
    isText(title) &&
    isText(question) &&
    isCount(attempt) &&
    isCount(maxAttempts) &&
    isText(expiresAt) &&
    !Number.isNaN(Date.parse(expiresAt)) &&
    isText(statement);
  if (!right || !context) return null;
  return { ballotId, poolId, operation, title, question, context, attempt, maxAttempts, expiresAt, statement };
}

/** The ballot that a `ballot.voided` takes back; null if that is malformed. */
export function readVoided(content: Readonly<Record<string, unknown>>): { ballotId: string; reason: string } | null {
  const { ballotId, reason } = content;
  return isUuid(ballotId) && isText(reason) ? { ballotId, reason } : null;
}

function readContext(value: unknown): BallotContext | null {
  if (typeof value !== 'object' || value === null) return null;
  const given = value as Record<string, unknown>;
  const text = (name: string): string | null => (isText(given[name]) ? given[name] : null);
  const pair = <A extends string, B extends string>(name: string, id: A, label: B) => {
    const found = (given[name] ?? null) as Record<string, unknown> | null;
    return found && isText(found[id]) && isText(found[label])
      ? ({ [id]: found[id], [label]: found[label] } as Record<A | B, string>)
      : null;
  };
  return {
    requester: pair('requester', 'profileId', 'username'),
    application: pair('application', 'applicationId', 'name'),
    ip: text('ip'),
    userAgent: text('userAgent'),
    location: text('location'),
    time: text('time'),
    dataContext: text('dataContext'),
    classification: text('classification'),
    label: text('label'),
    handling: text('handling'),
    device: pair('device', 'deviceIdentifier', 'name'),
    nonce: text('nonce'),
  };
}

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && uuid.test(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 64 * 1024;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}
