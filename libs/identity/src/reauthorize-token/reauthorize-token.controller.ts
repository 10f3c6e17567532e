import { Body, Controller, Req, Res, UseGuards } from '@nestjs/common';
import { type Caller, Commands, type ProfileCaller } from '@symbolon/command-log';
import type { Reason } from '@symbolon/contracts';
import { uuid7 } from '@symbolon/crypto';
import {
  Accepted,
  CallerOf,
  Endpoint,
  IntField,
  Problem,
  TextField,
  tokenOf,
  unauthorized,
  UuidField,
} from '@symbolon/http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { headersOf, HeldLogins, type Held, type Login, pending, wish } from '../authenticate/held-logins';
import { shown } from '../authenticate/shown';
import { QrTokens } from '../qr/qr-tokens';
import { AuthorizationTokens, type IssuedToken } from '../session/authorization-tokens';
import { Reauthorize, type ReauthorizeInput } from './reauthorize-token.command';
import { TokenOrQr } from './token-or-qr.guard';

class ReauthorizeTokenBody {
  @IntField(60, 2_592_000, { description: 'Seconds from now' })
  ttl!: number;

  @TextField(1, 200, {
    optional: true,
    description: 'In place of a token: for a new token of the profile that made it',
  })
  qrToken?: string;

  @UuidField({ optional: true, description: 'Only to finish what was voted on' })
  commandId?: string;
}

/** Seconds in which a command that may run has run. */
const soon = 10;

@Controller()
export class ReauthorizeTokenController {
  constructor(
    private readonly tokens: AuthorizationTokens,
    private readonly commands: Commands,
    private readonly held: HeldLogins,
    private readonly qr: QrTokens,
  ) {}

  @Endpoint({
    row: 8,
    name: 'Reauthorize authorization token',
    group: 'Profile',
    verb: 'POST',
    path: '/profile/reauthorize-authorization-token',
    access: 'none',
    tokenOptional: true,
    credentialsInBody: true,
    device: true,
  })
  @UseGuards(TokenOrQr)
  async reauthorize(
    @Body() { ttl, qrToken, commandId }: ReauthorizeTokenBody,
    @CallerOf() caller: Caller,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    if (qrToken !== undefined) return shown(await this.byQrToken(qrToken, ttl, commandId, caller, reply));
    const token = tokenOf(request);
    if (!isProfile(caller) || token === null) throw unauthorized();
    const outcome =
      commandId === undefined ? await this.prolong(ttl, caller, reply) : await this.prolonged(commandId, caller, reply);
    return shown(typeof outcome === 'string' ? { token, expiresAt: outcome } : outcome);
  }

  /** The new expiry, or the command answer. */
  private async prolong(ttl: number, caller: ProfileCaller, reply: FastifyReply): Promise<string | Held> {
    const { profileId, tokenId, actor } = caller;
    if (!(await this.commands.held(profileId, 'profile.reauthorize', actor))) {
      const expiresAt = await this.tokens.reauthorize(tokenId, ttl, caller);
      if (expiresAt === null) throw unauthorized();
      return expiresAt;
    }
    const input: ReauthorizeInput = { prolong: { tokenId, ttl } };
    const submitted = await this.commands.submit({ type: Reauthorize.type, caller, input });
    const { commandId } = submitted;
    const verdict = await this.commands.clearance(commandId, soon);
    if (verdict === 'rejected') return new Accepted(submitted);
    const final = await this.held.awaited(commandId, verdict === 'cleared' ? soon : wish(reply), reply);
    if (!final) return pending(commandId, reply);
    if (final.status === 'rejected') return new Accepted(submitted);
    if (wish(reply) > 0) void reply.headers({ ...headersOf(commandId), 'preference-applied': 'wait' });
    return this.tokens.expiry(tokenId);
  }

  /** The same call again: nothing new is made, so it may be asked as often as one likes. */
  private async prolonged(commandId: string, caller: ProfileCaller, reply: FastifyReply): Promise<string | Held> {
    const known = await this.held.commandOf(commandId, Reauthorize.type, caller.profileId);
    if (!known || known.anonymous) throw new Problem(409, 'profile.login_spent');
    const final = await this.held.awaited(commandId, wish(reply), reply);
    if (!final) return pending(commandId, reply);
    if (final.status === 'rejected') throw new Problem(403, final.reason as Reason);
    return this.tokens.expiry(caller.tokenId);
  }

  private async byQrToken(
    qrToken: string,
    seconds: number,
    commandId: string | undefined,
    caller: Caller,
    reply: FastifyReply,
  ): Promise<IssuedToken | Held> {
    const found = await this.qr.find(qrToken);
    if (!found) throw unauthorized();
    const { qrId, state } = found;
    const { profileId } = state;
    const actor = { profileId, kind: 'user' } as const;
    const passwords = await this.qr.stands(state);
    if (passwords === null) throw unauthorized();
    const input: ReauthorizeInput = { prolong: null, ttl: seconds };
    const login: Login = { type: Reauthorize.type, profileId, passwords, actor, caller, via: 'qr', seconds, input };
    if (commandId !== undefined) {
      if (state.commandId !== commandId) throw new Problem(409, 'profile.login_spent');
      return this.held.finish(login, commandId, reply);
    }
    const by = { actor, client: caller.client };
    if (!(await this.held.holds(login))) {
      if (!(await this.qr.use(qrId, null, by))) throw unauthorized();
      const issued = await this.held.issueAtOnce(login);
      // Used up for nothing: it was made before the policy, or its maker's token, changed.
      if (!issued || issued === 'held') throw unauthorized();
      return issued;
    }
    // Bound to the command before there is one: a second caller starts none.
    const id = uuid7();
    if (!(await this.qr.use(qrId, id, by))) throw unauthorized();
    return this.held.outcome(login, await this.held.submit(login, id), reply);
  }
}

function isProfile(caller: Caller): caller is ProfileCaller {
  return caller.profileId !== null && caller.tokenId !== null;
}
