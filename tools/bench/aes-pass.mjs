// The reference of the file benchmark: one pass of AES-256-GCM over SIZE bytes in pieces of 64 KiB. Prints seconds.
import { createCipheriv, randomBytes } from 'node:crypto';

const size = Number(process.argv[2]);
const piece = randomBytes(65_536);
const begun = performance.now();
const cipher = createCipheriv('aes-256-gcm', randomBytes(32), randomBytes(12));
for (let done = 0; done < size; done += piece.length) cipher.update(piece);
cipher.final();
process.stdout.write(String((performance.now() - begun) / 1000));
