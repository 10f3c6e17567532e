export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: any;
  readonly text: string;
}

export interface Request {
  readonly token?: string | undefined;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as a form. */
  readonly form?: Record<string, string>;
  readonly body?: RequestInit['body'];
  readonly headers?: Record<string, string>;
  /** Seconds of `Prefer: wait`. */
  readonly wait?: number;
}

export interface TestProfile {
  readonly profileId: string;
  readonly username: string;
  readonly password: string;
  readonly token: string;
}

export const password = 'tall green walnut tree';
let names = 0;

/** Calls a server of Symbolon, wherever it runs. */
export class TestClient {
  constructor(readonly url: string) {}

  async call(
    method: string,
    path: string,
    { token, json, form, body, headers, wait }: Request = {},
  ): Promise<TestAnswer> {
    const answer = await fetch(new URL(path, this.url), {
      method,
      headers: {
        ...(token === undefined ? {} : { 'x-dpt-authorization': token }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(wait === undefined ? {} : { prefer: `wait=${wait}` }),
        ...headers,
      },
      body: json !== undefined ? JSON.stringify(json) : form ? new URLSearchParams(form) : (body ?? null),
    });
    const text = await answer.text();
    return { status: answer.status, headers: answer.headers, text, body: parsed(text) };
  }

  get(path: string, request: Request = {}): Promise<TestAnswer> {
    return this.call('GET', path, request);
  }

  post(path: string, request: Request = {}): Promise<TestAnswer> {
    return this.call('POST', path, request);
  }

  /** A command, waited for; throws unless it succeeded. Answers its status object. */
  async done(path: string, fields: object, token?: string): Promise<any> {
    const { status, body } = await this.post(path, { json: fields, wait: 30, token });
    if (status !== 200 || body.status !== 'succeeded')
      throw new Error(`${path} ended as ${status} ${JSON.stringify(body)}`);
    return body;
  }

  async profile({
    withKey = true,
    username = `profile-${process.pid}-${++names}@example.org`,
  } = {}): Promise<TestProfile> {
    const { body } = await this.done('/profile/register-profile', { username, password });
    const token = await this.login(username);
    if (withKey) {
      const { publicKey } = (await this.get('/public-key/generate-keys', { token })).body;
      await this.done('/public-key/register-public-key', { publicKey }, token);
    }
    return { profileId: body.profileId, username, password, token };
  }

  async login(username: string, secret = password): Promise<string> {
    const { status, body } = await this.post('/profile/authenticate', { json: { username, password: secret } });
    if (status !== 200) throw new Error(`login ended as ${status} ${JSON.stringify(body)}`);
    return body.authorizationToken;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
