import { verify } from '@node-rs/argon2';
import { MemoryKeyRing } from '../key-ring/key-ring';
import { clockAtStart } from '../../test/key-stores';
import { argon2Floor, Busy, PasswordVerifiers } from './password-verifiers';

const ring = new MemoryKeyRing(clockAtStart());
const verifiers = new PasswordVerifiers(argon2Floor, ring);

test('the right password passes, others do not', async () => {
  const verifier = await verifiers.hash('correct horse');
  expect(verifier).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}#[0-9a-f-]{36}$/);
  expect(await verifiers.verify('correct horse', verifier)).toEqual({ ok: true, outdated: false });
  expect(await verifiers.verify('correct horsf', verifier)).toEqual({ ok: false, outdated: false });
  expect(await verifiers.verify('', verifier)).toEqual({ ok: false, outdated: false });
  expect(await verifiers.hash('correct horse')).not.toBe(verifier);
});

test('W6: without the key ring even the right password is not confirmed', async () => {
  const [phc] = (await verifiers.hash('correct horse')).split('#');
  expect(await verify(phc as string, 'correct horse')).toBe(false);
  const elsewhere = new PasswordVerifiers(argon2Floor, new MemoryKeyRing(clockAtStart()));
  expect(await elsewhere.verify('correct horse', await verifiers.hash('correct horse'))).toEqual({
    ok: false,
    outdated: false,
  });
});

test('unknown users and broken verifiers are refused after the same kind of work', async () => {
  for (const verifier of [
    null,
    '',
    'x',
    '$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA',
    `$2b$10$abc#${ring.current('password').id}`,
    `$argon2id$v=19$m=8#${ring.current('password').id}`,
  ]) {
    expect(await verifiers.verify('correct horse', verifier)).toEqual({ ok: false, outdated: false });
  }
});

test('a verifier with other parameters or an older pepper is outdated once its password passed', async () => {
  const own = new MemoryKeyRing(clockAtStart());
  const before = new PasswordVerifiers(argon2Floor, own);
  const verifier = await before.hash('correct horse');
  const stronger = new PasswordVerifiers({ ...argon2Floor, iterations: 3 }, own);
  expect(await stronger.verify('correct horse', verifier)).toEqual({ ok: true, outdated: true });
  expect(await stronger.verify('wrong', verifier)).toEqual({ ok: false, outdated: false });
  await own.rotate('password');
  expect(await before.verify('correct horse', verifier)).toEqual({ ok: true, outdated: true });
  expect(await before.verify('correct horse', await before.hash('correct horse'))).toEqual({
    ok: true,
    outdated: false,
  });
});

test.each([{ memoryKib: 19_455 }, { iterations: 1 }, { parallelism: 0 }, { memoryKib: NaN }])(
  'W6: options below the floor are refused: %o',
  (low) => {
    expect(() => new PasswordVerifiers({ ...argon2Floor, ...low }, ring)).toThrow(RangeError);
  },
);

test('a bounded number waits; the rest is told to come again', async () => {
  const small = new PasswordVerifiers(argon2Floor, ring, 1, 2);
  const verifier = await small.hash('correct horse');
  const calls = Array.from({ length: 5 }, () => small.verify('correct horse', verifier));
  const results = await Promise.allSettled(calls);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'rejected']);
  expect(results[4]).toMatchObject({ reason: expect.any(Busy) });
  expect(await small.verify('correct horse', verifier)).toEqual({ ok: true, outdated: false });
});
