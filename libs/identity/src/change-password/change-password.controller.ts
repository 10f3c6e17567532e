import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { KeyStore, PasswordVerifiers } from '@symbolon/crypto';
import { Accepted, CallerOf, Endpoint, invalid, TextField } from '@symbolon/http';
import { LoginGuard } from '../login/login-guard';
import { requireGoodPassword } from '../profile/password-rules';
import { Profiles } from '../profile/profiles.query';
import { normalisedUsername } from '../profile/username';
import { ChangePassword } from './change-password.command';

class ChangePasswordBody {
  @TextField(1, 256)
  currentPassword!: string;

  @TextField(8, 256)
  newPassword!: string;
}

@Controller()
export class ChangePasswordController {
  constructor(
    private readonly commands: Commands,
    private readonly profiles: Profiles,
    private readonly guard: LoginGuard,
    private readonly keys: KeyStore,
    private readonly passwords: PasswordVerifiers,
  ) {}

  @Endpoint({
    row: 6,
    name: 'Change password',
    group: 'Profile',
    verb: 'POST',
    path: '/profile/change-password',
    access: 'T',
    command: true,
  })
  async change(@Body() body: ChangePasswordBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const { currentPassword, newPassword } = body;
    if (newPassword === currentPassword) throw invalid({ newPassword: ['must differ from the current one'] });
    const login = await this.profiles.loginOf(caller.profileId);
    requireGoodPassword('newPassword', newPassword, login?.username ?? null);

    const submission = { type: ChangePassword.type, caller, fields: body };
    const earlier = await this.commands.earlier({ ...submission, input: {} });
    if (earlier) return new Accepted(earlier);

    const usernameHash = this.keys.hashGuess('username', normalisedUsername(login?.username ?? ''));
    const verdict = await this.guard.check({ usernameHash, login, password: currentPassword, client: caller.client });
    const passwordHash = verdict.ok ? await this.passwords.hash(newPassword) : '';
    const input = { verified: verdict.ok ? verdict.passwords : null, passwordHash, tokenId: caller.tokenId };
    return new Accepted(await this.commands.submit({ ...submission, input }));
  }
}
