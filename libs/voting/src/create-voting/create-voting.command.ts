import { type CommandMessage, CommandType, type Context } from '@symbolon/command-log';

export interface CreateVotingInput {
  readonly poolId: string;
  /** Name or id. */
  readonly votingConfigurationId: string;
  readonly title: string;
  readonly question: string;
  readonly skipAuthenticatorDevices: readonly string[];
  readonly nonce: string | null;
  /** 16 bytes, base64url: hides the question in its digest. */
  readonly opNonce: string;
}

@CommandType('voting/create')
export class CreateVoting implements CommandMessage<CreateVotingInput> {
  static readonly type: string;

  constructor(
    readonly data: CreateVotingInput,
    readonly context: Context,
  ) {}
}
