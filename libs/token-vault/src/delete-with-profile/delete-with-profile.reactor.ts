import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Commands } from '@symbolon/command-log';
import type { ProfileDeleted } from '@symbolon/contracts';
import { KeyStore, uuid5 } from '@symbolon/crypto';
import { type Cause, Clock, EventStore, type Instant, type Recorded, Streams, system } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { Deadlines, ProjectionRunner } from '@symbolon/projection';
import { DataSource } from 'typeorm';
import { DestroyToken } from '../delete-data/destroy-token';
import type { TokenData } from '../token/token.events';
import { token } from '../token/token.model';
import { deleteWithProfile } from './delete-with-profile.decide';

interface Farewell {
  readonly profileId: string;
  readonly commandId: string | null;
  readonly until: Instant;
}

interface Row {
  readonly token_id: string;
  readonly status: 'temporary' | 'permanent' | 'expired' | 'deleted';
}

const kind = 'token-vault.delete-with-profile';
/** Seconds after which no command of the profile is still at work, and between looks for what came in late. */
const settled = 300;
const again = 100;
const page = 100;

/** When a profile is deleted, then so are its data tokens: also those that a command at work has still reserved. */
@Injectable()
export class DeleteWithProfile implements OnModuleInit {
  constructor(
    private readonly registry: Registry,
    private readonly deadlines: Deadlines,
    private readonly projections: ProjectionRunner,
    private readonly store: EventStore,
    private readonly streams: Streams,
    private readonly commands: Commands,
    private readonly tokens: DestroyToken,
    private readonly keys: KeyStore,
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.registry.reactors({
      name: 'token-vault.when-profile-deleted-then-delete-tokens',
      categories: ['profile'],
      on: { 'profile.deleted': (event) => this.begin(event) },
    });
    this.deadlines.handle<Farewell>(kind, (farewell) => this.work(farewell));
  }

  /** A deadline, not the reaction itself: many tokens must not hold up what others wait for. */
  private async begin({ data, meta }: Recorded): Promise<void> {
    const { profileId } = data as ProfileDeleted['data'];
    const farewell: Farewell = { profileId, commandId: meta.commandId, until: this.clock.after(settled) };
    await this.deadlines.schedule({ id: `${kind}/${profileId}`, kind, dueAt: this.clock.now(), data: farewell });
  }

  private async work(farewell: Farewell): Promise<void | { again: Instant }> {
    const { profileId, until } = farewell;
    await this.projections.passed(await this.store.tail());
    for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
      const rows = await this.dataSource.query<Row[]>(
        `select token_id, status from token_vault.token
          where profile_id = $1 and token_id > $2 and status <> 'deleted' order by token_id limit $3`,
        [profileId, after, page],
      );
      for (const row of rows) await this.end(row, farewell);
      const last = rows.at(-1);
      if (!last || rows.length < page) break;
      after = last.token_id;
    }
    if (this.clock.now() < until) return { again: this.clock.after(again) };
  }

  private async end({ token_id: tokenId, status }: Row, { profileId, commandId }: Farewell): Promise<void> {
    if (status === 'expired') return this.keys.forgetSecret('data-token', tokenId);
    const cause: Cause = {
      commandId,
      correlationId: commandId ?? profileId,
      causationId: uuid5(`${tokenId}/${kind}`),
      actor: system,
    };
    const command = { tokenId, owner: profileId };
    const outcome = await this.streams.transact(token, tokenId, deleteWithProfile, command, cause);
    if (outcome.status === 'refused') return;
    await this.tokens.destroy(tokenId, outcome.state);
    // Whoever waited for a device to take the data waits no longer.
    for (const writing of await this.writes(tokenId)) {
      await this.commands.settle(
        writing,
        { status: 'rejected', reason: 'data_token.not_found', cursor: outcome.cursor },
        profileId,
      );
    }
  }

  /** The command of the write that was pending when the token was deleted. */
  private async writes(tokenId: string): Promise<string[]> {
    const pending = new Map<number, string>();
    for await (const { type, data, meta } of this.store.read(`token-${tokenId}`)) {
      const { version } = data as Pick<TokenData<'data_token.data_exchanged'>, 'version'>;
      if (type === 'data_token.data_exchanged' || type === 'data_token.data_replaced') {
        if (meta.commandId !== null) pending.set(version, meta.commandId);
      } else if (
        type === 'data_token.made_permanent' ||
        type === 'data_token.version_confirmed' ||
        type === 'data_token.write_failed'
      ) {
        pending.delete(version);
      }
    }
    return [...pending.values()];
  }
}
