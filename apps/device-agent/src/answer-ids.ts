import { uuid5 } from '@symbolon/crypto';

const remembered = 1000;

/**
 * Gives the answer to an order its id: the same for every repetition, also after a restart, so that the server knows a
 * repeated answer. An answer that the server refused is followed by a new one.
 */
export class AnswerIds {
  /** Orders of the last answers, by the answers' ids. */
  private readonly orders = new Map<string, string>();
  private readonly refusals = new Map<string, number>();

  /** `pairedAt`: after pairing anew the server gets new answers, not those that it could not open. */
  constructor(private readonly pairedAt: string) {}

  of(orderId: string): string {
    const id = uuid5(`${this.pairedAt} answer to ${orderId} ${this.refusals.get(orderId) ?? 0}`);
    put(this.orders, id, orderId);
    return id;
  }

  refused(answerId: string): void {
    const orderId = this.orders.get(answerId);
    if (orderId !== undefined) put(this.refusals, orderId, (this.refusals.get(orderId) ?? 0) + 1);
  }
}

function put<T>(into: Map<string, T>, key: string, value: T): void {
  into.delete(key);
  into.set(key, value);
  const [oldest] = into.keys();
  if (into.size > remembered && oldest !== undefined) into.delete(oldest);
}
