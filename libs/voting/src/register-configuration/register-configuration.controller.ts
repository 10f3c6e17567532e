import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { uuid7 } from '@symbolon/crypto';
import { Accepted, CallerOf, Endpoint, IntField, invalid, TextField } from '@symbolon/http';
import { ConfigurationFields, nameForm } from '../configuration/configuration-fields';
import { acceptedNames, percentageOf, readStrategy } from '../strategy/strategy.decide';
import { RegisterConfiguration, type RegisterConfigurationInput } from './register-configuration.command';

class RegisterConfigurationBody extends ConfigurationFields {
  @TextField(1, 100, nameForm)
  name!: string;

  @IntField(1, 86_400, { description: 'Seconds' })
  timeLimit!: number;

  @TextField(1, 100, { description: acceptedNames.join(', ') })
  strategy!: string;
}

@Controller()
export class RegisterConfigurationController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 55,
    name: 'Register voting configuration',
    group: 'Verified Authenticator',
    verb: 'POST',
    path: '/verified-authenticator/voting-configuration/register',
    access: 'K',
    scope: 'authenticator:write',
    command: true,
  })
  async register(@Body() body: RegisterConfigurationBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const { name, timeLimit, deviceIdentifiers = [], quorumSize, numberOfAttempts, category } = body;
    const read = readStrategy({ ...body, strategyParams: body.strategy_params });
    if (read.errors) throw invalid(read.errors);
    const input: RegisterConfigurationInput = {
      id: uuid7(),
      name,
      fields: {
        ...{ ...read.strategy, timeLimit, percentageRequired: percentageOf(read.strategy) },
        deviceIdentifiers: [...new Set(deviceIdentifiers)],
        ...{ quorumSize: quorumSize ?? null, numberOfAttempts: numberOfAttempts ?? null, category: category ?? null },
      },
    };
    return new Accepted(await this.commands.submit({ type: RegisterConfiguration.type, caller, input, fields: body }));
  }
}
