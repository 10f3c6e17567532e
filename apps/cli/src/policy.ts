import type { Context } from './context';
import { CliError } from './failure';
import { table } from './terminal';
import type { PageOptions } from './voting';

const waiting = { channel: true } as const;
const asking = { channel: false } as const;

/** What policies can be made of. */
export async function templates(context: Context): Promise<void> {
  const found = await context.session(asking, ({ policies }) => policies.templates());
  const text = Object.entries(found).map(([id, { name, description, events, configuration }]) =>
    [
      `${id}: ${name}. ${description}.`,
      `  events: ${Object.keys(events).join(', ')}`,
      `  configuration: ${configuration.join(', ')}`,
    ].join('\n'),
  );
  context.terminal.result(found, text.join('\n\n'));
}

export interface AddOptions {
  readonly name?: string;
  /** Default: every operation of the template. */
  readonly event?: readonly string[];
  readonly set?: readonly string[];
  readonly votes?: string;
  readonly activate?: boolean;
}

/** Registers a policy and, where that is asked for, activates it. */
export async function add(context: Context, template: string, options: AddOptions): Promise<void> {
  const { name, event, votes, activate = false } = options;
  const configuration = configurationOf(options.set ?? []);
  const body = await context.session(waiting, async ({ policies }) => {
    const fields = {
      policyTemplateId: template,
      // Of a template that does not exist the server says so.
      applyingEventIds: event ?? Object.keys((await policies.templates())[template]?.events ?? { [template]: null }),
      name,
      configuration,
      votingConfigurationId: votes,
    };
    const registered = await policies.register(fields, context.patience);
    if (activate) await policies.activate(registered.body.name, context.patience);
    return registered.body;
  });
  context.terminal.result({ ...body, active: activate }, body.name);
  if (!activate) context.terminal.hint(`It holds nothing before: symbolon policy activate ${body.name}`);
}

export async function list(context: Context, { page, perPage }: PageOptions): Promise<void> {
  await context.session(asking, async ({ policies }) => {
    const found = await policies.list({ page, perPage });
    const rows = found.items.map(({ name, active, policyTemplateId, applyingEventIds }) => [
      name,
      active ? 'active' : 'inactive',
      policyTemplateId,
      applyingEventIds.join(', '),
    ]);
    context.terminal.result(found, rows.length === 0 ? '' : table(['NAME', 'STATUS', 'TEMPLATE', 'EVENTS'], rows));
  });
}

export async function show(context: Context, name: string): Promise<void> {
  const policy = await context.session(asking, ({ policies }) => policies.retrieve(name));
  const rows = [
    ['status', policy.active ? 'active' : 'inactive'],
    ['template', policy.policyTemplateId],
    ['events', policy.applyingEventIds.join(', ')],
    ['votes', policy.votingConfigurationId ?? 'as the profile is set'],
    ...Object.entries(policy.configuration).map(([key, value]) => [key, JSON.stringify(value)]),
  ];
  context.terminal.result(policy, table(['POLICY', policy.name], rows));
}

export async function change(
  context: Context,
  what: 'activate' | 'deactivate' | 'remove',
  name: string,
): Promise<void> {
  await context.session(waiting, ({ policies }) => policies[what](name, context.patience));
  const done = { activate: 'active', deactivate: 'inactive', remove: 'deleted' }[what];
  context.terminal.result({ name, status: done }, `${name} is ${done}.`);
}

/** `key=value`; lists, numbers and booleans as in JSON, all else is text. */
function configurationOf(given: readonly string[]): Record<string, unknown> | undefined {
  if (given.length === 0) return undefined;
  return Object.fromEntries(
    given.map((pair) => {
      const [, key, value] = /^([A-Za-z]+)=(.+)$/s.exec(pair) ?? [];
      if (key === undefined || value === undefined)
        throw new CliError(`"${pair}" is no condition; one looks like context='invoices/*'.`);
      const isJson = value.startsWith('[') || key === 'minimumSize' || key === 'onlyNewAddress';
      return [key, isJson ? parsed(value) : value];
    }),
  );
}

function parsed(value: string): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
