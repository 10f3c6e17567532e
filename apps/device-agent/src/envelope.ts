import { envelopeInfo } from '@symbolon/contracts';
import { openMessage, sealMessage, SealError, signEnvelope } from '@symbolon/crypto';
import type { Configuration, DeviceKeys } from './home';

/** A message of the device channel (contract, section 16.2). */
export interface Envelope {
  readonly v: 1;
  readonly id: string;
  readonly type: string;
  readonly deviceIdentifier: string;
  readonly correlationId: string | null;
  readonly at: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly sig?: string;
}

/** What could be read of a message that is no envelope. */
export interface Malformed {
  readonly id: string | null;
  readonly type: string | null;
}

/** The longest envelope that a carrier takes, in bytes of UTF-8. */
export const longestEnvelope = 256 * 1024;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
const kind = /^[a-z]+(\.[a-z_]+)?$/;

export function readEnvelope(message: unknown): Envelope | Malformed {
  const object = asObject(message) ?? {};
  const { v, deviceIdentifier, correlationId, at, sig } = object;
  const id = typeof object['id'] === 'string' && uuid.test(object['id']) ? object['id'] : null;
  const type =
    typeof object['type'] === 'string' && kind.test(object['type']) && object['type'].length <= 64
      ? object['type']
      : null;
  const body = asObject(object['body']);
  const whole =
    v === 1 &&
    typeof deviceIdentifier === 'string' &&
    uuid.test(deviceIdentifier) &&
    (correlationId === null || (typeof correlationId === 'string' && uuid.test(correlationId))) &&
    typeof at === 'string' &&
    instant.test(at) &&
    !Number.isNaN(Date.parse(at)) &&
    (sig === undefined || sig === null || typeof sig === 'string');
  if (!whole || id === null || type === null || body === null) return { id, type };
  const envelope = { v, id, type, deviceIdentifier, correlationId, at, body } as const;
  return typeof sig === 'string' ? { ...envelope, sig } : envelope;
}

export function isEnvelope(read: Envelope | Malformed): read is Envelope {
  return 'v' in read;
}

/** The sealed bytes of a body, or null if it has none. */
export function sealedBytes({ body }: Envelope): Buffer | null {
  const sealed = body['sealed'];
  if (typeof sealed !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(sealed)) return null;
  return Buffer.from(sealed, 'base64');
}

/** Opens what the server sealed to this device and seals and signs what the device says. */
export class Correspondence {
  constructor(
    private readonly configuration: Pick<Configuration, 'deviceIdentifier' | 'cabPublicKey'>,
    private readonly keys: Pick<DeviceKeys, 'exchange' | 'signing'>,
  ) {}

  /** The content of a sealed body, or null if it is no JSON object. Throws `SealError` if it cannot be opened. */
  open({ id, type, deviceIdentifier }: Envelope, sealed: Uint8Array): Readonly<Record<string, unknown>> | null {
    const text = openMessage([this.keys.exchange], envelopeInfo(id, type, deviceIdentifier), sealed).toString();
    try {
      return asObject(JSON.parse(text));
    } catch (error) {
      if (error instanceof SealError) throw error;
      return null;
    }
  }

  /** A sealed and signed message to the server. */
  sealed(type: string, id: string, at: string, correlationId: string, content: object): Envelope {
    const { deviceIdentifier, cabPublicKey } = this.configuration;
    const sealed = sealMessage(
      cabPublicKey.raw,
      envelopeInfo(id, type, deviceIdentifier),
      Buffer.from(JSON.stringify(content)),
    );
    const sig = signEnvelope(this.keys.signing, { id, type, deviceIdentifier, correlationId, at, sealed });
    return { v: 1, id, type, deviceIdentifier, correlationId, at, body: { sealed: sealed.toString('base64') }, sig };
  }

  /** A plain message to the server (`device.*` and `error`). */
  plain(
    type: string,
    id: string,
    at: string,
    correlationId: string | null,
    body: Readonly<Record<string, unknown>>,
  ): Envelope {
    return { v: 1, id, type, deviceIdentifier: this.configuration.deviceIdentifier, correlationId, at, body };
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
