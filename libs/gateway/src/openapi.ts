import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { reasons } from '@symbolon/contracts';

/** The API's document, from the same classes that validate. */
export function describeApi(app: INestApplication, publicUrl: string): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Symbolon')
    .setDescription('A self-hosted data-token vault. Errors are problem documents (RFC 9457).')
    .setVersion('1')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer(publicUrl)
    .addApiKey({ type: 'apiKey', in: 'header', name: 'X-DPT-AUTHORIZATION' }, 'token')
    .addBearerAuth({ type: 'http', scheme: 'bearer' }, 'bearer')
    .addBasicAuth({ type: 'http', scheme: 'basic', description: 'clientId:clientSecret of an application' }, 'client')
    .addApiKey(
      {
        type: 'apiKey',
        in: 'header',
        name: 'Authorization',
        description: '`Basic <access token>`, the token as it is, not base64-encoded',
      },
      'accessToken',
    )
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller}.${method}`,
  });
  for (const verbs of Object.values(document.paths)) {
    for (const operation of Object.values(verbs as Record<string, Operation>)) complete(operation, document);
  }
  return {
    ...document,
    components: { ...document.components, schemas: { ...document.components?.schemas, ...schemas }, responses },
  };
}

type Components = NonNullable<OpenAPIObject['components']>;
type Headers = NonNullable<Components['headers']>;

const uuid = { type: 'string', format: 'uuid' };
const time = { type: 'string', format: 'date-time' };

const schemas = {
  CommandAccepted: {
    type: 'object',
    required: ['commandId', 'status'],
    properties: { commandId: uuid, status: { enum: ['started'] } },
  },
  CommandStatus: {
    type: 'object',
    required: ['commandId', 'type', 'status', 'command_status', 'reason', 'body', 'createdAt', 'updatedAt'],
    properties: {
      commandId: uuid,
      type: { type: 'string' },
      status: { enum: ['started', 'pending_vote', 'succeeded', 'rejected'] },
      command_status: { enum: [1, 2, 3] },
      reason: { enum: [...Object.keys(reasons), null] },
      body: { oneOf: [{ type: 'object' }, { type: 'null' }] },
      createdAt: time,
      updatedAt: time,
    },
  },
  Problem: {
    type: 'object',
    required: ['type', 'title', 'status', 'detail', 'code'],
    properties: {
      type: { type: 'string' },
      title: { type: 'string' },
      status: { type: 'integer' },
      detail: { type: 'string' },
      code: { enum: Object.keys(reasons) },
      errors: { type: 'object', additionalProperties: { type: 'array', items: { type: 'string' } } },
    },
  },
};

const retryAfter: Headers = { 'Retry-After': { schema: { type: 'integer' }, description: 'Seconds' } };

const responses: Components['responses'] & object = {
  '400': problem('The body, the query or the request is malformed'),
  '401': problem('No valid credentials'),
  '403': problem('The token does not reach so far'),
  '404': problem('Unknown, or of somebody else'),
  '413': problem('The body is too large'),
  '415': problem('The content type is not accepted'),
  '422': problem('A field is missing or malformed; see errors'),
  '429': problem('Too many requests', retryAfter),
  '500': problem('Unexpected fault'),
  '503': problem('A needed dependency is down', retryAfter),
};

function problem(description: string, headers: Headers = {}) {
  const schema = { $ref: '#/components/schemas/Problem' };
  return { description, headers, content: { 'application/problem+json': { schema } } };
}

/** Adds what holds for every operation alike (contract, sections 2 to 6) and no decorator says. */
function complete(operation: Operation, document: OpenAPIObject): void {
  const { requestBody, parameters = [], security } = operation;
  const json = requestBody?.content?.['application/json'];
  if (requestBody?.content && json) {
    requestBody.content['application/x-www-form-urlencoded'] = json;
    requestBody.content['multipart/form-data'] = json;
    requestBody.required = (resolved(json.schema, document)?.required ?? []).length > 0;
  }
  for (const parameter of parameters) {
    if (parameter.in === 'path') parameter.schema = uuid;
    if (resolved(parameter.schema, document)?.type === 'object') parameter.style = 'deepObject';
  }
  operation.security = security ?? [];
  const command = operation.responses['202'] !== undefined;
  if (command) {
    operation.responses['202'] = accepted('Accepted', 'CommandAccepted');
    operation.responses['200'] = accepted('Final in the time of `Prefer: wait`', 'CommandStatus');
  }
  const statuses = [
    '400',
    ...(operation.security.length > 0 ? ['401', '403'] : []),
    ...(parameters.some((parameter) => parameter.in === 'path') ? ['404'] : []),
    ...(requestBody ? ['413', '415', '422'] : parameters.some((parameter) => parameter.in === 'query') ? ['422'] : []),
    '429',
    '500',
    '503',
  ];
  for (const status of statuses) operation.responses[status] ??= { $ref: `#/components/responses/${status}` };
}

function accepted(description: string, schema: string): object {
  const headers = {
    'X-DPT-CAB-ID': { schema: uuid },
    Location: { schema: { type: 'string' } },
  };
  return {
    description,
    headers,
    content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } },
  };
}

function resolved(schema: Schema | undefined, document: OpenAPIObject): Schema | undefined {
  const name = schema?.$ref?.slice(schema.$ref.lastIndexOf('/') + 1);
  return name === undefined ? schema : document.components?.schemas?.[name];
}

interface Operation {
  readonly summary?: string;
  readonly tags?: readonly string[];
  security?: readonly object[];
  readonly responses: Record<string, object>;
  readonly parameters?: ReadonlyArray<{
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    style?: string;
    schema?: Schema;
  }>;
  readonly requestBody?: { required?: boolean; readonly content?: Record<string, { readonly schema?: Schema }> };
}

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly format?: string;
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly default?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Record<string, Schema>;
}

/** A page that needs no script and no outside resource. */
export function apiPage(document: OpenAPIObject): string {
  const schemas = (document.components?.schemas ?? {}) as Record<string, Schema>;
  const groups = new Map<string, string[]>();
  for (const [path, verbs] of Object.entries(document.paths)) {
    for (const [verb, operation] of Object.entries(verbs as Record<string, Operation>)) {
      const group = operation.tags?.[0] ?? 'Other';
      groups.set(group, [...(groups.get(group) ?? []), section(verb, path, operation, schemas)]);
    }
  }
  const body = [...groups].map(
    ([name, entries]) => `<h2 id="${escaped(name)}">${escaped(name)}</h2>${entries.join('')}`,
  );
  const links = [...groups.keys()].map((name) => `<a href="#${escaped(name)}">${escaped(name)}</a>`);
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Symbolon API</title><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:2rem 1rem;color:#1c2430;background:#fbfbfa}
h1{margin:0}h2{margin-top:2.5rem;border-bottom:2px solid #dcdfe4}nav a{margin-right:1rem}a{color:#14508c}
details{border:1px solid #dcdfe4;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem;background:#fff}
summary{cursor:pointer}code{font:14px ui-monospace,monospace}.verb{display:inline-block;min-width:3.5rem;font-weight:700}
table{border-collapse:collapse;margin:.6rem 0;width:100%}td,th{text-align:left;padding:.2rem .6rem;border-top:1px solid #eceef1;vertical-align:top}
.open{color:#667}</style></head><body><h1>Symbolon API</h1><p>${escaped(document.info.description ?? '')}
The same as data: <a href="/openapi.json">openapi.json</a>.</p><nav>${links.join('')}</nav>${body.join('')}</body></html>`;
}

function section(verb: string, path: string, operation: Operation, schemas: Record<string, Schema>): string {
  const rows = [
    ...(operation.parameters ?? []).map(({ name, in: place, required, schema }) =>
      row(name, place, required ?? false, schema ?? {}),
    ),
    ...fieldsOf(operation, schemas),
  ];
  const { security = [] } = operation;
  const optional = security.some((scheme) => Object.keys(scheme).length === 0);
  const access =
    security.length === 0 ? '<span class="open">no token</span>' : optional ? 'may take a token' : 'takes a token';
  const fields =
    rows.length > 0 ? `<table><tr><th>field</th><th>in</th><th></th><th>form</th></tr>${rows.join('')}</table>` : '';
  return `<details><summary><span class="verb">${verb.toUpperCase()}</span> <code>${escaped(path)}</code> ${escaped(
    operation.summary ?? '',
  )}</summary><p>${access}</p>${fields}</details>`;
}

function fieldsOf({ requestBody }: Operation, schemas: Record<string, Schema>): string[] {
  const schema = Object.values(requestBody?.content ?? {})[0]?.schema;
  const resolved = schema?.$ref ? schemas[schema.$ref.slice(schema.$ref.lastIndexOf('/') + 1)] : schema;
  return Object.entries(resolved?.properties ?? {}).map(([name, field]) =>
    row(name, 'body', resolved?.required?.includes(name) ?? false, field),
  );
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

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
