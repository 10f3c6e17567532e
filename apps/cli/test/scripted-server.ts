import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { run } from '../src/program';

type Fields = Record<string, unknown>;
/** Status and body of an answer; a `Buffer` goes out as it is. */
export type Reply = readonly [status: number, body: unknown];
export type Script = Record<string, (fields: Fields, body: Buffer) => Reply>;

/** Answers by `METHOD /path` as it is told, and keeps what it was asked. */
export class ScriptedServer {
  readonly asked: { readonly call: string; readonly fields: Fields; readonly token: string | undefined }[] = [];
  url = '';
  private readonly http = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const { pathname, searchParams } = new URL(request.url!, this.url);
      const isJson = request.headers['content-type'] === 'application/json';
      const fields = isJson ? (JSON.parse(body.toString()) as Fields) : Object.fromEntries(searchParams);
      const call = `${request.method} ${pathname}`;
      this.asked.push({ call, fields, token: request.headers['x-dpt-authorization'] as string | undefined });
      const [status, answer] = this.script[call]?.(fields, body) ?? refused(404, 'not_found');
      response.writeHead(status, Buffer.isBuffer(answer) ? {} : { 'content-type': 'application/json' });
      response.end(Buffer.isBuffer(answer) ? answer : JSON.stringify(answer));
    });
  });

  private constructor(readonly script: Script) {}

  static async start(script: Script): Promise<ScriptedServer> {
    const server = new ScriptedServer(script);
    await new Promise<void>((resolve) => server.http.listen(0, '127.0.0.1', resolve));
    server.url = `http://127.0.0.1:${(server.http.address() as AddressInfo).port}`;
    return server;
  }

  async stop(): Promise<void> {
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  calls(call: string): Fields[] {
    return this.asked.filter((one) => one.call === call).map(({ fields }) => fields);
  }
}

export function refused(status: number, code: string, errors?: Record<string, string[]>): Reply {
  return [status, { type: `urn:symbolon:problem:${code}`, title: code, status, detail: 'A sentence.', code, errors }];
}

export function succeeded(body: unknown, commandId = '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10'): Reply {
  return [200, { commandId, status: 'succeeded', command_status: 2, reason: null, body }];
}

export function rejected(reason: string): Reply {
  return [
    200,
    { commandId: '0193b4c6-1f2e-7a41-b7d5-2c9e4a6f8b10', status: 'rejected', command_status: 3, reason, body: null },
  ];
}

/** What a run of the program gave. */
export interface Ran {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly bytes: Buffer;
}

export interface Input {
  /** What comes by stdin. */
  readonly input?: string | Buffer;
  /** What a person types, at the questions that come. */
  readonly typed?: readonly string[];
}

/** Runs the program in this process, with its own surroundings. */
export async function cli(
  argv: readonly string[],
  env: Record<string, string>,
  { input, typed }: Input = {},
): Promise<Ran> {
  const stdin = Object.assign(new PassThrough(), { isTTY: typed !== undefined, setRawMode: () => undefined });
  const [stdout, stderr] = [new PassThrough(), Object.assign(new PassThrough(), { isTTY: false })];
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  const answers = [...(typed ?? [])];
  stdout.on('data', (chunk: Buffer) => out.push(chunk));
  stderr.on('data', (chunk: Buffer) => {
    err.push(chunk);
    const answer = /: $/.test(chunk.toString()) ? answers.shift() : undefined;
    if (answer !== undefined) stdin.write(`${answer}\r`);
  });
  if (typed === undefined) stdin.end(input ?? '');
  const exit = await run(argv, { env, stdin, stdout, stderr });
  await new Promise((resolve) => setImmediate(resolve));
  const bytes = Buffer.concat(out);
  return { exit, stdout: bytes.toString(), stderr: Buffer.concat(err).toString(), bytes };
}
