import { Body, Controller } from '@nestjs/common';
import type { Caller } from '@symbolon/command-log';
import { KeyStore } from '@symbolon/crypto';
import { CallerOf, Endpoint, TextField, unauthorized, UuidField } from '@symbolon/http';
import { wholeSeconds } from '@symbolon/kernel';
import { Settings } from '@symbolon/settings';
import { LoginGuard } from '../login/login-guard';
import { Profiles } from '../profile/profiles.query';
import { normalisedUsername } from '../profile/username';
import { AuthorizationTokens } from '../session/authorization-tokens';

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
    private readonly tokens: AuthorizationTokens,
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
  async authenticate(@Body() { username, password }: AuthenticateBody, @CallerOf() { client }: Caller) {
    const usernameHash = this.keys.hashGuess('username', normalisedUsername(username));
    const login = await this.profiles.loginByName(usernameHash);
    const verdict = await this.guard.check({ usernameHash, login, password, client });
    if (!verdict.ok) throw unauthorized();
    const { profileId, kind } = verdict;
    const actor = { profileId, kind, ...(kind === 'device' ? { deviceIdentifier: profileId } : {}) };
    const { token, expiresAt } = await this.tokens.issue(profileId, 'password', this.settings.tokenTtl, {
      actor,
      client,
    });
    return { authorizationToken: token, expiresAt: wholeSeconds(expiresAt) };
  }
}
