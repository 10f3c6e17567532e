import type { Authorization, CommandAccepted, CommandStatus, ServerKey } from './answers';
import { Api } from './api';
import { Channel, type WebSocketClass } from './channel';
import { POLL } from './commands';
import { fingerprintOf } from './profile-keys';
import { Refused } from './refused';
import { Session } from './session';
import { PinMismatch } from './session-errors';
import type { ConnectOptions, Origin } from './session-options';

/** Signs in (or takes a token), checks the pin, and joins the channel before any command is given. */
export async function connect(options: ConnectOptions): Promise<Session> {
  const anonymous = new Api(options.url, null, options.userAgent);
  if (options.pin !== undefined) await checkPin(anonymous, options.pin, options.signal);
  const token =
    'token' in options
      ? options.token
      : (await signIn(anonymous, options.username, options.password, options.signal)).authorizationToken;
  const channel = channelFor(options, token);
  await channel?.open();
  return new Session(
    anonymous.withToken(token),
    token,
    channel,
    options.keys ?? null,
    options.cipher ?? (() => undefined),
  );
}

/** Registers a new profile (row 3). Throws `Refused`, for example with `profile.username_taken`. */
export async function registerProfile(
  options: Origin & { readonly username: string; readonly password: string },
): Promise<{ readonly profileId: string }> {
  const api = new Api(options.url, null, options.userAgent);
  if (options.pin !== undefined) await checkPin(api, options.pin, options.signal);
  const { username, password, signal } = options;
  const outcome = await new Session(api, null, null, null).command<{ profileId: string }>(
    '/profile/register-profile',
    { username, password },
    { signal },
  );
  return outcome.body;
}

/** The server's public key and its fingerprint (row 22), for comparison by people and for pinning. */
export async function serverKey(
  origin: Pick<Origin, 'url' | 'signal'>,
): Promise<ServerKey & { readonly fingerprint: string }> {
  return serverKeyOf(new Api(origin.url, null), origin.signal);
}

async function serverKeyOf(api: Api, signal?: AbortSignal): Promise<ServerKey & { readonly fingerprint: string }> {
  const { body } = await api.get<ServerKey>('/dptcab/public-key', { signal });
  return { ...body, fingerprint: await fingerprintOf(body.publicKey) };
}

async function checkPin(api: Api, pin: string, signal?: AbortSignal): Promise<void> {
  const { fingerprint } = await serverKeyOf(api, signal);
  if (fingerprint !== pin.toLowerCase()) throw new PinMismatch(pin.toLowerCase(), fingerprint);
}

/** Row 4. Under a login policy the answer is a command; the call is repeated with its id once it is final. */
async function signIn(api: Api, username: string, password: string, signal?: AbortSignal): Promise<Authorization> {
  let commandId: string | undefined;
  for (;;) {
    const { status, body } = await api.post<Authorization | CommandAccepted | CommandStatus>('/profile/authenticate', {
      fields: { username, password, commandId },
      wait: POLL,
      repeat: true,
      signal,
    });
    if ('authorizationToken' in body) return body;
    if (typeof body.commandId !== 'string')
      throw new Refused({ key: 'internal_error', detail: 'a login without a token', status });
    commandId = body.commandId;
    // Pending or not, the next call says: a rejection, which is a status like any other here, is its 403.
    if (status === 202) await api.get<CommandStatus>(`/request-status/${commandId}`, { wait: POLL, signal });
  }
}

function channelFor(options: Origin, token: string): Channel | null {
  const webSocket = options.webSocket ?? (globalThis as { WebSocket?: WebSocketClass }).WebSocket;
  if (!webSocket || options.channel === false) return null;
  const url = new URL(options.webSocketUrl ?? '/ws', options.url);
  url.protocol = url.protocol.replace('http', 'ws');
  return new Channel(url.href, token, webSocket);
}
