/** What a verb answers: a document for programs, and the same for people. */
export interface Told {
  readonly document: object;
  readonly text: string;
}

export interface VerbOptions {
  readonly categories: readonly string[];
  readonly lines: number;
  readonly follow: boolean;
  readonly backedUp: boolean;
  /** A file to write, and one to read in place of the log. */
  readonly output: string | null;
  readonly file: string | null;
  /** Public signing keys, 64 hex digits; of devices as `DEVICE=KEY`. */
  readonly serverKeys: readonly string[];
  readonly deviceKeys: readonly string[];
  /** For what has no end. */
  readonly tell: (told: Told) => void;
}
