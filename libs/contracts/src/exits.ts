/** Exit codes of the program `symbolon`, whoever runs the verb; scripts rely on them and `symbolon --help` prints them. */
export const exits = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  forbidden: 3,
  missing: 4,
  refused: 5,
  unavailable: 6,
  untrusted: 7,
  interrupted: 130,
} as const;
