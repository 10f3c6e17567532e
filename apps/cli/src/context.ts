import { pipeline } from 'node:stream';
import { exits } from '@symbolon/contracts';
import { type BodyCipher, type CipherChoice, connect, type Session } from '@symbolon/sdk';
import { WebSocket } from 'ws';
import { Credentials, type SignedIn } from './credentials';
import { CliError } from './failure';
import type { Terminal } from './terminal';

export const defaultUrl = 'http://127.0.0.1:8009';

/** What ballots show of this program. */
export const userAgent = `symbolon command line (${process.platform})`;

/** What every command works with: where the server is, who is signed in there, and how to speak to people. */
export class Context {
  readonly credentials: Credentials;
  /** Origin of the server. */
  readonly url: string;

  constructor(
    readonly terminal: Terminal,
    url: string,
    readonly signal: AbortSignal,
    readonly timeout: number | undefined,
  ) {
    if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
      throw new CliError(`"${url}" is no address of a server; one looks like ${defaultUrl}`);
    }
    this.url = new URL(url).origin;
    this.credentials = Credentials.at(terminal.surroundings.env);
  }

  /** What commands take along: when to stop waiting, and when the user has enough. */
  get patience(): { readonly signal: AbortSignal; readonly timeout: number | undefined } {
    return { signal: this.signal, timeout: this.timeout };
  }

  async login(): Promise<SignedIn> {
    const login = await this.credentials.signedIn(this.url);
    if (login) return login;
    throw new CliError(
      `Nobody is signed in at ${this.url}. Sign in with \`symbolon profile login\`, or register with \`symbolon profile register\`.`,
      exits.forbidden,
      'unauthorized',
    );
  }

  /** Runs `work` in a session of the profile that is signed in. `channel` where commands may take their time. */
  async session<T>(
    options: { readonly channel: boolean; readonly cipher?: CipherChoice },
    work: (session: Session, login: SignedIn) => Promise<T>,
  ): Promise<T> {
    const login = await this.login();
    const keys = (await this.credentials.keys(login.profileId)) ?? undefined;
    const { url, signal } = this;
    const session = await connect({
      ...options,
      url,
      signal,
      token: login.token,
      pin: login.pin,
      keys,
      webSocket: WebSocket,
      userAgent,
    });
    try {
      return await work(session, login);
    } finally {
      session.close();
    }
  }
}

/** Node's own cryptography for large bodies; loading it takes longer than a small body does. */
export async function nodeCipher(): Promise<BodyCipher> {
  const { CobblestoneOpener, CobblestoneSealer } = await import('@symbolon/crypto');
  const ignore = (): void => undefined;
  return {
    seal: (source, key, context) => pipeline(source, new CobblestoneSealer(key, context), ignore),
    open: (source, key, context) => pipeline(source, new CobblestoneOpener(key, context), ignore),
  };
}
