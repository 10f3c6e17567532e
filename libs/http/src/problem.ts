import { reasons, type Reason, titleOf } from '@symbolon/contracts';

export interface ProblemOptions {
  readonly detail?: string;
  /** Field name (nested with dots) to messages for people. */
  readonly errors?: Readonly<Record<string, readonly string[]>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer other than success: RFC 9457 with a reason key of the contract (section 17) as `code`. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: Reason,
    readonly options: ProblemOptions = {},
  ) {
    super(code);
    this.name = 'Problem';
  }

  body(): object {
    const { detail, errors } = this.options;
    return {
      type: `urn:symbolon:problem:${this.code}`,
      title: titleOf(this.code),
      status: this.status,
      detail: detail ?? reasons[this.code],
      code: this.code,
      ...(errors ? { errors } : {}),
    };
  }
}

export const problemType = 'application/problem+json; charset=utf-8';

/** The one 401 answer, byte for byte the same whatever was wrong (contract, section 3). */
export function unauthorized(): Problem {
  return new Problem(401, 'unauthorized');
}

export function notFound(): Problem {
  return new Problem(404, 'not_found');
}

export function invalid(errors: Readonly<Record<string, readonly string[]>>): Problem {
  return new Problem(422, 'validation_failed', { errors });
}

export function unavailable(): Problem {
  return new Problem(503, 'dependency_unavailable', { headers: { 'retry-after': '2' } });
}
