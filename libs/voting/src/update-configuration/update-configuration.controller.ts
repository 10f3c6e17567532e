import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, IntField, invalid, TextField, UuidField } from '@symbolon/http';
import { ConfigurationFields, nameForm } from '../configuration/configuration-fields';
import { acceptedNames, readStrategy } from '../strategy/strategy.decide';
import { UpdateConfiguration, type UpdateConfigurationInput } from './update-configuration.command';

class UpdateConfigurationBody extends ConfigurationFields {
  @TextField(1, 100, { ...nameForm, optional: true, description: 'name or id' })
  name?: string;

  @UuidField({ optional: true })
  id?: string;

  @IntField(1, 86_400, { optional: true, description: 'Seconds' })
  timeLimit?: number;

  @TextField(1, 100, { optional: true, description: acceptedNames.join(', ') })
  strategy?: string;
}

/** A parameter may come alone: whether the configuration's strategy takes it shows when the command runs. */
function strategyOf(body: UpdateConfigurationBody): Pick<UpdateConfigurationInput, 'strategy' | 'parameter'> {
  const { strategy, percentageRequired, countRequired, strategy_params: strategyParams } = body;
  const parameters = { percentageRequired, countRequired, strategyParams };
  const isGiven = Object.values(parameters).some((value) => value !== undefined);
  if (strategy === undefined && !isGiven) return { strategy: null, parameter: null };
  const read = readStrategy({ strategy: strategy ?? 'threshold', ...parameters });
  if (read.errors) throw invalid(read.errors);
  return strategy === undefined
    ? { strategy: null, parameter: read.strategy }
    : { strategy: read.strategy, parameter: null };
}

@Controller()
export class UpdateConfigurationController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 56,
    name: 'Update voting configuration',
    group: 'Verified Authenticator',
    verb: 'POST',
    path: '/verified-authenticator/voting-configuration/update',
    access: 'K',
    scope: 'authenticator:write',
    command: true,
  })
  async update(@Body() body: UpdateConfigurationBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const { id = null, name = null, timeLimit, deviceIdentifiers, quorumSize, numberOfAttempts, category } = body;
    if (id === null && name === null) throw invalid({ name: ['or id is required'] });
    const input: UpdateConfigurationInput = {
      ...{ id, name, ...strategyOf(body) },
      fields: {
        ...(timeLimit === undefined ? {} : { timeLimit }),
        ...(deviceIdentifiers === undefined ? {} : { deviceIdentifiers: [...new Set(deviceIdentifiers)] }),
        ...(quorumSize === undefined ? {} : { quorumSize }),
        ...(numberOfAttempts === undefined ? {} : { numberOfAttempts }),
        ...(category === undefined ? {} : { category }),
      },
    };
    return new Accepted(await this.commands.submit({ type: UpdateConfiguration.type, caller, input, fields: body }));
  }
}
