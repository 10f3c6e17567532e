import type { AccessDenied } from '@symbolon/contracts';
import { uuid7 } from '@symbolon/crypto';
import type { Streams } from '@symbolon/kernel';
import type { Caller } from './caller';

/** Records what was refused to an authenticated caller (contract, section 3). */
export class Audit {
  constructor(private readonly streams: Streams) {}

  async denied(caller: Caller, method: string, path: string, code: string): Promise<void> {
    const { profileId } = caller;
    if (profileId === null) return;
    const event: AccessDenied = { type: 'access.denied', version: 1, data: { profileId, method, path, code } };
    const id = uuid7();
    const cause = { commandId: null, correlationId: id, causationId: id, actor: caller.actor, client: caller.client };
    await this.streams.append(`audit-${profileId}`, 'any', [event], cause);
  }
}
