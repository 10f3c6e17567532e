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
    properties: {
      commandId: uuid,
      status: { enum: ['started'] },
      poolId: { ...uuid, description: 'Of the poll that the command opens (84, 86)' },
    },
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
      poolId: { ...uuid, description: 'Once a poll was opened for the command: the one still open, else the last' },
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

export interface Operation {
  readonly 'x-symbolon-row'?: number;
  readonly summary?: string;
  readonly tags?: readonly string[];
  security?: readonly object[];
  readonly responses: Record<string, object>;
  readonly parameters?: ReadonlyArray<{
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly description?: string;
    style?: string;
    schema?: Schema;
  }>;
  readonly requestBody?: { required?: boolean; readonly content?: Record<string, { readonly schema?: Schema }> };
}

export interface Schema {
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
