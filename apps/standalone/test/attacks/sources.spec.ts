import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const root = join(__dirname, '../../../..');

interface Source {
  readonly path: string;
  readonly text: string;
}

const sources = (folder: string): Source[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return ['test', 'testing', 'node_modules'].includes(entry.name) ? [] : sources(path);
    return /(?<!\.(spec|race|e2e|contract))\.ts$/.test(entry.name)
      ? [{ path: relative('.', path), text: readFileSync(join(root, path), 'utf8') }]
      : [];
  });

const all = ['libs', 'apps'].flatMap(sources);
const clients = /^(libs\/sdk|apps\/cli|apps\/device-agent)\//;

describe('W9: the sources', () => {
  const comparison = /([\w.#?()[\]!']+)\s*[!=]==?\s*([\w.#?()[\]'!-]+)/g;
  const secret =
    /(password|passphrase|secret|auth|token|hmac|\bmac|\btag|commitment|verifier|master|pepper|salt|\bkek|privatekey|signature|\bsig\b|hash\b)/i;
  /** Literals, types, absence, lengths, ids, and members that say what kind of thing it is. */
  const harmless =
    /'[\w.-]*'|\bnull\b|\bundefined\b|\btrue\b|\bfalse\b|\blength\b|(?:\.id|Id)\b\W*$|(?:\.id|Id)\b.*[!=]==|\.(?:phase|type|purpose|kind|key)\b/;
  const suspects = ({ path, text }: Source): string[] =>
    [...text.matchAll(comparison)]
      .map(([pair]) => pair)
      .filter((pair) => secret.test(pair) && !harmless.test(pair))
      .map((pair) => `${path}: ${pair}`);

  /** Two fields of one request, keyed hashes that nobody can aim at, and counts of changes and of passwords. */
  const known = [
    'apps/cli/src/terminal.ts: variable)) !== secret)',
    'libs/identity/src/change-password/change-password.controller.ts: (newPassword === currentPassword)',
    'libs/identity/src/change-password/change-password.decide.ts: (verified !== passwords',
    'libs/identity/src/delete-account/delete-account.decide.ts: (verified !== passwords)',
    'libs/identity/src/login/renew-verifier.decide.ts: state.passwords === passwords',
    'libs/identity/src/profile/password-rules.ts: normalisedUsername(password) === normalisedUsername(username))',
    'libs/identity/src/session/authorization-tokens.ts: state.passwords === passwords',
    'libs/projection/src/row-change.ts: signature) !== signature)',
    'libs/token-vault/src/update-data/update-data.decide.ts: now.fileChanges !== token.fileChanges)',
  ];

  test('compare no secret with ===', () => {
    expect(all.length).toBeGreaterThan(150);
    expect(all.flatMap(suspects).filter((suspect) => !known.includes(suspect))).toEqual([]);
    const planted = 'if (given.password !== row.secret || token == held.token) return a.tag === b && hmac(x) === y;';
    expect(suspects({ path: 'planted', text: planted })).toHaveLength(4);
  });

  test('find secrets by their keyed hash, and compare in constant time where they compare', () => {
    const users = all.filter(({ text }) => text.includes('timingSafeEqual')).map(({ path }) => path);
    expect(users.length).toBeGreaterThan(1);
    expect(users.filter((path) => !path.startsWith('libs/crypto/'))).toEqual([]);
  });

  test('know one mode of AES, and no broken algorithm', () => {
    const named = (pattern: RegExp) => [...new Set(all.flatMap(({ text }) => text.toLowerCase().match(pattern) ?? []))];
    expect(named(/\baes-?(?:128|192|256)?-\w+/g).filter((mode) => !/^aes-(256-)?gcm$/.test(mode))).toEqual([]);
    expect(
      named(/\b(?:aes-\d+-(?:cbc|ecb|ctr|cfb|ofb)|aes-(?:cbc|ctr)|des-\w+|rc4|createcipher\(|'md5'|'sha-?1')/g),
    ).toEqual([]);
    expect(named(/\baes-256-gcm\b/g)).toEqual(['aes-256-gcm']);
  });

  test('do AES in no JavaScript, and cryptography in libs/crypto and libs/sdk only', () => {
    const imports = all.flatMap(({ path, text }) =>
      [...text.matchAll(/(?:from|import\(|require\()\s*'([^'.][^']*)'/g)].map(([, name]) => ({ path, name: name! })),
    );
    const scripts =
      /^(aes-js|crypto-js|node-forge|sjcl|elliptic|asmcrypto|tweetnacl|libsodium|bcryptjs|@noble\/ciphers)/;
    expect(imports.filter(({ name }) => scripts.test(name))).toEqual([]);
    const homes = imports.filter(({ name }) =>
      /^(node:)?crypto$|^(jose|hpke|hash-wasm)$|^@(noble|node-rs)\//.test(name),
    );
    expect(
      homes.map(({ path }) => path.split('/').slice(0, 2).join('/')).every((home) => /^libs\/(crypto|sdk)$/.test(home)),
    ).toBe(true);
    // What JavaScript does with curves is done at the client.
    expect(homes.filter(({ name, path }) => name.startsWith('@noble/') && !clients.test(path))).toEqual([]);
    expect(homes.length).toBeGreaterThan(10);
    const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { dependencies: object };
    expect(Object.keys(dependencies).filter((name) => scripts.test(name) && name !== '@noble/ciphers')).toEqual([]);
  });
});

test('W2: no client has its keys made by the server (row 19)', () => {
  const users = all.filter(({ text }) => text.includes('generate-keys')).map(({ path }) => path);
  expect(users.length).toBeGreaterThan(0);
  expect(users.filter((path) => clients.test(path) || path.startsWith('apps/'))).toEqual([]);
});

test('W10: no source holds a secret, and none allows every origin', () => {
  const planted = /(?:password|secret|master|api_?key)\w*['"]?\s*[:=]\s*(['"`])(?=[^'"`$\s]{8,}\1)(?=[^'"`]*\d)/i;
  expect(all.filter(({ text }) => planted.test(text)).map(({ path }) => path)).toEqual([]);
  expect(planted.test("const masterKey = 'hunter2hunter2';")).toBe(true);
  expect(
    all.filter(({ text }) => /origin:\s*(true|'\*')|allow-origin['"]?,?\s*:?\s*'\*'|credentials:\s*true/i.test(text)),
  ).toEqual([]);
});
