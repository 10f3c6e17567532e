import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestServer } from '@symbolon/testing';

const guide = readFileSync(join(__dirname, '../../../../docs/guides/oauth.md'), 'utf8');
const blocks = (language: string) =>
  [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, text]) => text!);

let server: TestServer;
let directory: string;

beforeAll(async () => {
  server = await TestServer.start();
  directory = mkdtempSync(join(tmpdir(), 'symbolon-guide-'));
});

afterAll(async () => {
  rmSync(directory, { recursive: true, force: true });
  await server.stop();
});

test.each([['bash'], ['curl'], ['jq']])('the guide needs %s on this machine', (program) => {
  const { error } = spawnSync(program, ['--version']);
  if (error) throw new Error(`The OAuth guide cannot be tested: ${program} is not installed on this machine.`);
});

test('the script of the guide runs as printed and prints what the guide says', async () => {
  const script = blocks('bash');
  expect(script.length).toBeGreaterThan(5);
  const { code, output, errors } = await run(script.join('\n'));
  expect([code, errors]).toEqual([0, '']);
  expect(output).toBe(blocks('text').at(-1));
});

function run(script: string): Promise<{ code: number | null; output: string; errors: string }> {
  return new Promise((resolve, reject) => {
    const environment = { ...process.env, SYMBOLON_URL: server.url };
    const bash = spawn('bash', ['-s'], { cwd: directory, env: environment });
    let [output, errors] = ['', ''];
    bash.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    bash.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    bash.on('error', reject);
    bash.on('close', (code) => resolve({ code, output, errors }));
    bash.stdin.end(script);
  });
}
