import type { Clock } from '@symbolon/kernel';
import { Backoff } from './backoff';
import { exits, Halt } from './halt';
import type { Configuration, DeviceKeys, Home, Pairing } from './home';
import type { Log } from './log';
import { fetchSigningKeys } from './server-keys';
import { type Answer, callServer, NotNow } from './server-call';

interface Parts {
  readonly home: Home;
  readonly configuration: Configuration;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly backoff: Backoff;
}

/** Refuses a directory whose configuration does not fit what was fixed at pairing (crypto.md, sections 13 and 15). */
export function checkPairing(
  pairing: Pairing,
  { deviceIdentifier, cabPublicKey }: Configuration,
  keys: DeviceKeys,
): void {
  if (pairing.deviceIdentifier !== deviceIdentifier) {
    throw new Halt(
      exits.usage,
      `The directory belongs to device ${pairing.deviceIdentifier}, but device.json is that of ${deviceIdentifier}. Give each device a directory of its own.`,
    );
  }
  if (pairing.cabFingerprint !== cabPublicKey.fingerprint) {
    throw new Halt(
      exits.serverChanged,
      `cab-public-key in device.json has the fingerprint ${cabPublicKey.fingerprint}, but at pairing it was ${pairing.cabFingerprint}. If the server's owner confirms the new one, start once with --pair-anew.`,
    );
  }
  if (pairing.registered.publicKey !== keys.exchangePublic || pairing.registered.signingKey !== keys.signingPublic) {
    throw new Halt(
      exits.usage,
      'exchange.key or signing.key are not those that were registered. Restore them from a backup.',
    );
  }
}

/** Registers the device's public keys with the server and fixes which keys of the server are trusted from now on. */
export async function pair(parts: Parts, keys: DeviceKeys): Promise<Pairing> {
  const { home, configuration, clock, log, signal, backoff } = parts;
  const login = await home.login();
  const own = { publicKey: keys.exchangePublic, signingKey: keys.signingPublic };
  const call = (path: string, init?: { token?: string; body?: object; wait?: boolean }): Promise<Answer> =>
    patiently(parts, () => callServer(`${login.url}${path}`, { ...init, signal }));

  const token = await signIn();

  const known = await call('/public-key/retrieve-public-key', { token });
  if (known.body['publicKey'] !== own.publicKey || known.body['signingKey'] !== own.signingKey) {
    const registered = await finished(
      await call('/public-key/register-public-key', { token, body: own, wait: true }),
      (id) => call(`/request-status/${id}`, { token }),
    );
    if (registered.body['status'] !== 'succeeded') {
      throw new Halt(exits.refused, `The server did not register the device's public keys (${explain(registered)}).`);
    }
    log('keys-registered', { deviceIdentifier: configuration.deviceIdentifier });
  }
  const signingKeys = await patiently(parts, () => fetchSigningKeys(configuration.jwksUrl, signal));
  await call('/profile/revoke-authorization-token', { token, body: {} });

  const pairing: Pairing = {
    deviceIdentifier: configuration.deviceIdentifier,
    pairedAt: clock.now(),
    cabFingerprint: configuration.cabPublicKey.fingerprint,
    signingKeys,
    registered: own,
  };
  await home.savePairing(pairing);
  log('paired', { cabFingerprint: pairing.cabFingerprint, signingKeys: signingKeys.length });
  return pairing;

  /** Where its owner has sign-ins voted on, the same call with the command's id gets the token after the vote. */
  async function signIn(): Promise<string> {
    const { username, password } = login;
    let session = await call('/profile/authenticate', { body: { username, password } });
    if (session.status === 202) {
      const { commandId } = session.body;
      await finished(session, (id) => call(`/request-status/${id}`, { wait: true }));
      session = await call('/profile/authenticate', { body: { username, password, commandId } });
    }
    const token = session.body['authorizationToken'];
    if (session.status === 200 && typeof token === 'string') return token;
    throw new Halt(exits.refused, `The server does not accept the login in login.json (${explain(session)}).`);
  }

  /** Asks until the command is final. */
  async function finished(answer: Answer, ask: (commandId: string) => Promise<Answer>): Promise<Answer> {
    let last = answer;
    for (let told = false; last.status === 202;) {
      if (last.body['status'] === 'pending_vote' && !told) {
        log('waiting-for-vote', { commandId: String(last.body['commandId']) });
        told = true;
      }
      await backoff.wait(signal);
      last = await ask(String(last.body['commandId']));
    }
    return last;
  }
}

/** Repeats what fails because the server cannot be reached or asks for patience. */
async function patiently<T>({ log, signal, backoff }: Parts, ask: () => Promise<T>): Promise<T> {
  backoff.reset();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof NotNow)) throw error;
      log('server-unreachable', { reason: error.message });
      await backoff.wait(signal);
    }
  }
}

function explain({ status, body }: Answer): string {
  const key = body['reason'] ?? body['code'];
  return typeof key === 'string' ? key : `status ${status}`;
}
