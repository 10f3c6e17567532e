import { createInterface, type Interface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { AuthenticatorRole, Decider } from './authenticator-role';
import type { Ballot } from './ballot';
import { picture } from './picture';
import type { Screen } from './screen';

const prompt = 'Your vote? [yes/no/later] ';

/** Asks a person at the terminal, one ballot at a time, in the order in which they came. Only a whole word is a vote. */
export class TerminalDecider implements Decider {
  private readonly waiting: Ballot[] = [];
  private current: Ballot | null = null;
  /** The question changed by itself: what is typed next may have been meant for the one before. */
  private overtaken = false;
  private readonly lines: Interface;

  constructor(
    private readonly role: Pick<AuthenticatorRole, 'vote'>,
    input: Readable,
    private readonly screen: Screen,
  ) {
    this.lines = createInterface({ input, terminal: false });
    this.lines.on('line', (line) => void this.hear(line.trim().toLowerCase()));
  }

  ask(ballot: Ballot): void {
    const known = [this.current, ...this.waiting].some((one) => one?.ballotId === ballot.ballotId);
    if (known) return;
    this.waiting.push(ballot);
    if (!this.current) this.next();
  }

  settled(ballotId: string): void {
    const index = this.waiting.findIndex((ballot) => ballot.ballotId === ballotId);
    if (index >= 0) this.waiting.splice(index, 1);
    if (this.current?.ballotId !== ballotId) return;
    this.overtaken = true;
    this.screen.answered();
    this.screen.write('\nThis question is settled.\n');
    this.next();
  }

  close(): void {
    this.lines.close();
  }

  private next(): void {
    this.current = this.waiting.shift() ?? null;
    if (!this.current) return;
    this.screen.write(`\n${picture(this.current)}\n`);
    this.screen.ask(prompt);
  }

  private again(why: string): void {
    this.screen.write(`${why}\n`);
    this.screen.ask(prompt);
  }

  private async hear(line: string): Promise<void> {
    const { current: asked, overtaken, screen } = this;
    this.overtaken = false;
    if (!asked || line === '') return;
    screen.answered();
    if (overtaken) return this.again('That may have been meant for the question before. Please answer once more.');
    if (line === 'later') {
      screen.write(`It stays open: symbolon ballot yes|no ${asked.ballotId}\n`);
      return this.next();
    }
    if (line !== 'yes' && line !== 'no') return this.again('Please answer with yes, no or later.');
    // Told by itself: the vote is not over before the role says so.
    this.current = null;
    const voted = await this.role.vote(asked.ballotId, line, 'terminal').catch(() => null);
    if (voted === null) screen.write('The vote could not be kept on the disk and was not cast.\n');
    else screen.write(voted.taken ? `Voted ${line}.\n` : `Not counted: ${voted.reason}.\n`);
    if (!this.current) this.next();
  }
}
