import { inspect } from 'node:util';

/**
 * Looks again until `look` answers something, where nothing tells when that is so. A look that throws is one in vain. At
 * the limit the test is told what it waited for and what was seen last.
 */
export async function until<T>(
  look: () => T | Promise<T>,
  what: string,
  { seconds = 60 } = {},
): Promise<Exclude<T, null | undefined | false>> {
  const giveUp = performance.now() + seconds * 1000;
  for (let pause = 0; ; pause = Math.min(pause + 5, 50)) {
    let seen: unknown;
    try {
      const found = await look();
      if (found) return found as Exclude<T, null | undefined | false>;
      seen = found;
    } catch (error) {
      seen = error;
    }
    if (performance.now() > giveUp) {
      throw new Error(`waited ${seconds} s in vain for ${what}; last seen: ${inspect(seen)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
