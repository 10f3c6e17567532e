import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Commands } from '@symbolon/command-log';
import type {
  GateChainSettled,
  CommandAccepted,
  CommandEvent,
  GateDenied,
  GateOpened,
  GateReleased,
  PollRefused,
  PollResolved,
} from '@symbolon/contracts';
import { uuid5 } from '@symbolon/crypto';
import { type Cause, EventStore, type Recorded, Streams, system } from '@symbolon/kernel';
import { Registry } from '@symbolon/platform';
import { Evaluation } from './evaluation';
import { gate } from './gate.model';
import { openGate } from './open-gate.decide';
import { settleChain } from './settle-chain.decide';

/**
 * The process around gates: from a held command to its gate, from its polls to the gate's end, and from the gate back to
 * the command. Every step derives its ids from the event that causes it: a repeat writes nothing.
 */
@Injectable()
export class GateReactors implements OnModuleInit {
  constructor(
    private readonly registry: Registry,
    private readonly store: EventStore,
    private readonly streams: Streams,
    private readonly commands: Commands,
    private readonly evaluation: Evaluation,
  ) {}

  onModuleInit(): void {
    this.registry.reactors(
      {
        name: 'policy.when-command-held-then-evaluate',
        categories: ['command'],
        on: { 'command.accepted': (event) => this.evaluate(event) },
      },
      {
        name: 'policy.when-poll-ended-then-settle-chain',
        categories: ['poll'],
        on: {
          'poll.resolved': (event) => {
            const { nextPoolId, reason, ...poll } = event.data as PollResolved['data'];
            return nextPoolId === null ? this.settle(event, poll, reason) : Promise.resolve();
          },
          'poll.refused': (event) => {
            const { reason, ...poll } = event.data as PollRefused['data'];
            return this.settle(event, poll, reason);
          },
        },
      },
      {
        name: 'policy.when-gate-moved-then-tell-command',
        categories: ['gate'],
        on: {
          'policy.gate_opened': (event) => {
            const { commandId, chains } = event.data as GateOpened['data'];
            const poolIds = chains.map(({ poolId }) => poolId);
            const policyIds = chains.flatMap((chain) => chain.policyIds);
            const pending = { commandId, poolIds, policyIds };
            return this.tell(event, { type: 'command.pending_vote', version: 1, data: pending });
          },
          'policy.gate_waived': (event) => this.clear(event),
          'policy.gate_released': (event) => this.clear(event),
          'policy.gate_denied': (event) => this.reject(event),
          'policy.chain_settled': (event) => this.reject(event),
        },
      },
    );
  }

  private async evaluate(event: Recorded): Promise<void> {
    const { commandId, held } = event.data as CommandAccepted['data'];
    if (!held) return;
    const cause = causedBy(event, commandId, 'evaluate');
    const { state } = await this.streams.load(gate, commandId);
    if (state.phase !== 'absent') return;
    const verdict = await this.evaluation.evaluate(event);
    const command = { commandId, profileId: held.profileId, verdict };
    await this.streams.transact(gate, commandId, openGate, command, cause);
  }

  private async settle(
    event: Recorded,
    { gated, commandId, chainId }: { gated: boolean; commandId: string | null; chainId: string },
    reason: string | null,
  ): Promise<void> {
    if (!gated || commandId === null) return;
    const cause = causedBy(event, commandId, 'settle-chain');
    await this.streams.transact(gate, commandId, settleChain, { poolId: chainId, reason }, cause);
  }

  /** Once the gate is denied and the polls that were cancelled with it have ended, as everybody then sees. */
  private async reject(event: Recorded): Promise<void> {
    const { commandId } = event.data as GateDenied['data'] | GateChainSettled['data'];
    const { phase, reason, chains } = (await this.streams.load(gate, commandId)).state;
    if (phase !== 'denied' || reason === null || [...chains.values()].includes('open')) return;
    const cause = causedBy(event, commandId, 'tell-command');
    const cursor = await this.store.tail();
    await this.commands.settle(commandId, { status: 'rejected', reason, cursor }, null, cause);
  }

  private clear(event: Recorded): Promise<void> {
    const { commandId } = event.data as GateReleased['data'];
    return this.tell(event, { type: 'command.cleared', version: 1, data: { commandId } });
  }

  /** One id for each event type, so that it comes once, whoever tells. */
  private async tell(event: Recorded, told: CommandEvent): Promise<void> {
    const { commandId } = told.data;
    await this.streams.append(`command-${commandId}`, 'any', [told], causedBy(event, commandId, told.type));
  }
}

function causedBy({ id, meta }: Recorded, commandId: string, step: string): Cause {
  const causationId = uuid5(`${id}/policy.${step}`);
  return { commandId, correlationId: meta.correlationId, causationId, actor: system };
}
