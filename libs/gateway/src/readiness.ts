/** Set by the process once it listens, and cleared when it begins to stop. */
export class Readiness {
  ready = false;
}
