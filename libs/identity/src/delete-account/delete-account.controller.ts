import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { KeyStore } from '@symbolon/crypto';
import { Accepted, CallerOf, Endpoint, TextField } from '@symbolon/http';
import { LoginGuard } from '../login/login-guard';
import { Profiles } from '../profile/profiles.query';
import { normalisedUsername } from '../profile/username';
import { DeleteAccount, type DeleteAccountInput } from './delete-account.command';

class DeleteAccountBody {
  @TextField(1, 256)
  password!: string;
}

@Controller()
export class DeleteAccountController {
  constructor(
    private readonly commands: Commands,
    private readonly profiles: Profiles,
    private readonly guard: LoginGuard,
    private readonly keys: KeyStore,
  ) {}

  @Endpoint({
    name: 'Delete account',
    group: 'Profile',
    verb: 'POST',
    path: '/profile/delete-account',
    access: 'T',
    command: true,
  })
  async delete(@Body() body: DeleteAccountBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const submission = { type: DeleteAccount.type, caller, fields: body };
    const earlier = await this.commands.earlier({ ...submission, input: {} });
    if (earlier) return new Accepted(earlier);

    const login = await this.profiles.loginOf(caller.profileId);
    const usernameHash = this.keys.hashGuess('username', normalisedUsername(login?.username ?? ''));
    const verdict = await this.guard.check({
      usernameHash,
      login,
      password: body.password,
      client: caller.client,
    });
    const input: DeleteAccountInput = { verified: verdict.ok ? verdict.passwords : null };
    return new Accepted(await this.commands.submit({ ...submission, input }));
  }
}
