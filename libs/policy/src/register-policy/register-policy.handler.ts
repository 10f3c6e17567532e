import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { type HandlerResult, resultOf } from '@symbolon/command-log';
import { voting } from '@symbolon/contracts';
import { Streams } from '@symbolon/kernel';
import { policySet } from '../policy/policy.model';
import { RegisterPolicy } from './register-policy.command';
import { registerPolicy } from './register-policy.decide';

@CommandHandler(RegisterPolicy)
export class RegisterPolicyHandler implements ICommandHandler<RegisterPolicy> {
  constructor(private readonly streams: Streams) {}

  async execute({ data, context: { profileId, cause } }: RegisterPolicy): Promise<HandlerResult> {
    const { votingConfiguration: wanted, ...fields } = data;
    const prepare = async () => {
      if (wanted === null) return { command: { ...fields, profileId, votingConfiguration: null } };
      const { state, revision } = await this.streams.load(voting, profileId);
      const all = [...state.configurations.values()];
      const found = all.find(({ id }) => id === wanted) ?? all.find(({ name }) => name === wanted);
      return {
        command: { ...fields, profileId, votingConfiguration: found ? { id: found.id } : ('missing' as const) },
        // A configuration that a policy names is not deleted meanwhile.
        guard: { stream: `${voting.category}-${profileId}`, revision: revision < 0n ? ('none' as const) : revision },
      };
    };
    const outcome = await this.streams.transactGuarded(policySet, profileId, registerPolicy, prepare, cause);
    return resultOf(outcome, () => ({ id: data.id, name: data.name }));
  }
}
