/** An answer of the server; a body that is no JSON object reads as an empty one. */
export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Answers are measured before they are parsed. */
const maximumAnswer = 64 * 1024;
const patience = 30_000;
/** What ballots show of a device that signs in. */
const userAgent = `symbolon device agent (${process.platform})`;

/** The server could not be reached or asked to come again later (429, 5xx). */
export class NotNow extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'NotNow';
  }
}

/** Calls the API: GET without a body, else POST. `wait` asks the server to finish the command first. */
export async function callServer(
  url: string,
  { token, body, wait, signal }: { token?: string; body?: object; wait?: boolean; signal: AbortSignal },
): Promise<Answer> {
  const headers = new Headers({ accept: 'application/json', 'user-agent': userAgent });
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
  if (wait) headers.set('prefer', 'wait=20');
  if (body !== undefined) headers.set('content-type', 'application/json');
  const init: RequestInit = {
    method: body === undefined ? 'GET' : 'POST',
    headers,
    redirect: 'error',
    signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]),
  };
  if (body !== undefined) init.body = JSON.stringify(body);
  let status: number;
  let text: string;
  try {
    const response = await fetch(url, init);
    status = response.status;
    text = await readAtMost(response, maximumAnswer);
  } catch (error) {
    throw new NotNow(`${new URL(url).origin} cannot be reached`, { cause: error });
  }
  if (status === 429 || status >= 500) throw new NotNow(`${new URL(url).origin} answers ${status}`);
  return { status, body: parseObject(text) };
}

async function readAtMost(response: Response, limit: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    size += part.length;
    if (size > limit) throw new Error('the answer is too long');
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
