import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { hash, hashRaw, parseOptions } from '@node-rs/argon2';
import type { KeyRing, RingKey } from '../key-ring/key-ring';

export interface Argon2Options {
  readonly memoryKib: number;
  readonly iterations: number;
  readonly parallelism: number;
}

/** Below these values the server does not start (API contract, section 1). */
export const argon2Floor: Argon2Options = { memoryKib: 19_456, iterations: 2, parallelism: 1 };

/** Too many password checks are waiting: to be tried again later. */
export class Busy extends Error {
  constructor() {
    super('too many password checks at once');
    this.name = 'Busy';
  }
}

interface Parsed {
  readonly phc: string;
  readonly pepper: RingKey;
}

const waitingPerCore = 16;
/** A PHC string with a 16-byte salt and a 32-byte digest, `#`, the pepper's id. */
const form =
  /^(\$argon2id\$v=19\$m=\d{1,10},t=\d{1,10},p=\d{1,3}\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43})#([0-9a-f-]{36})$/;

/**
 * Verifiers of passwords: argon2id over HMAC-SHA256(pepper, password), as a PHC string, `#` and the pepper's id.
 * As many run at once as there are cores; a bounded number waits; beyond it `Busy` is thrown.
 */
export class PasswordVerifiers {
  private running = 0;
  private readonly waiting: Array<() => void> = [];

  /** Throws a RangeError for options below the floor. */
  constructor(
    private readonly options: Argon2Options,
    private readonly ring: KeyRing,
    private readonly atOnce = availableParallelism(),
    private readonly atMostWaiting = waitingPerCore * atOnce,
  ) {
    const { memoryKib, iterations, parallelism } = options;
    const low =
      !(memoryKib >= argon2Floor.memoryKib) ||
      !(iterations >= argon2Floor.iterations) ||
      !(parallelism >= argon2Floor.parallelism);
    if (low) throw new RangeError('argon2id options below the floor of 19456 KiB, 2 iterations and 1 lane');
  }

  async hash(password: string): Promise<string> {
    return this.inTurn(() => this.make(password));
  }

  /**
   * Checks a password. `verifier` null stands for an unknown user: the same work, and never ok. `outdated`: the password
   * is right, but its verifier has other parameters or an older pepper and should be replaced.
   */
  async verify(password: string, verifier: string | null): Promise<{ ok: boolean; outdated: boolean }> {
    return this.inTurn(async () => {
      const known = verifier === null ? null : await this.parse(verifier);
      const { phc, pepper } = known ?? this.dummy();
      const matches = await matchesVerifier(phc, peppered(pepper, password));
      const ok = matches && known !== null;
      return { ok, outdated: ok && !this.isCurrent(phc, pepper) };
    });
  }

  private async make(password: string): Promise<string> {
    const pepper = this.ring.current('password');
    const { memoryKib, iterations, parallelism } = this.options;
    const phc = await hash(peppered(pepper, password), {
      memoryCost: memoryKib,
      timeCost: iterations,
      parallelism,
      salt: randomBytes(16),
    });
    return `${phc}#${pepper.id}`;
  }

  /** Null where the verifier is malformed or its pepper is gone. */
  private async parse(verifier: string): Promise<Parsed | null> {
    const [, phc, pepperId] = form.exec(verifier) ?? [];
    if (phc === undefined || pepperId === undefined) return null;
    if (!this.ring.byId(pepperId)) await this.ring.refresh();
    const pepper = this.ring.byId(pepperId);
    return pepper?.purpose === 'password' ? { phc, pepper } : null;
  }

  private isCurrent(phc: string, pepper: RingKey): boolean {
    const { memoryCost, timeCost, parallelism } = parseOptions(phc);
    const { memoryKib, iterations, parallelism: lanes } = this.options;
    return (
      pepper.id === this.ring.current('password').id &&
      memoryCost === memoryKib &&
      timeCost === iterations &&
      parallelism === lanes
    );
  }

  /** A verifier that no password has, as costly as a fresh one. */
  private dummy(): Parsed {
    const { memoryKib, iterations, parallelism } = this.options;
    const [salt, digest] = [16, 32].map((length) => randomBytes(length).toString('base64').replaceAll('=', ''));
    const phc = `$argon2id$v=19$m=${memoryKib},t=${iterations},p=${parallelism}$${salt}$${digest}`;
    return { phc, pepper: this.ring.current('password') };
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.atOnce) {
      if (this.waiting.length >= this.atMostWaiting) throw new Busy();
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else {
      this.running++;
    }
    try {
      return await work();
    } finally {
      // The turn passes on, so that nobody who comes now overtakes those who wait.
      const next = this.waiting.shift();
      if (next) next();
      else this.running--;
    }
  }
}

function peppered(pepper: RingKey, password: string): Buffer {
  return createHmac('sha256', pepper.bytes).update(password, 'utf8').digest();
}

/** By computing again, because the library's own check takes text alone and the peppered password is bytes. */
async function matchesVerifier(phc: string, input: Buffer): Promise<boolean> {
  const { memoryCost, timeCost, parallelism } = parseOptions(phc);
  const [salt, digest] = phc
    .split('$')
    .slice(-2)
    .map((part) => Buffer.from(part, 'base64'));
  if (!salt || !digest) return false;
  const again = await hashRaw(input, {
    memoryCost,
    timeCost,
    parallelism,
    salt,
    outputLen: digest.length,
  });
  return again.length === digest.length && timingSafeEqual(again, digest);
}
