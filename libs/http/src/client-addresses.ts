import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { AddressRanges, plainAddress } from '@symbolon/settings/addresses';

/** Some proxies add the client's port. */
const withPort = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/;

/** Where requests come from: the other end of the connection, or what trusted proxies say of it. */
export class ClientAddresses {
  private readonly trusted: AddressRanges;

  /** Addresses and CIDR ranges of proxies. */
  constructor(trustedProxies: readonly string[]) {
    this.trusted = new AddressRanges(trustedProxies);
  }

  /**
   * Goes back from the connection, proxy by proxy, to the first address that is none of theirs. What stands before it in
   * `X-Forwarded-For` its owner may have written himself.
   */
  of({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string | null {
    if (socket.remoteAddress === undefined) return null;
    let address = plainAddress(socket.remoteAddress);
    for (const told of [headers['x-forwarded-for'] ?? []].flat().join().split(',').reverse()) {
      if (!this.trusted.hold(address)) break;
      const [, v6, v4] = withPort.exec(told.trim()) ?? [];
      const before = plainAddress(v6 ?? v4 ?? told.trim());
      if (isIP(before) === 0) break;
      address = before;
    }
    return address;
  }
}
