import { Body, Controller, Res } from '@nestjs/common';
import type { Caller } from '@symbolon/command-log';
import { KeyStore } from '@symbolon/crypto';
import { CallerOf, Endpoint, TextField, unauthorized, UuidField } from '@symbolon/http';
import { Settings } from '@symbolon/settings';
import type { FastifyReply } from 'fastify';
import { LoginGuard } from '../login/login-guard';
import { Profiles } from '../profile/profiles.query';
import { normalisedUsername } from '../profile/username';
import { Authenticate } from './authenticate.command';
import { HeldLogins } from './held-logins';
import { shown } from './shown';

class AuthenticateBody {
  @TextField(1, 254)
  username!: string;

  @TextField(1, 256)
  password!: string;

  @UuidField({ optional: true, description: 'Only to finish a login that was voted on' })
  commandId?: string;
}

@Controller()
export class AuthenticateController {
  constructor(
    private readonly guard: LoginGuard,
    private readonly profiles: Profiles,
    private readonly keys: KeyStore,
    private readonly held: HeldLogins,
    private readonly settings: Settings,
  ) {}

  @Endpoint({
    row: 4,
    name: 'Authenticate',
    group: 'Profile',
    verb: 'POST',
    path: '/profile/authenticate',
    access: 'none',
  })
  async authenticate(
    @Body() { username, password, commandId }: AuthenticateBody,
    @CallerOf() caller: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { client } = caller;
    const usernameHash = this.keys.hashGuess('username', normalisedUsername(username));
    const known = await this.profiles.loginByName(usernameHash);
    const verdict = await this.guard.check({ usernameHash, login: known, password, client });
    if (!verdict.ok) throw unauthorized();
    const { profileId, kind, passwords } = verdict;
    const actor = { profileId, kind, ...(kind === 'device' ? { deviceIdentifier: profileId } : {}) };
    const seconds = this.settings.tokenTtl;
    const about = { type: Authenticate.type, profileId, passwords, actor, caller } as const;
    const login = { ...about, via: 'password', seconds, input: {} } as const;
    if (commandId !== undefined) return shown(await this.held.finish(login, commandId, reply));
    const issued = (await this.held.holds(login)) ? 'held' : await this.held.issueAtOnce(login);
    if (issued === 'held') return shown(await this.held.outcome(login, await this.held.submit(login), reply));
    // The password was changed while it was being checked.
    if (!issued) throw unauthorized();
    return shown(issued);
  }
}
