import type { TestAnswer, TestClient, TestProfile } from './test-client';

export interface TestPair {
  readonly token: string;
  readonly refreshToken: string;
  readonly scope: readonly string[];
  readonly expiresAt: string;
  readonly refreshTokenExpiresAt: string;
}

let names = 0;

/** An OAuth application of a server, for tests: its owner registered it, others may consent to it. */
export class TestApplication {
  private constructor(
    readonly server: TestClient,
    readonly applicationId: string,
    readonly clientId: string,
    readonly clientSecret: string,
  ) {}

  static async of(
    server: TestClient,
    { token }: Pick<TestProfile, 'token'>,
    scopes: readonly string[] = ['all'],
  ): Promise<TestApplication> {
    const fields = { name: `application ${++names}`, redirectUri: 'https://app.example/back', scopes };
    const { applicationId } = (await server.done('/profile/oauth-application-register', fields, token)).body;
    const { body } = await server.post('/profile/retrieve-oauth-application-configuration', {
      json: { applicationId },
      token,
    });
    return new TestApplication(server, applicationId, body.clientId, body.clientSecret);
  }

  /** Row 13, waited for. */
  async consent(
    { token }: Pick<TestProfile, 'token'>,
    scope: readonly string[] = ['all'],
    nonce = `nonce ${++names}`,
  ): Promise<{ readonly id: string; readonly nonce: string }> {
    const { body } = await this.server.get(consentPath(this.clientId, scope, nonce), { token, wait: 30 });
    if (body.status !== 'succeeded') throw new Error(`the consent ended as ${JSON.stringify(body)}`);
    return { id: body.commandId, nonce };
  }

  /** Rows 14 and 15: with the application's own credentials. */
  call(path: string, json: object): Promise<TestAnswer> {
    return this.server.post(path, { json, headers: { authorization: basic(this.clientId, this.clientSecret) } });
  }

  async code(consent: { readonly id: string; readonly nonce: string }): Promise<string> {
    const { status, body } = await this.call('/oauth-application/retrieve-authorization-code', consent);
    if (status !== 200) throw new Error(`the code was answered ${status} ${JSON.stringify(body)}`);
    return body.authorizationCode;
  }

  async obtain(code: string): Promise<TestPair> {
    const { status, body } = await this.call('/oauth-application/obtain-access-token', { authorization_code: code });
    if (status !== 200) throw new Error(`the token was answered ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /** The whole way from the consent to the tokens. */
  async grantedBy(profile: Pick<TestProfile, 'token'>, scope: readonly string[] = ['all']): Promise<TestPair> {
    return this.obtain(await this.code(await this.consent(profile, scope)));
  }

  /** Row 18. */
  refresh({ token, refreshToken }: Pick<TestPair, 'token' | 'refreshToken'>): Promise<TestAnswer> {
    return this.server.post('/oauth-application/refresh-access-token', {
      json: { refresh_token: refreshToken },
      headers: { authorization: `Basic ${token}` },
    });
  }
}

export function basic(user: string, secret: string): string {
  return `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`;
}

export function consentPath(clientId: string, scope: readonly string[], nonce: string): string {
  const query = new URLSearchParams([
    ['client_id', clientId],
    ['nonce', nonce],
    ...scope.map((entry): [string, string] => ['scope[]', entry]),
  ]);
  return `/profile/oauth-application-request-authorization-code?${query.toString()}`;
}
