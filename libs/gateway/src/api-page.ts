import type { OpenAPIObject } from '@nestjs/swagger';
import type { Operation, Schema } from './openapi';

/** Groups in the order of the contract; what is not named comes last. */
const order = [
  'Utility',
  'Profile',
  'OAuth Application',
  'Public key',
  'Data Token',
  'Device',
  'Storage',
  'Verified Authenticator',
  'Policy',
  'Directory',
  'Voting',
];

interface Entry {
  readonly verb: string;
  readonly paths: string[];
  readonly operation: Operation;
}

const style = `
:root{color-scheme:light dark;--text:#1c2430;--dim:#5b6675;--line:#dcdfe4;--page:#fbfbfa;--card:#fff;--link:#14508c;--get:#14633a;--post:#8a4b08}
@media(prefers-color-scheme:dark){:root{--text:#e3e7ec;--dim:#9aa5b3;--line:#343c47;--page:#14181d;--card:#1b2027;--link:#8ab8ea;--get:#7fd0a3;--post:#e8b277}}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:2rem 1rem;color:var(--text);background:var(--page)}
h1{margin:0}h2{margin-top:2.5rem;border-bottom:2px solid var(--line)}a{color:var(--link)}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1rem}
details{border:1px solid var(--line);border-radius:6px;margin:.4rem 0;padding:.35rem .8rem;background:var(--card)}
summary{cursor:pointer;display:grid;grid-template-columns:3.6rem minmax(0,1fr) minmax(0,auto);gap:0 .8rem;align-items:baseline}
summary::-webkit-details-marker{display:none}summary:hover code{text-decoration:underline}
code{font:14px ui-monospace,monospace;overflow-wrap:anywhere}
.verb{font-weight:700;font-size:.85rem}.get{color:var(--get)}.post,.put{color:var(--post)}.name,.dim{color:var(--dim)}.name{text-align:right}
.scroll{overflow-x:auto}table{border-collapse:collapse;margin:.6rem 0;width:100%}
td,th{text-align:left;padding:.2rem .8rem .2rem 0;border-top:1px solid var(--line);vertical-align:top}th{font-weight:600;font-size:.85rem;color:var(--dim);border-top:0}
td:first-child,td:nth-child(2){white-space:nowrap}
@media(max-width:40rem){summary{grid-template-columns:3.6rem minmax(0,1fr)}.name{grid-column:2;text-align:left}td:first-child{white-space:normal}}
`;

/** The API as a page that needs no script and no outside resource. */
export function apiPage(document: OpenAPIObject): string {
  const groups = groupsOf(document);
  const links = groups.map(([name]) => `<a href="#${anchor(name)}">${escaped(name)}</a>`);
  const body = groups.map(
    ([name, entries]) =>
      `<h2 id="${anchor(name)}">${escaped(name)}</h2>${entries.map((entry) => section(entry, document)).join('')}`,
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Symbolon API</title><style>${style}</style></head><body><h1>Symbolon API</h1><p>${escaped(document.info.description ?? '')}</p>
<p>The same as data: <a href="/openapi.json">openapi.json</a>; the WebSockets and the event stream: <a href="/asyncapi.json">asyncapi.json</a>.</p>
<nav>${links.join('')}</nav>${body.join('')}</body></html>`;
}

/** One entry for each operation, however many paths it has, by group and row. */
function groupsOf(document: OpenAPIObject): Array<readonly [string, Entry[]]> {
  const groups = new Map<string, Map<string, Entry>>();
  for (const [path, verbs] of Object.entries(document.paths)) {
    for (const [verb, operation] of Object.entries(verbs as Record<string, Operation>)) {
      const name = operation.tags?.[0] ?? 'Other';
      const entries = groups.get(name) ?? new Map<string, Entry>();
      groups.set(name, entries);
      const row = operation['x-symbolon-row'];
      const key = row === undefined ? `${verb} ${path}` : `${verb} ${row}`;
      const known = entries.get(key);
      if (known) known.paths.push(path);
      else entries.set(key, { verb, paths: [path], operation });
    }
  }
  const place = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  const rowOf = ({ operation }: Entry) => operation['x-symbolon-row'] ?? Number.MAX_SAFE_INTEGER;
  return [...groups]
    .sort(([a], [b]) => place(a) - place(b))
    .map(([name, entries]) => [name, [...entries.values()].sort((a, b) => rowOf(a) - rowOf(b))] as const);
}

function section({ verb, paths, operation }: Entry, document: OpenAPIObject): string {
  const [path, ...aliases] = paths;
  const rows = [
    ...(operation.parameters ?? []).map(({ name, in: place, required, schema, description }) =>
      row(name, place, required ?? false, { ...(description ? { description } : {}), ...schema }),
    ),
    ...fieldsOf(operation, document),
  ];
  const fields = rows.length > 0 ? table(['field', 'in', '', 'form'], rows) : '';
  const also =
    aliases.length > 0 ? `<p>Also ${aliases.map((alias) => `<code>${escaped(alias)}</code>`).join(', ')}</p>` : '';
  return `<details><summary><span class="verb ${verb}">${verb.toUpperCase()}</span><code>${escaped(path!)}</code><span class="name">${escaped(
    operation.summary ?? '',
  )}</span></summary><p class="dim">${accessOf(operation)}</p>${also}${fields}${answersOf(operation, document)}</details>`;
}

function accessOf({ security = [] }: Operation): string {
  const schemes = security.flatMap((scheme) => Object.keys(scheme));
  if (schemes.includes('client')) return 'Takes the id and secret of an application';
  if (schemes.includes('accessToken')) return 'Takes an access token of an application';
  if (schemes.length === 0) return 'Takes no token';
  return security.some((scheme) => Object.keys(scheme).length === 0) ? 'May take a token' : 'Takes a token';
}

function answersOf({ responses }: Operation, document: OpenAPIObject): string {
  const rows = Object.entries(responses)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([status, answer]) => {
      const { $ref, description = '' } = answer as { $ref?: string; description?: string };
      const known = $ref === undefined ? null : document.components?.responses?.[last($ref)];
      return `<tr><td>${escaped(status)}</td><td>${escaped((known as { description?: string } | null)?.description ?? description)}</td></tr>`;
    });
  return table(['answer', 'when'], rows);
}

function fieldsOf({ requestBody }: Operation, document: OpenAPIObject): string[] {
  const schema = Object.values(requestBody?.content ?? {})[0]?.schema;
  const schemas = (document.components?.schemas ?? {}) as Record<string, Schema>;
  const resolved = schema?.$ref ? schemas[last(schema.$ref)] : schema;
  return Object.entries(resolved?.properties ?? {}).map(([name, field]) =>
    row(name, 'body', resolved?.required?.includes(name) ?? false, field),
  );
}

function table(titles: readonly string[], rows: readonly string[]): string {
  const head = titles.map((title) => `<th>${title}</th>`).join('');
  return `<div class="scroll"><table><tr>${head}</tr>${rows.join('')}</table></div>`;
}

function row(name: string, place: string, required: boolean, schema: Schema): string {
  const limits = [
    schema.format ?? schema.type ?? '',
    range(schema.minimum ?? schema.minLength, schema.maximum ?? schema.maxLength),
    schema.default === undefined ? '' : `default ${String(schema.default)}`,
    schema.description ?? '',
  ].filter((text) => text !== '');
  return `<tr><td><code>${escaped(name)}</code></td><td>${place}</td><td>${required ? 'required' : ''}</td><td>${escaped(
    limits.join(', '),
  )}</td></tr>`;
}

function range(least: number | undefined, most: number | undefined): string {
  return least === undefined && most === undefined ? '' : `${least ?? ''}–${most ?? ''}`;
}

function last(reference: string): string {
  return reference.slice(reference.lastIndexOf('/') + 1);
}

function anchor(name: string): string {
  return escaped(name.toLowerCase().replaceAll(' ', '-'));
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
