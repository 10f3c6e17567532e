import { join } from 'node:path';
import type { FileKeyRingOptions } from '@symbolon/crypto';
import type { Settings } from '@symbolon/settings';

/** Where the key ring of a data directory lies, and what opens it. */
export function keyRingOf(dataDir: string, { masterKey }: Settings): FileKeyRingOptions {
  return {
    path: join(dataDir, 'key-ring.sym'),
    masterPath: join(dataDir, 'key-ring.master'),
    ...(masterKey ? { master: masterKey.reveal() } : {}),
  };
}
