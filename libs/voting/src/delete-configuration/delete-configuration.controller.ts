import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { Accepted, CallerOf, Endpoint, invalid, TextField, UuidField } from '@symbolon/http';
import { nameForm } from '../configuration/configuration-fields';
import { DeleteConfiguration, type DeleteConfigurationInput } from './delete-configuration.command';

class DeleteConfigurationBody {
  @TextField(1, 100, { ...nameForm, optional: true, description: 'name or id' })
  name?: string;

  @UuidField({ optional: true })
  id?: string;
}

@Controller()
export class DeleteConfigurationController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    name: 'Delete voting configuration',
    group: 'Verified Authenticator',
    verb: 'POST',
    path: '/verified-authenticator/voting-configuration/delete',
    access: 'K',
    scope: 'authenticator:write',
    command: true,
  })
  async delete(@Body() body: DeleteConfigurationBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const { id = null, name = null } = body;
    if (id === null && name === null) throw invalid({ name: ['or id is required'] });
    const input: DeleteConfigurationInput = { id, name };
    return new Accepted(await this.commands.submit({ type: DeleteConfiguration.type, caller, input, fields: body }));
  }
}
