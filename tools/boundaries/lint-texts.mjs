// Lints texts as if they stood at given paths. In: [{ path, code }] as JSON on standard input; out: the messages of each.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ESLint } from 'eslint';

// In CI the parser would read each file once from the disk, and never see the text that is given here.
process.env.TSESTREE_SINGLE_RUN = 'false';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const eslint = new ESLint({ cwd: root });
const answers = [];
for (const { path, code } of JSON.parse(readFileSync(0, 'utf8'))) {
  const filePath = join(root, path);
  const [{ messages }] = await eslint.lintText(code ?? readFileSync(filePath, 'utf8'), { filePath });
  answers.push(messages.map(({ ruleId, message }) => ({ ruleId, message })));
}
process.stdout.write(JSON.stringify(answers));
