import { readFileSync } from 'node:fs';
import { cpus, release, totalmem, type } from 'node:os';

export interface Aim {
  readonly what: string;
  readonly value: number;
  readonly unit?: string;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** What one benchmark found. */
export interface Section {
  readonly title: string;
  /** How it was measured, in a paragraph. */
  readonly how: string;
  readonly columns: readonly string[];
  readonly rows: ReadonlyArray<ReadonlyArray<string | number>>;
  readonly aims: readonly Aim[];
}

export function met({ value, atLeast, atMost }: Aim): boolean {
  return atLeast === undefined ? value <= (atMost ?? Infinity) : value >= atLeast;
}

/** Three significant figures; thousands are told apart. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString('en', {
    minimumFractionDigits: Math.min(digits, 2),
    maximumFractionDigits: Math.min(digits, 2),
  });
}

export function inMarkdown({ title, how, columns, rows, aims }: Section): string {
  const cells = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? figure(cell) : cell)));
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...cells.map((row) => row[index]?.length ?? 0)),
  );
  const padded = (row: readonly string[]) =>
    `| ${row.map((cell, index) => (index === 0 ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!))).join(' | ')} |`;
  const rule = `| ${widths.map((width, index) => (index === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  const aimed = aims.map((aim) => {
    const bound = aim.atLeast === undefined ? `at most ${aim.atMost}` : `at least ${aim.atLeast}`;
    const unit = aim.unit ? ` ${aim.unit}` : '';
    return `- ${aim.what}: **${figure(aim.value)}${unit}**, aim ${bound}${unit}: ${met(aim) ? 'met' : 'not met'}`;
  });
  return [
    `## ${title}`,
    '',
    how,
    '',
    padded(columns),
    rule,
    ...cells.map(padded),
    '',
    ...aimed,
    ...(aimed.length > 0 ? [''] : []),
  ].join('\n');
}

/** Facts about where the figures come from. */
export function surroundings(postgres: string): string {
  const [cpu] = cpus();
  return [
    `- ${cpus().length} processor cores (${cpu?.model.trim() ?? 'unknown'}), ${figure(totalmem() / 2 ** 30)} GiB of memory, ${type()} ${release()}`,
    `- Node ${process.versions.node}, OpenSSL ${process.versions.openssl}, ${postgres}`,
    `- load average before the first measurement: ${loadAverage()}`,
  ].join('\n');
}

function loadAverage(): string {
  try {
    return readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(', ');
  } catch {
    return 'unknown';
  }
}
