/** Error codes of sockets and of PostgreSQL (appendix A, classes 08, 53, 57P and 25006, 58) while a database is away. */
const codes =
  /^(08...|53...|57P..|58...|25006|25P03|57014|ECONN\w+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT)$/;
/** The driver's own errors carry no code. */
const messages =
  /^(connection terminated|timeout expired|timeout exceeded|query read timeout|client (has|was)|cannot use a pool)/i;

/** Says many things; of a database that takes no connections it says that it is away. */
const notInState = '55000';
const shut = /not currently accepting connections/;

/** True where an error of a database driver means that it cannot be reached or cannot serve now: a repeat may help. */
export function isOutage(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (code === notInState) return typeof message === 'string' && shut.test(message);
  return typeof code === 'string' ? codes.test(code) : typeof message === 'string' && messages.test(message);
}
