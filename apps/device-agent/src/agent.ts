import type { Readable } from 'node:stream';
import { setTimeout as after } from 'node:timers/promises';
import { rowContext } from '@symbolon/contracts';
import { open, seal, uuid5 } from '@symbolon/crypto';
import { type Clock, SystemClock } from '@symbolon/kernel';
import { AuthenticatorRole } from './authenticator/authenticator-role';
import { BallotBox } from './authenticator/ballot-box';
import { ControlSocket } from './authenticator/control-socket';
import type { Rules } from './authenticator/rules';
import { RulesDecider } from './authenticator/rules-decider';
import type { Screen } from './authenticator/screen';
import { TerminalDecider } from './authenticator/terminal-decider';
import { Backoff } from './backoff';
import { BlobStore } from './blob-store';
import { Correspondence } from './envelope';
import { type Exit, exits, Halt } from './halt';
import { type Carrier, type Configuration, type DeviceKeys, Home, type Pairing } from './home';
import type { FrameSeal } from './journal';
import { Ledger } from './ledger';
import type { Link } from './link';
import type { Log } from './log';
import { Orders } from './orders';
import { checkPairing, pair } from './pairing';
import { RabbitMqLink } from './rabbitmq-link';
import { ServerKeys } from './server-keys';
import { StorageRole } from './storage-role';
import { Lanes } from './turns';
import { WebSocketLink } from './websocket-link';

/** Waits of the agent in milliseconds. */
export interface Pace {
  /** The first wait before something is tried again; it doubles up to `retryMost`. */
  readonly retryFirst: number;
  readonly retryMost: number;
  /** An unacknowledged message is sent again after this (contract: 30,000). */
  readonly resendAfter: number;
  /** Without any frame for this long a connection counts as dead. */
  readonly silence: number;
  /** Between two looks at the server's key set for an unknown signer. */
  readonly keySetPause: number;
}

export interface AgentOptions {
  /** The agent's directory with `device.json` and `login.json`. */
  readonly dir: string;
  readonly log?: Log;
  readonly clock?: Clock;
  readonly pace?: Partial<Pace>;
  /** Trust the server's present keys instead of those that were pinned. */
  readonly pairAnew?: boolean;
  /** Default: WebSocket. */
  readonly carrier?: Carrier;
  /** What the device does. Default: storage. */
  readonly roles?: readonly RoleName[];
  /** How ballots are decided; what this leaves open waits for the control socket. */
  readonly voting?: VotingOptions;
}

export const roleNames = ['storage', 'authenticator'] as const;
export type RoleName = (typeof roleNames)[number];

export interface VotingOptions {
  readonly rules?: Rules;
  /** A person who is asked. */
  readonly terminal?: { readonly input: Readable; readonly screen: Screen };
}

/** How an agent ended: code 0 after `stop`, else a sentence for people. */
export interface AgentEnd {
  readonly exit: Exit;
  readonly sentence: string | null;
}

export interface RunningAgent {
  /** Resolves once connected and serving; rejects with `Halt` if the agent ends before. */
  readonly ready: Promise<{ deviceIdentifier: string }>;
  /** Resolves when the agent has ended, by itself or by `stop`. Never rejects. */
  readonly ended: Promise<AgentEnd>;
  /** Finishes what is short, breaks off transfers (they go on after the next start) and disconnects. */
  stop(): Promise<void>;
}

const usualPace: Pace = {
  retryFirst: 1000,
  retryMost: 60_000,
  resendAfter: 30_000,
  silence: 75_000,
  keySetPause: 60_000,
};
const hour = 60 * 60 * 1000;
const patience = 5000;

/** Runs a device on a directory: pairs at the first start, connects and serves the storage role until it is stopped. */
export function runAgent(options: AgentOptions): RunningAgent {
  const stopping = new AbortController();
  const agent = new Agent(options, stopping.signal);
  const ended = agent.run().then(
    (): AgentEnd => ({ exit: exits.stopped, sentence: null }),
    (error: unknown): AgentEnd => {
      if (stopping.signal.aborted && !(error instanceof Halt)) return { exit: exits.stopped, sentence: null };
      if (error instanceof Halt) return { exit: error.exit, sentence: error.message };
      return {
        exit: exits.fault,
        sentence: `The agent failed: ${error instanceof Error ? error.message : 'unknown'}.`,
      };
    },
  );
  const ready = Promise.race([
    agent.ready,
    ended.then(({ exit, sentence }) => Promise.reject(new Halt(exit, sentence ?? 'The agent was stopped.'))),
  ]);
  ready.catch(() => undefined);
  return {
    ready,
    ended,
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}

class Agent {
  readonly ready: Promise<{ deviceIdentifier: string }>;
  private becomeReady: (of: { deviceIdentifier: string }) => void = () => undefined;
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly pace: Pace;

  constructor(
    private readonly options: AgentOptions,
    private readonly signal: AbortSignal,
  ) {
    this.ready = new Promise((resolve) => (this.becomeReady = resolve));
    this.clock = options.clock ?? new SystemClock();
    this.log = options.log ?? (() => undefined);
    this.pace = { ...usualPace, ...options.pace };
  }

  async run(): Promise<void> {
    const home = await Home.open(this.options.dir);
    try {
      const configuration = await home.configuration(this.options.carrier);
      const before = await home.pairing();
      const keys = await home.keys(before);
      const pairing = await this.pairing(home, configuration, keys, before);
      await this.serve(home, configuration, keys, pairing);
    } finally {
      await home.close();
    }
  }

  private async pairing(
    home: Home,
    configuration: Configuration,
    keys: DeviceKeys,
    before: Pairing | null,
  ): Promise<Pairing> {
    if (before && !this.options.pairAnew) {
      checkPairing(before, configuration, keys);
      return before;
    }
    const { clock, log, signal } = this;
    return pair({ home, configuration, clock, log, signal, backoff: this.backoff() }, keys);
  }

  private async serve(home: Home, configuration: Configuration, keys: DeviceKeys, pairing: Pairing): Promise<void> {
    const { clock, log, signal, pace } = this;
    const { deviceIdentifier, cabPublicKey } = configuration;
    const store = new BlobStore(home.path('blobs'), home.path('drafts'), keys, deviceIdentifier);
    await store.open();
    const { ledger, state } = await Ledger.open(
      { main: home.path('ledger'), copy: home.path('ledger.copy') },
      sealFor(deviceIdentifier, keys),
      () => clock.millis(),
    );
    const complete = state === 'whole' || (state === 'missing' && (await store.isEmpty()));
    if (!complete) {
      log('ledger-damaged', { advice: 'the inventory lists some objects only once they were written again' });
    }

    const link = this.link(configuration);
    const lanes = new Lanes();
    const serverKeys = new ServerKeys(pairing.signingKeys, {
      jwksUrl: configuration.jwksUrl,
      save: (signingKeys) => home.savePairing({ ...pairing, signingKeys }),
      now: () => clock.millis(),
      log,
      signal,
      pause: pace.keySetPause,
    });
    const storage = new StorageRole({
      store,
      ledger,
      lanes,
      keys,
      cabPublicKey,
      clock,
      log,
      retry: () => this.backoff(),
    });
    const correspondence = new Correspondence(configuration, keys);
    const roles = this.options.roles ?? ['storage'];
    const authenticator = new AuthenticatorRole({
      deviceIdentifier,
      keys,
      box: await BallotBox.open(home.path('ballots'), deviceIdentifier, keys),
      lanes,
      serverKeys,
      clock,
      log,
      send: (type, id, at, correlationId, content) =>
        link.send(correspondence.sealed(type, id, at, correlationId, content)),
      answerId: (envelopeId) => uuid5(`${pairing.pairedAt} vote for ${envelopeId}`),
    });
    const voting = roles.includes('authenticator') ? await this.openVoting(home, authenticator) : null;
    const orders = new Orders({
      deviceIdentifier,
      pairedAt: pairing.pairedAt,
      link,
      ledger,
      lanes,
      correspondence,
      serverKeys,
      roles: [...(roles.includes('storage') ? [storage] : []), ...(voting ? [authenticator] : [])],
      heldDir: home.path('held'),
      clock,
      log,
      signal,
    });

    const hourly = setInterval(() => {
      ledger.sweep();
      void authenticator.forget();
      serverKeys.refresh().catch(() => undefined);
    }, hour);
    try {
      await orders.resume();
      link.open((message, confirm) => orders.receive(message, confirm));
      await voting?.resume();
      await Promise.race([link.ready, link.halted, aborted(signal)]);
      if (signal.aborted) return;
      log('ready', { deviceIdentifier, objects: ledger.size });
      this.becomeReady({ deviceIdentifier });
      const reconciled = storage.reconcile(complete, signal).catch((error: unknown) => {
        if (!signal.aborted) log('fault', { reason: error instanceof Error ? error.message : 'unknown' });
      });
      await Promise.race([link.halted, aborted(signal)]).finally(() => reconciled);
    } finally {
      clearInterval(hourly);
      await voting?.close();
      // Answers still go out as long as the carrier takes them.
      await Promise.race([orders.settle(), after(patience, undefined, { ref: false })]);
      await link.close();
      await orders.settle();
      await ledger.close();
      log('stopped');
    }
  }

  /** Ballots are decided by rules, by a person at the terminal and through the control socket, whoever is first. */
  private async openVoting(home: Home, role: AuthenticatorRole) {
    const { clock, log } = this;
    const { rules, terminal } = this.options.voting ?? {};
    const person = terminal ? new TerminalDecider(role, terminal.input, terminal.screen) : null;
    const decider = rules ? new RulesDecider(rules, role, clock, log, person) : person;
    if (decider) role.decideBy(decider);
    const control = await ControlSocket.open(home.dir, role);
    return {
      resume: () => role.resume(),
      close: async () => {
        person?.close();
        await control.close();
      },
    };
  }

  private link({ deviceIdentifier, broker, channelUrl, clientId, clientSecret }: Configuration): Link {
    const { log, pace } = this;
    const { resendAfter, silence } = pace;
    const reconnect = { first: pace.retryFirst, most: pace.retryMost };
    if (broker) return new RabbitMqLink({ deviceIdentifier, broker, log, reconnect, resendAfter });
    return new WebSocketLink({ url: channelUrl, clientId, clientSecret, log, reconnect, resendAfter, silence });
  }

  private backoff(): Backoff {
    return new Backoff(this.pace.retryFirst, this.pace.retryMost);
  }
}

/** Frames of the ledger lie under the master key; the place of a frame is part of its context. */
function sealFor(deviceIdentifier: string, { master }: DeviceKeys): FrameSeal {
  const context = (place: string): Uint8Array => rowContext(deviceIdentifier, 'ledger', place);
  return {
    seal: (place, plaintext) => seal(master.key, context(place), plaintext),
    open: (place, sealed) => open(master.key, context(place), sealed),
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
