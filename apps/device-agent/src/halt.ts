/** Exit codes of the agent. */
export const exits = {
  stopped: 0,
  fault: 1,
  /** Called wrongly, or the directory is not as it must be. */
  usage: 2,
  /** The server refuses the device: credentials rotated, device removed, login or key not accepted. */
  refused: 3,
  /** A newer connection of the same device took over. */
  replaced: 4,
  /** Another agent runs on the directory. */
  inUse: 5,
  /** The server shows other keys than at pairing. */
  serverChanged: 6,
} as const;

export type Exit = (typeof exits)[keyof typeof exits];

/** The agent cannot go on. The message is a sentence for people that says what to do. */
export class Halt extends Error {
  constructor(
    readonly exit: Exit,
    sentence: string,
    options?: { cause?: unknown },
  ) {
    super(sentence, options);
    this.name = 'Halt';
  }
}
