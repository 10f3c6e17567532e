import { randomBytes } from '@symbolon/crypto';
import { measure } from './figures';
import { type HttpAnswer, HttpConnection, type HttpRequest } from './http-connection';
import { answerTasks } from './part';

interface Target {
  readonly port: number;
  readonly clients: number;
  readonly token: string;
}

export type HttpTask = Target &
  (
    | { readonly what: 'reserve'; readonly seconds: number }
    | { readonly what: 'insert'; readonly seconds: number }
    /** Answers token strings that data can be exchanged for. */
    | { readonly what: 'tokens'; readonly count: number }
    /** Each token once, until they or the seconds are at an end; `size` bytes each. */
    | { readonly what: 'exchange'; readonly seconds: number; readonly tokens: readonly string[]; readonly size: number }
    | { readonly what: 'fetch'; readonly seconds: number; readonly tokens: readonly string[] }
  );

/** A connection per client, whose answers must have status 200. */
class Clients {
  private readonly connections: HttpConnection[];

  constructor(private readonly target: Target) {
    this.connections = Array.from({ length: target.clients }, () => new HttpConnection(target.port));
  }

  encode(path: string, json?: unknown): Buffer {
    const headers = { 'x-dpt-authorization': this.target.token, prefer: 'wait=30' };
    const request: HttpRequest = { method: json === undefined ? 'GET' : 'POST', path, headers, json };
    return this.connections[0]!.encode(request);
  }

  async send(client: number, request: Buffer): Promise<HttpAnswer> {
    const answer = await this.connections[client]!.send(request);
    if (answer.status !== 200) throw new Error(`an answer with status ${answer.status}: ${answer.body.toString()}`);
    return answer;
  }

  async json<T>(client: number, request: Buffer): Promise<T> {
    return JSON.parse((await this.send(client, request)).body.toString()) as T;
  }

  close(): void {
    for (const connection of this.connections) connection.close();
  }
}

interface Status {
  readonly commandId: string;
  readonly status: string;
  readonly reason: string | null;
  readonly body: { readonly downloadUrl: string };
}

function succeeded(status: Status): Status {
  if (status.status !== 'succeeded') throw new Error(`a command ended as ${status.status}: ${status.reason}`);
  return status;
}

const reservation = { context: 'invoices/2026', ttl: 60 };

async function run(task: HttpTask, clients: Clients): Promise<unknown> {
  switch (task.what) {
    case 'reserve': {
      const request = clients.encode('/data-token/reserve-token-space', reservation);
      return measure(task.clients, task.seconds, async (client) => {
        const { body } = await clients.send(client, request);
        // What a rejection says, without parsing every answer.
        if (!body.includes('"succeeded"')) throw new Error(body.toString());
      });
    }
    case 'insert': {
      const request = clients.encode('/insert', reservation);
      return measure(task.clients, task.seconds, async (client) => void (await clients.send(client, request)));
    }
    case 'tokens': {
      const tokens: string[] = [];
      const request = clients.encode('/data-token/reserve-token-space', reservation);
      await measure(task.clients, Infinity, async (client) => {
        if (tokens.length >= task.count) return false;
        const { commandId } = succeeded(await clients.json<Status>(client, request));
        const path = `/data-token/retrieve-temporary-data-token/${commandId}`;
        tokens.push((await clients.json<{ token: string }>(client, clients.encode(path))).token);
        return true;
      });
      return tokens;
    }
    case 'exchange': {
      const left = [...task.tokens];
      const exchanged: string[] = [];
      const data = randomBytes(task.size).toString('base64');
      const measured = await measure(task.clients, task.seconds, async (client) => {
        const temporaryTokenSpace = left.pop();
        if (temporaryTokenSpace === undefined) return false;
        const request = clients.encode('/data-token/exchange-data-for-token', { temporaryTokenSpace, data });
        succeeded(await clients.json<Status>(client, request));
        exchanged.push(temporaryTokenSpace);
        return true;
      });
      return { measured, exchanged };
    }
    case 'fetch': {
      let next = 0;
      return measure(task.clients, task.seconds, async (client) => {
        const token = task.tokens[next++ % task.tokens.length];
        const requested = await clients.json<Status>(client, clients.encode('/data-token/request-data', { token }));
        const { pathname, search } = new URL(succeeded(requested).body.downloadUrl);
        await clients.send(client, clients.encode(`${pathname}${search}`));
      });
    }
  }
}

answerTasks(async (task: HttpTask) => {
  const clients = new Clients(task);
  try {
    return await run(task, clients);
  } finally {
    clients.close();
  }
});
