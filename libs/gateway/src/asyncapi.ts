import { type AlertRaised, reasons } from '@symbolon/contracts';
import { subprotocol } from '@symbolon/device-link';
import type { Settings } from '@symbolon/settings';

type Schema = Readonly<Record<string, unknown>>;

const uuid = { type: 'string', format: 'uuid' };
const nullableUuid = { type: ['string', 'null'], format: 'uuid' };
const time = { type: 'string', format: 'date-time' };
const text = { type: 'string' };
const count = { type: 'integer', minimum: 0 };
const version = { type: 'integer', minimum: 1 };
const url = { type: 'string', format: 'uri' };
const base64 = { type: 'string', contentEncoding: 'base64' };
const objectId = { type: 'string', pattern: '^[0-9a-f]{32}$', description: 'A data token at this device' };
const sha256 = { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'Of the layer-2 bytes' };
const reason = { enum: Object.keys(reasons) };
const correlation = { type: ['string', 'number', 'null'], description: 'Echoed; null where the client gave none' };

function object(properties: Schema, optional: readonly string[] = [], more: Schema = {}): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', required, properties, ...more };
}

// --- Client WebSocket and event stream (contract, sections 5 and 12)

const token = { type: 'string', description: 'An authorization token' };

const asked: Readonly<Record<string, { readonly summary: string; readonly payload: Schema }>> = {
  joinChannel: {
    summary: 'Join the channel of the profile, in place of the one that the connection has',
    payload: object({
      action: { const: 'joinChannel' },
      data: object(
        {
          authorizationToken: token,
          correlationId: { type: ['string', 'number'] },
          progress: { type: 'boolean', description: 'true: messages with status 1 as well' },
        },
        ['correlationId', 'progress'],
      ),
    }),
  },
  leaveChannel: {
    summary: 'Leave the channel; the connection stays open',
    payload: object({
      action: { const: 'leaveChannel' },
      data: object({ authorizationToken: token, channelId: uuid, correlationId: { type: ['string', 'number'] } }, [
        'authorizationToken',
        'channelId',
        'correlationId',
      ]),
    }),
  },
};

const answer = object({
  correlationId: correlation,
  status: {
    enum: [200, 400, 401, 404, 429],
    description: '200 done; 400 malformed; 401 bad token, or the authorization ended; 404 no channel; 429 too many',
  },
  data: object({ channelId: uuid, message: text }, ['channelId']),
});

const alertKinds: ReadonlyArray<AlertRaised['data']['kind']> = [
  'poll_rejected',
  'poll_quorum_not_met',
  'poll_timed_out',
  'login_locked',
  'signature_invalid',
];

function message(type: string, properties: Schema): Schema {
  return object({ data: object({ type: { const: type }, ...properties }) });
}

/** What clients are told, by its type. */
const told: Readonly<Record<string, { readonly summary: string; readonly payload: Schema }>> = {
  'X-DPT-CAB-ID': {
    summary: 'How a command stands: once, when it is final; before that to those who asked for progress',
    payload: {
      oneOf: [
        message('X-DPT-CAB-ID', {
          id: uuid,
          command_status: { const: 1 },
          body: { oneOf: [{ enum: ['started', 'pending_vote'] }, object({ done: count, total: count })] },
        }),
        message('X-DPT-CAB-ID', { id: uuid, command_status: { const: 2 }, body: { type: ['object', 'null'] } }),
        message('X-DPT-CAB-ID', { id: uuid, command_status: { const: 3 }, body: reason }),
      ],
    },
  },
  'X-DPT-CAB-REQUEST-ID': {
    summary: 'Data that were asked for: up to 65,536 bytes as base64, otherwise a one-time URL',
    payload: {
      oneOf: [
        message('X-DPT-CAB-REQUEST-ID', { id: uuid, data_context: text, output_type: { const: 0 }, body: base64 }),
        message('X-DPT-CAB-REQUEST-ID', { id: uuid, data_context: text, output_type: { const: 1 }, body: url }),
      ],
    },
  },
  'STREAM-READY': {
    summary: 'Follows a message with a one-time URL, which it repeats',
    payload: message('STREAM-READY', { id: uuid, body: url }),
  },
  'SECURITY-ALERT': {
    summary: 'Something that the owner should look at',
    payload: message('SECURITY-ALERT', {
      id: uuid,
      body: object({ kind: { enum: alertKinds }, poolId: nullableUuid, commandId: nullableUuid }),
    }),
  },
};

// --- Device channel (contract, section 16)

type Way = 'toDevice' | 'toServer' | 'bothWays';

interface EnvelopeType {
  readonly way: Way;
  readonly summary: string;
  /** Of the sealed message, or of the body where it is plain. */
  readonly content: Schema;
  readonly sealed: boolean;
}

const wrote = { objectId, version, sha256 };
const offered = { oneOf: [{ required: ['payload'] }, { required: ['payloadUrl', 'payloadUrlExpiresAt'] }] };

function sealed(way: Way, summary: string, content: Schema): EnvelopeType {
  return { way, summary, content, sealed: true };
}

const nullableText = { type: ['string', 'null'] };
const ballot = object({
  ballotId: uuid,
  poolId: uuid,
  operation: text,
  title: text,
  question: text,
  context: object({
    requester: { type: ['object', 'null'], properties: { profileId: uuid, username: text } },
    application: { type: ['object', 'string', 'null'] },
    ip: nullableText,
    userAgent: nullableText,
    location: nullableText,
    time: { type: ['string', 'null'], format: 'date-time' },
    dataContext: nullableText,
    classification: nullableText,
    label: nullableText,
    handling: nullableText,
    device: { type: ['object', 'string', 'null'] },
    nonce: nullableText,
  }),
  attempt: version,
  maxAttempts: version,
  expiresAt: time,
  statement: { type: 'string', description: 'Compact JWS, typ symbolon-ballot+jwt' },
});

/** Every message between the server and devices, by its type. */
const envelopeTypes: Readonly<Record<string, EnvelopeType>> = {
  'storage.write': sealed(
    'toDevice',
    'Store this object',
    object(
      { ...wrote, size: count, payload: base64, payloadUrl: url, payloadUrlExpiresAt: time },
      ['payload', 'payloadUrl', 'payloadUrlExpiresAt'],
      offered,
    ),
  ),
  'storage.write_ack': sealed('toServer', 'It is stored durably', object({ ...wrote, storedAt: time })),
  'storage.read': sealed(
    'toDevice',
    'Give this object back',
    object({
      objectId,
      version,
      uploadUrl: { type: ['string', 'null'], format: 'uri' },
      uploadUrlExpiresAt: { type: ['string', 'null'], format: 'date-time' },
    }),
  ),
  'storage.read_result': sealed(
    'toServer',
    'The object, or that it is not there',
    object(
      {
        objectId,
        version,
        found: { type: 'boolean' },
        size: count,
        sha256,
        payload: base64,
        uploaded: { const: true },
      },
      ['size', 'sha256', 'payload', 'uploaded'],
    ),
  ),
  'storage.delete': sealed(
    'toDevice',
    'Delete this and all lower versions',
    object({ objectId, upToVersion: version }),
  ),
  'storage.delete_ack': sealed(
    'toServer',
    'It is gone, or never was',
    object({ objectId, upToVersion: version, deletedAt: time }),
  ),
  'storage.inventory': sealed(
    'toDevice',
    'Which objects are there?',
    object({
      after: { type: ['string', 'null'], pattern: '^[0-9a-f]{32}$' },
      limit: { type: 'integer', minimum: 1, maximum: 500 },
    }),
  ),
  'storage.inventory_result': sealed(
    'toServer',
    'Objects in ascending order, all versions of one together',
    object({
      items: { type: 'array', maxItems: 500, items: object({ ...wrote, size: count }) },
      next: { type: ['string', 'null'], pattern: '^[0-9a-f]{32}$' },
    }),
  ),
  'ballot.issued': sealed('toDevice', 'A question to the authenticator', ballot),
  'ballot.voided': sealed(
    'toDevice',
    'The question is over',
    object({
      ballotId: uuid,
      poolId: uuid,
      reason: { enum: ['poll_resolved', 'poll_cancelled', 'authenticator_removed'] },
    }),
  ),
  'ballot.vote': sealed(
    'toServer',
    'The answer',
    object(
      {
        ballotId: uuid,
        vote: { enum: ['yes', 'no'] },
        votedAt: time,
        comment: { type: ['string', 'null'], maxLength: 500 },
        statement: { type: ['string', 'null'], description: 'Compact JWS, typ symbolon-vote+jwt' },
      },
      ['comment', 'statement'],
    ),
  ),
  'device.ping': { way: 'bothWays', summary: 'Is somebody there?', content: object({}), sealed: false },
  'device.pong': { way: 'bothWays', summary: 'Correlates to the ping', content: object({}), sealed: false },
  error: {
    way: 'bothWays',
    summary: 'Correlates to the message that was refused; never answered with an error',
    content: object({ code: text, message: text, refType: text }),
    sealed: false,
  },
};

function envelope(type: string, { content, sealed: isSealed }: EnvelopeType): Schema {
  const signed = isSealed ? 'Ed25519 over the seven lines of the envelope, 128 hex digits' : 'Not signed';
  return object(
    {
      v: { const: 1 },
      id: uuid,
      type: { const: type },
      deviceIdentifier: uuid,
      correlationId: nullableUuid,
      at: time,
      body: isSealed ? object({ sealed: base64 }) : content,
      sig: { type: ['string', 'null'], description: signed },
    },
    ['sig'],
  );
}

// --- The document

/** A name as AsyncAPI takes it for a key. */
function keyOf(type: string): string {
  return type.replace(/[^\w-]/g, '_');
}

/** The messages that go over connections: AsyncAPI 3.0, from where the server stands (`send`: it speaks). */
export function describeMessages(settings: Pick<Settings, 'publicUrl' | 'wsUrl' | 'deviceChannelUrl'>): object {
  const [api, clients, devices] = [settings.publicUrl, settings.wsUrl, settings.deviceChannelUrl].map(
    (address) => new URL(address),
  ) as [URL, URL, URL];
  const envelopes = Object.entries(envelopeTypes);
  const messages: Record<string, object> = { answer: { title: 'Answer to an action', payload: answer } };
  for (const [name, { summary, payload }] of Object.entries(asked))
    messages[name] = { name, title: name, summary, payload };
  for (const [type, { summary, payload }] of Object.entries(told)) {
    messages[keyOf(type)] = { name: type, title: type, summary, payload };
  }
  for (const [type, spec] of envelopes) {
    messages[keyOf(type)] = {
      name: type,
      title: type,
      summary: spec.summary,
      payload: envelope(type, spec),
      ...(spec.sealed ? { 'x-symbolon-content': spec.content } : {}),
    };
  }
  messages['ack'] = { name: 'ack', title: 'The receiver has the envelope safely', payload: object({ ack: uuid }) };

  const inChannel = (channel: string) => (type: string) => ({ $ref: `#/channels/${channel}/messages/${keyOf(type)}` });
  const listed = (types: readonly string[]) =>
    Object.fromEntries(types.map((type) => [keyOf(type), { $ref: `#/components/messages/${keyOf(type)}` }]));
  const ways = (...wanted: readonly Way[]) =>
    envelopes.filter(([, { way }]) => wanted.includes(way)).map(([type]) => type);
  const client = inChannel('client');
  const device = inChannel('device');

  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Symbolon',
      version: '1',
      description: 'What the server says to clients, and what it and devices say to each other.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    servers: {
      api: serverAt(api, 'The API'),
      clients: serverAt(clients, 'Client WebSocket'),
      devices: serverAt(devices, 'Device channel'),
    },
    channels: {
      client: {
        address: clients.pathname,
        title: 'Client WebSocket',
        description:
          'JSON text frames of up to 16 KiB from the client; no subprotocol, no credentials. Close code 4408: no channel was joined within 60 seconds.',
        servers: [{ $ref: '#/servers/clients' }],
        messages: listed([...Object.keys(asked), 'answer', ...Object.keys(told)]),
        bindings: { ws: { method: 'GET', bindingVersion: '0.1.0' } },
      },
      events: {
        address: '/events',
        title: 'Event stream',
        description:
          'Server-sent events: `event` is the type, `id` a UUID, `data` the message. Opening it gives the last 60 seconds again, or what followed `Last-Event-ID`; a comment comes every 15 seconds; it ends with the token.',
        servers: [{ $ref: '#/servers/api' }],
        messages: listed(Object.keys(told)),
      },
      device: {
        address: devices.pathname,
        title: 'Device channel',
        description: `Subprotocol ${subprotocol}; Authorization: Basic base64(client-id:client-secret). Text frames of up to 256 KiB, each an envelope or an ack. Close codes: 4401 credentials rotated or device removed, 4408 no frame for 90 seconds, 4409 replaced by a newer connection, 1009 frame too large.`,
        servers: [{ $ref: '#/servers/devices' }],
        messages: listed([...Object.keys(envelopeTypes), 'ack']),
        bindings: {
          ws: {
            method: 'GET',
            headers: object({
              Authorization: { type: 'string', pattern: '^Basic ' },
              'Sec-WebSocket-Protocol': { const: subprotocol },
            }),
            bindingVersion: '0.1.0',
          },
        },
      },
    },
    operations: {
      takeAction: {
        action: 'receive',
        title: 'A client joins or leaves a channel',
        channel: { $ref: '#/channels/client' },
        messages: Object.keys(asked).map(client),
        reply: { channel: { $ref: '#/channels/client' }, messages: [client('answer')] },
      },
      tellClients: {
        action: 'send',
        title: 'Clients are told what happens',
        channel: { $ref: '#/channels/client' },
        messages: Object.keys(told).map(client),
      },
      closeChannel: {
        action: 'send',
        title: 'The authorization of a channel ended: an answer to nothing, with status 401',
        channel: { $ref: '#/channels/client' },
        messages: [client('answer')],
      },
      streamEvents: {
        action: 'send',
        title: 'The same as server-sent events',
        channel: { $ref: '#/channels/events' },
        messages: Object.keys(told).map(inChannel('events')),
        security: [{ $ref: '#/components/securitySchemes/token' }, { $ref: '#/components/securitySchemes/bearer' }],
      },
      orderDevices: {
        action: 'send',
        title: 'The server speaks to a device',
        channel: { $ref: '#/channels/device' },
        messages: [...ways('toDevice', 'bothWays'), 'ack'].map(device),
        security: [{ $ref: '#/components/securitySchemes/device' }],
      },
      hearDevices: {
        action: 'receive',
        title: 'A device speaks to the server',
        channel: { $ref: '#/channels/device' },
        messages: [...ways('toServer', 'bothWays'), 'ack'].map(device),
        security: [{ $ref: '#/components/securitySchemes/device' }],
      },
    },
    components: {
      messages,
      securitySchemes: {
        token: { type: 'httpApiKey', in: 'header', name: 'X-DPT-AUTHORIZATION' },
        bearer: { type: 'http', scheme: 'bearer' },
        device: { type: 'http', scheme: 'basic' },
      },
    },
  };
}

function serverAt({ host, protocol }: URL, description: string): object {
  return { host, protocol: protocol.replace(':', ''), description };
}
