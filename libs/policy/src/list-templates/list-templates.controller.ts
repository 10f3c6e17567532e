import { Controller } from '@nestjs/common';
import { policyEvents, policyTemplates } from '@symbolon/contracts';
import { Endpoint } from '@symbolon/http';

@Controller()
export class ListTemplatesController {
  @Endpoint({
    row: 59,
    name: 'List policy templates',
    group: 'Policy',
    verb: 'GET',
    path: '/policy/list-policy-templates',
    access: 'K',
    scope: 'policy:read',
  })
  list(): object {
    return templates;
  }
}

const templates = Object.fromEntries(
  policyTemplates.map(({ id, name, description, events, configuration, votingAttributes }) => [
    id,
    {
      name,
      description,
      events: Object.fromEntries(events.map((event) => [event, { [event]: policyEvents[event].label }])),
      configuration,
      votingAttributes,
    },
  ]),
);
