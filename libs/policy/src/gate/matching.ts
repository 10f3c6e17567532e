import { AddressRanges } from '@symbolon/settings/addresses';
import type { Configuration } from '../policy/configuration';

/** What policies look at in one command. */
export interface Facts {
  /** The OAuth application that the command came through, or that it is for. */
  readonly applicationId: string | null;
  /** The client's address. */
  readonly address: string | null;
  /** No successful sign-in from this address of late. */
  readonly newAddress: boolean;
  readonly context: string | null;
  /** Old and new value where the command changes it. */
  readonly classification: readonly string[];
  readonly label: readonly string[];
  readonly handling: readonly string[];
  /** Bytes of the payload; null = there is none. */
  readonly size: number | null;
  /** Devices that the command concerns. */
  readonly devices: readonly string[];
}

/** Every key that was given must hold (contract, section 14). */
export function matches(configuration: Configuration, facts: Facts): boolean {
  const { classification, label, handling, context, minimumSize, applicationId } = configuration;
  const { exceptAddresses, onlyNewAddress, deviceIdentifiers } = configuration;
  return (
    isOneOf(classification, facts.classification) &&
    isOneOf(label, facts.label) &&
    isOneOf(handling, facts.handling) &&
    (context === undefined || isLike(context, facts.context)) &&
    (minimumSize === undefined || (facts.size !== null && facts.size >= minimumSize)) &&
    (applicationId === undefined || isThrough(applicationId, facts.applicationId)) &&
    (exceptAddresses === undefined ||
      facts.address === null ||
      !new AddressRanges(exceptAddresses).hold(facts.address)) &&
    (onlyNewAddress !== true || facts.newAddress) &&
    (deviceIdentifiers === undefined || facts.devices.some((device) => deviceIdentifiers.includes(device)))
  );
}

function isOneOf(wanted: string | readonly string[] | undefined, values: readonly string[]): boolean {
  if (wanted === undefined) return true;
  const all = typeof wanted === 'string' ? [wanted] : wanted;
  return values.some((value) => all.includes(value));
}

function isLike(pattern: string, context: string | null): boolean {
  if (context === null) return false;
  return pattern.endsWith('*') ? context.startsWith(pattern.slice(0, -1)) : context === pattern;
}

function isThrough(wanted: string | readonly string[], applicationId: string | null): boolean {
  if (applicationId === null) return false;
  const all = typeof wanted === 'string' ? [wanted] : wanted;
  return all.includes('any') || all.includes(applicationId);
}
