/** The embedded PostgreSQL cannot run here. The message is one sentence for people that says what to do. */
export class PostgresCannotStart extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'PostgresCannotStart';
  }
}

/** What PostgreSQL's own words in its log mean for whoever starts it. */
export function explain(home: { pgdata: string; logFile: string }, said: string): PostgresCannotStart {
  const { pgdata, logFile } = home;
  if (/No space left on device|disk quota exceeded/i.test(said)) {
    return new PostgresCannotStart(`The disk that holds ${pgdata} is full: free some space and start again.`);
  }
  if (/lock file "postmaster.pid" already exists/.test(said)) {
    return new PostgresCannotStart(
      `The data directory ${pgdata} is in use by another PostgreSQL: stop it, or choose another data directory.`,
    );
  }
  if (/Permission denied|Operation not permitted|has wrong ownership|invalid permissions/.test(said)) {
    return new PostgresCannotStart(
      `PostgreSQL may not use ${pgdata}: make it belong to the user who starts the server, with mode 0700.`,
    );
  }
  if (/could not map anonymous shared memory|Cannot allocate memory|could not create shared memory/.test(said)) {
    return new PostgresCannotStart('There is not enough memory for PostgreSQL: free about 256 MiB and start again.');
  }
  const last = said.match(/(?:FATAL|PANIC|error): +(.*)/g)?.at(-1);
  return new PostgresCannotStart(
    `PostgreSQL did not start${last ? ` (${last})` : ''}: see ${logFile}, or set DATABASE_URL to a PostgreSQL of your own.`,
  );
}

/** Is `said` a state that passes by itself: backends of a killed postmaster that have not noticed yet? */
export function passes(said: string): boolean {
  return /pre-existing shared memory block/.test(said);
}

/** Did another process take the port between the choice and the start? */
export function portTaken(said: string): boolean {
  return /could not bind|could not create any TCP\/IP sockets/.test(said);
}
