import { BlockList, isIP, isIPv4, isIPv6, SocketAddress } from 'node:net';

const range = /^([^/]+)\/(0|[1-9]\d{0,2})$/;
/** An IPv4 address as a dual-stack socket shows it, and as every other spelling of it is shown. */
const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

interface Range {
  readonly address: string;
  readonly prefix: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** An IP address or a CIDR range, of either family; no zone, no octets with leading zeros. */
export function isAddressRange(text: string): boolean {
  return rangeOf(text) !== null;
}

/** Addresses and ranges, each held to its own family: Node takes an IPv4 address for a mapped one, which `::/0` would hold. */
export class AddressRanges {
  private readonly lists: Partial<Record<Range['family'], BlockList>> = {};

  /** Throws `RangeError` for what is no range. */
  constructor(ranges: readonly string[]) {
    for (const text of ranges) {
      const parsed = rangeOf(text);
      if (!parsed) throw new RangeError(`${text} is no address range`);
      const { address, prefix, family } = parsed;
      (this.lists[family] ??= new BlockList()).addSubnet(address, prefix, family);
    }
  }

  /** False for what is no address. */
  hold(address: string): boolean {
    const client = plainAddress(address.split('%', 1)[0]!);
    const family = familyOf(client);
    return family !== null && (this.lists[family]?.check(client, family) ?? false);
  }
}

function rangeOf(text: string): Range | null {
  const [, before, length] = range.exec(text) ?? [];
  const given = before ?? text;
  const givenFamily = given.includes('%') ? null : familyOf(given);
  if (!givenFamily) return null;
  const bits = givenFamily === 'ipv4' ? 32 : 128;
  const prefix = length === undefined ? bits : Number(length);
  if (prefix > bits) return null;
  const address = plainAddress(given);
  // A range within the mapped addresses is one of IPv4.
  if (givenFamily === 'ipv6' && isIPv4(address)) {
    return prefix < 96 ? { address: given, prefix, family: 'ipv6' } : { address, prefix: prefix - 96, family: 'ipv4' };
  }
  return { address, prefix, family: givenFamily };
}

/** An IPv4 address without the prefix that a dual-stack socket gives it, in whatever spelling. */
export function plainAddress(address: string): string {
  const shown = isIPv6(address) ? new SocketAddress({ address, family: 'ipv6' }).address : address;
  const [, v4] = mapped.exec(shown) ?? [];
  return v4 !== undefined && isIPv4(v4) ? v4 : address;
}

function familyOf(address: string): 'ipv4' | 'ipv6' | null {
  if (isIP(address) === 0) return null;
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}
