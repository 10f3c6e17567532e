import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { mintOperationNonce, uuid7 } from '@symbolon/crypto';
import { Accepted, CallerOf, Endpoint, isUuid, ListField, TextField } from '@symbolon/http';
import { CreateVoting, type CreateVotingInput } from './create-voting.command';

class CreateVotingBody {
  @TextField(1, 100, { description: 'Name or id of a voting configuration' })
  votingConfigurationId!: string;

  @TextField(1, 1000)
  question!: string;

  @TextField(1, 200)
  title!: string;

  @ListField(0, 1000, isUuid, { optional: true, description: 'Devices that get no ballot' })
  skipAuthenticatorDevices?: string[];

  @TextField(0, 255, { optional: true, description: 'Shown on ballots and in the pool' })
  nonce?: string;
}

@Controller()
export class CreateVotingController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 86,
    name: 'Create voting',
    group: 'Voting',
    verb: 'POST',
    path: '/voting/create',
    access: 'K',
    scope: 'voting:write',
    command: true,
  })
  async create(@Body() body: CreateVotingBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const { votingConfigurationId, question, title, skipAuthenticatorDevices = [], nonce = null } = body;
    const poolId = uuid7();
    const input: CreateVotingInput = {
      ...{ poolId, votingConfigurationId, question, title, nonce },
      skipAuthenticatorDevices: [...new Set(skipAuthenticatorDevices)],
      opNonce: mintOperationNonce(),
    };
    const submission = { type: CreateVoting.type, caller, input, fields: body, poolId };
    return new Accepted(await this.commands.submit(submission));
  }
}
