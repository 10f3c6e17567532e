import { Body, Controller } from '@nestjs/common';
import { Commands, type ProfileCaller } from '@symbolon/command-log';
import { type PolicyTemplate, policyTemplate, type Reason } from '@symbolon/contracts';
import { randomBytes, uuid7 } from '@symbolon/crypto';
import { Accepted, CallerOf, Endpoint, ListField, ObjectField, Problem, TextField } from '@symbolon/http';
import { readConfiguration } from '../policy/configuration';
import { RegisterPolicy, type RegisterPolicyInput } from './register-policy.command';

class RegisterPolicyBody {
  @TextField(1, 100)
  policyTemplateId!: string;

  @ListField(1, 100, (id) => typeof id === 'string')
  applyingEventIds!: string[];

  @TextField(1, 100, { optional: true, matches: /^[^/\0]+$/u, says: 'must not contain a slash or NUL' })
  name?: string;

  @ObjectField({ optional: true, description: 'Keys of the template' })
  configuration?: Record<string, unknown>;

  @TextField(1, 100, { optional: true, description: 'Name or id' })
  votingConfigurationId?: string;

  @TextField(1, 100, { optional: true, description: 'The same as votingConfigurationId' })
  configurationId?: string;
}

@Controller()
export class RegisterPolicyController {
  constructor(private readonly commands: Commands) {}

  @Endpoint({
    row: 60,
    name: 'Register policy',
    group: 'Policy',
    verb: 'POST',
    path: '/policy/register',
    access: 'K',
    scope: 'policy:write',
    command: true,
  })
  async register(@Body() body: RegisterPolicyBody, @CallerOf() caller: ProfileCaller): Promise<Accepted> {
    const { policyTemplateId, applyingEventIds, configuration = {} } = body;
    const template = policyTemplate(policyTemplateId);
    if (!template) throw refused('policy.template_unknown', 'policyTemplateId', 'is no template');
    const events = new Set(applyingEventIds);
    if (![...events].every((id) => offers(template, id)))
      throw refused('policy.event_not_in_template', 'applyingEventIds');
    const read = readConfiguration(configuration, template.configuration);
    if (!read)
      throw refused('policy.configuration_key_unknown', 'configuration', 'holds an unknown key or a wrong value');
    const input: RegisterPolicyInput = {
      id: uuid7(),
      name: body.name ?? `policy-${randomBytes(4).toString('hex')}`,
      policyTemplateId,
      applyingEventIds: [...events],
      configuration: read,
      votingConfiguration: body.votingConfigurationId ?? body.configurationId ?? null,
    };
    return new Accepted(await this.commands.submit({ type: RegisterPolicy.type, caller, input, fields: body }));
  }
}

function offers({ events }: PolicyTemplate, id: string): boolean {
  return (events as readonly string[]).includes(id);
}

function refused(code: Reason, field: string, says = 'is not offered by the template'): Problem {
  return new Problem(422, code, { errors: { [field]: [says] } });
}
