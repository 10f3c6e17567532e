import { readFile } from 'node:fs/promises';
import { exits } from '@symbolon/contracts';
import { connect, ProfileKeys, Refused, registerProfile, serverKey, type Session } from '@symbolon/sdk';
import { type Context, userAgent } from './context';
import { type SignedIn, writePrivately } from './credentials';
import { CliError } from './failure';

export interface LoginOptions {
  readonly username: string;
  readonly passwordStdin?: boolean;
  readonly acceptServerKey?: boolean;
}

/** Registers a profile and signs in as it. */
export async function register(context: Context, options: LoginOptions): Promise<void> {
  const { username } = options;
  const password = await passwordOf(context, options, true);
  const pin = await pinOf(context, options);
  const { url, signal } = context;
  const { profileId } = await registerProfile({ url, username, password, pin, signal });
  const login = await signIn(context, username, password, pin);
  context.terminal.result({ profileId, username, expiresAt: login.expiresAt }, profileId);
  context.terminal.hint(`Registered and signed in at ${url}. Next: symbolon key register`);
}

/** Signs in and keeps the token. */
export async function login(context: Context, options: LoginOptions): Promise<void> {
  const password = await passwordOf(context, options, false);
  const pin = await pinOf(context, options);
  const { profileId, username, expiresAt } = await signIn(context, options.username, password, pin);
  context.terminal.result({ profileId, username, expiresAt }, profileId);
  context.terminal.hint(`Signed in at ${context.url} until ${expiresAt}.`);
}

/** Ends the token and forgets it; the keys stay. */
export async function logout(context: Context): Promise<void> {
  const { profileId } = await context.login();
  await context.session({ channel: false }, (session) => session.signOut()).catch(ifSignedOutAlready);
  await context.credentials.signOut(context.url);
  context.terminal.result({ profileId }, '');
}

/** Shows who is signed in, and whether the keys here are those that the server knows. */
export async function whoami(context: Context): Promise<void> {
  await context.session({ channel: false }, async (session, { username, pin }) => {
    const [profileId, expiresAt, registered] = await Promise.all([
      session.profileId(),
      session.expiresAt(),
      session.registeredKey(),
    ]);
    const own = await context.credentials.keys(profileId);
    const key = registered === null ? 'none' : own?.fingerprint === registered.fingerprint ? 'here' : 'elsewhere';
    const fingerprint = registered?.fingerprint ?? null;
    context.terminal.result(
      { profileId, username, url: context.url, expiresAt, key, fingerprint, serverFingerprint: pin },
      [
        `profile      ${profileId}  (${username})`,
        `server       ${context.url}, key ${pin}`,
        `signed in    until ${expiresAt}`,
        `key          ${fingerprint === null ? 'none: symbolon key register' : fingerprint}`,
      ].join('\n'),
    );
    if (key === 'elsewhere') {
      context.terminal.hint(
        'The registered key is not here: without it sealed data cannot be opened. symbolon key import',
      );
    }
  });
}

export interface KeyOptions {
  readonly renew?: boolean;
  readonly replace?: boolean;
}

/** Makes the profile's keys here, keeps them, and registers their public halves. */
export async function registerKey(context: Context, options: KeyOptions): Promise<void> {
  await context.session({ channel: true }, async (session, { profileId }) => {
    const held = await context.credentials.keys(profileId);
    if (!held) await refuseToReplace(session, options);
    const keys = held ? (options.renew ? await held.renewed() : held) : await ProfileKeys.generate();
    // Kept before they are registered: nothing may ever be sealed to keys that are lost.
    await context.credentials.keepKeys(profileId, keys);
    await session.registerKeys(keys, context.patience);
    const { publicKey, signingKey, fingerprint } = keys;
    context.terminal.result({ profileId, publicKey, signingKey, fingerprint }, fingerprint);
    context.terminal.hint(
      `The private keys lie in ${context.credentials.path} and nowhere else: symbolon key export FILE`,
    );
  });
}

async function refuseToReplace(session: Session, options: KeyOptions): Promise<void> {
  const registered = options.replace ? null : await session.registeredKey();
  if (!registered) return;
  throw new CliError(
    'The profile has registered keys that are not here. Bring them with `symbolon key import`; or give them up, and with them what was sealed to them, with --replace.',
    exits.refused,
    'key_elsewhere',
  );
}

export interface PassphraseOptions {
  readonly passphraseStdin?: boolean;
}

/** Writes the profile's keys into a file, sealed under a passphrase. */
export async function exportKey(context: Context, file: string, options: PassphraseOptions): Promise<void> {
  const { profileId } = await context.login();
  const keys = await context.credentials.keys(profileId);
  if (!keys) throw new CliError('There are no keys here to be exported.', exits.missing, 'keys_missing');
  const bundle = await keys.seal(await passphraseOf(context, options, true), profileId);
  await writePrivately(file, bundle);
  context.terminal.result({ profileId, fingerprint: keys.fingerprint, file }, '');
  context.terminal.hint(`${file} opens with the passphrase alone.`);
}

/** Takes the profile's keys from a file that `key export` wrote. */
export async function importKey(context: Context, file: string, options: PassphraseOptions): Promise<void> {
  const { profileId } = await context.login();
  const bundle = await readFile(file);
  const keys = await ProfileKeys.open(bundle, await passphraseOf(context, options, false), profileId);
  const held = await context.credentials.keys(profileId);
  if (held && held.fingerprint !== keys.fingerprint) {
    const message = `Other keys of this profile are here already (${held.fingerprint}): export them, then remove them from ${context.credentials.path}.`;
    throw new CliError(message, exits.refused, 'key_elsewhere');
  }
  await context.credentials.keepKeys(profileId, keys);
  context.terminal.result({ profileId, fingerprint: keys.fingerprint }, keys.fingerprint);
}

function passwordOf(context: Context, options: LoginOptions, twice: boolean): Promise<string> {
  const fromStdin = options.passwordStdin ?? false;
  return context.terminal.secret({ name: 'Password', variable: 'SYMBOLON_PASSWORD', fromStdin, twice });
}

function passphraseOf(context: Context, options: PassphraseOptions, twice: boolean): Promise<string> {
  const fromStdin = options.passphraseStdin ?? false;
  return context.terminal.secret({ name: 'Passphrase', variable: 'SYMBOLON_PASSPHRASE', fromStdin, twice });
}

/** The fingerprint to demand of the server: the one kept, or at the first meeting the one it shows. */
async function pinOf(context: Context, { acceptServerKey }: LoginOptions): Promise<string> {
  const known = await context.credentials.signedIn(context.url);
  if (known && !acceptServerKey) return known.pin;
  const { fingerprint } = await serverKey({ url: context.url, signal: context.signal });
  if (known?.pin !== fingerprint) {
    context.terminal.hint(`The server's key is ${fingerprint}; compare it with what its owner says.`);
  }
  return fingerprint;
}

async function signIn(context: Context, username: string, password: string, pin: string): Promise<SignedIn> {
  const { url, signal } = context;
  const session = await connect({ url, username, password, pin, signal, userAgent, channel: false }).catch(
    (error: unknown) => {
      if (!(error instanceof Refused && error.key === 'unauthorized')) throw error;
      throw new CliError('Username or password is wrong.', exits.forbidden, error.key);
    },
  );
  const login = {
    username,
    profileId: await session.profileId(),
    token: session.token!,
    expiresAt: await session.expiresAt(),
    pin,
  };
  await context.credentials.signIn(url, login);
  return login;
}

function ifSignedOutAlready(error: unknown): void {
  if (!(error instanceof Refused && error.key === 'unauthorized')) throw error;
}
