/**
 * Event types of the published language (API contract, section 18).
 * `data` is what lies in the log in the clear; personal fields (†) travel as `personal` and are stored sealed in
 * `data.sealed[<subject profile id>]`. Instants are RFC 3339 with milliseconds.
 */
export interface Event<T extends string, D, P extends object = Record<never, never>> {
  readonly type: T;
  readonly version: number;
  readonly data: D;
  readonly personal?: { readonly subject: string; readonly fields: P & Readonly<Record<string, unknown>> };
}
