import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { KeyStore, mintSecret, uuid7 } from '@symbolon/crypto';
import { type Cause, type Client, Clock, Streams } from '@symbolon/kernel';
import { Deadlines } from '@symbolon/projection';
import { DataSource } from 'typeorm';
import { generateQrToken } from '../generate-qr-token/generate-qr-token.decide';
import { type QrToken, qrToken } from './qr.model';
import { useQrToken } from './use-qr-token.decide';

/** Seconds that a QR token lives (contract, row 7). */
const lifetime = 120;
/** Seconds after which nobody can finish a login with it any more: as long as the status of its command is kept. */
const forgotten = 31 * 24 * 3600;
const kind = 'identity.forget-qr-token';

/** QR tokens: who shows one is let in as the profile that made it, once. */
@Injectable()
export class QrTokens implements OnModuleInit {
  constructor(
    private readonly keys: KeyStore,
    private readonly streams: Streams,
    private readonly deadlines: Deadlines,
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.deadlines.handle<{ qrId: string }>(kind, ({ qrId }) => this.keys.forgetSecret('qr', qrId));
  }

  async generate({ profileId, tokenId, actor, client }: ProfileCaller): Promise<{ token: string; expiresAt: string }> {
    const qrId = uuid7();
    const token = mintSecret();
    const expiresAt = this.clock.after(lifetime);
    // In this order: whatever a crash leaves behind is forgotten, and finds nothing without its event.
    await this.deadlines.schedule({
      id: `${kind}/${qrId}`,
      kind,
      dueAt: this.clock.after(forgotten),
      data: { qrId },
    });
    await this.keys.rememberSecret('qr', token, qrId);
    const generate = { profileId, qrTokenHash: this.keys.hashSecret('qr', token), expiresAt, tokenId };
    await this.streams.transact(qrToken, qrId, generateQrToken, generate, causeOf({ actor, client }));
    return { token, expiresAt };
  }

  /** What was made under this text; null for a text that nobody made. */
  async find(token: string): Promise<{ readonly qrId: string; readonly state: QrToken } | null> {
    const qrId = await this.keys.findSecret('qr', token);
    if (qrId === null) return null;
    const { state } = await this.streams.load(qrToken, qrId);
    return state.phase === 'absent' ? null : { qrId, state };
  }

  /**
   * Does the token live by which it was made? A revoked one takes with it what it left behind. Answers which of its
   * passwords the profile has; null where the token has ended.
   */
  async stands({ tokenId }: QrToken): Promise<number | null> {
    const [row] = await this.dataSource.query<Array<{ passwords: number }>>(
      `select p.passwords from identity.session s join identity.profile p using (profile_id)
        where s.token_id = $1 and not s.revoked and not p.barred and s.expires_at > $2`,
      [tokenId, this.clock.now()],
    );
    return row?.passwords ?? null;
  }

  /** False where somebody was first, or it is too late. `commandId`: of the login that a policy holds. */
  async use(qrId: string, commandId: string | null, by: { actor: Cause['actor']; client: Client }): Promise<boolean> {
    const use = { commandId, now: this.clock.now() };
    const { status } = await this.streams.transact(qrToken, qrId, useQrToken, use, causeOf(by));
    return status === 'succeeded';
  }
}

function causeOf({ actor, client }: { actor: Cause['actor']; client: Client }): Cause {
  const id = uuid7();
  return { commandId: null, correlationId: id, causationId: id, actor, client };
}
