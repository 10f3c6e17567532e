// Bundles an app: our own code and ESM-only packages into one file, every other package stays in node_modules.
// Usage: node tools/build.mjs APP… (all apps without arguments)
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const apps = readdirSync(join(root, 'apps')).filter((name) =>
  existsSync(join(root, 'apps', name, 'src/main.ts')),
);
const esmOnly = ['jose', 'hpke', '@noble/'];

/** A digest of everything a bundle is made of: paths, sizes and times of all sources, and the locked packages. */
function fingerprint() {
  const hash = createHash('sha256');
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (/(?<!\.spec|\.e2e|\.race)\.ts$/.test(entry.name)) {
        const { size, mtimeMs } = statSync(path);
        hash.update(`${relative(root, path)} ${size} ${mtimeMs}\n`);
      }
    }
  };
  walk(join(root, 'apps'));
  walk(join(root, 'libs'));
  for (const file of ['package-lock.json', 'tsconfig.base.json', '.swcrc', 'tools/build.mjs'])
    hash.update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

// Not among the outputs of the build, which a cache may bring back with other times.
const stampOf = (app) => join(root, 'dist', `.${app}-built`);

export function isBuilt(app) {
  return (
    existsSync(stampOf(app)) &&
    existsSync(join(root, 'dist/apps', app, 'main.cjs')) &&
    readFileSync(stampOf(app), 'utf8') === fingerprint()
  );
}

/** Says that what lies in dist was made of the sources as they are now. */
export function markBuilt(app) {
  writeFileSync(stampOf(app), fingerprint());
}

export async function build(names) {
  for (const app of names) {
    await bundle(join(root, 'apps', app, 'src/main.ts'), join(root, 'dist/apps', app, 'main.cjs'));
    markBuilt(app);
  }
}

export async function bundle(entryPoint, outfile) {
  const [esbuild, { transform }] = await Promise.all([import('esbuild'), import('@swc/core')]);
  const options = JSON.parse(readFileSync(join(root, '.swcrc'), 'utf8'));
  const { paths } = JSON.parse(readFileSync(join(root, 'tsconfig.base.json'), 'utf8')).compilerOptions;
  // esbuild does not write decorator metadata, by which Nest injects and class-validator converts: SWC does.
  const decorators = {
    name: 'decorators',
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^[^./]/ }, ({ path }) => {
        if (paths[path]) return { path: join(root, paths[path][0]) };
        if (esmOnly.some((name) => path === name || path.startsWith(name))) return null;
        return { path, external: true };
      });
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const source = readFileSync(path, 'utf8');
        if (!/^\s*@[A-Z]\w*\(/m.test(source)) return null;
        const { code } = await transform(source, { ...options, filename: path, sourceMaps: 'inline', swcrc: false });
        return { contents: code, loader: 'js', resolveDir: dirname(path) };
      });
    },
  };
  mkdirSync(dirname(outfile), { recursive: true });
  await esbuild.build({
    entryPoints: [entryPoint],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    keepNames: true,
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'warning',
    tsconfigRaw: {
      compilerOptions: { experimentalDecorators: true, useDefineForClassFields: false, target: 'ES2022' },
    },
    plugins: [decorators],
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const names = process.argv.slice(2);
  await build(names.length > 0 ? names : apps);
}
