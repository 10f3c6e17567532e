import { Injectable } from '@nestjs/common';
import { type CommandStatus, CommandStatuses } from '@symbolon/command-log';
import { PersonalBoxes } from '@symbolon/crypto';
import { EventStore } from '@symbolon/kernel';
import { DataSource } from 'typeorm';
import {
  RequestAuthorizationCode,
  type RequestAuthorizationCodeInput,
} from '../request-authorization-code/request-authorization-code.command';

export interface AuthorizationRequest {
  readonly profileId: string;
  readonly applicationId: string;
  readonly nonceHash: string;
  readonly status: CommandStatus['status'];
}

/** What profiles were asked for, answered or not. */
@Injectable()
export class AuthorizationRequests {
  constructor(
    private readonly statuses: CommandStatuses,
    private readonly store: EventStore,
    private readonly boxes: PersonalBoxes,
    private readonly dataSource: DataSource,
  ) {}

  /** Null for what is no request of row 13, or one of a profile that was erased. */
  async find(commandId: string): Promise<AuthorizationRequest | null> {
    const found = await this.statuses.find(commandId);
    if (found?.type !== RequestAuthorizationCode.type || found.profileId === null) return null;
    const { profileId, status } = found;
    for await (const event of this.store.read(`command-${commandId}`)) {
      if (event.type !== 'command.accepted') continue;
      const input = (await this.boxes.open(event, profileId))?.['input'] as RequestAuthorizationCodeInput | undefined;
      return input ? { profileId, applicationId: input.applicationId, nonceHash: input.nonceHash, status } : null;
    }
    return null;
  }

  /** Whether the consent was withdrawn. */
  async hasEnded(commandId: string): Promise<boolean> {
    const rows = await this.dataSource.query<unknown[]>(
      'select 1 from identity.oauth_authorization where authorization_id = $1 and ended',
      [commandId],
    );
    return rows.length > 0;
  }
}
