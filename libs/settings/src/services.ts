import { type Address, address } from './forms';

/** The contexts that can run as processes of their own behind a gateway. */
export const serviceNames = ['identity', 'token-vault', 'device-router', 'policy', 'voting'] as const;
export type ServiceName = (typeof serviceNames)[number];

/** Where the gateway finds each of them. */
export type ServiceAddresses = Readonly<Record<ServiceName, Address>>;

/** As it would stand in the environment. */
export const defaultServices = serviceNames.map((name, index) => `${name}=127.0.0.1:${8011 + index}`).join(',');

export function isServiceName(text: string): text is ServiceName {
  return (serviceNames as readonly string[]).includes(text);
}

/** `name=host:port` of each service, with commas between them; who is not named is where he is by default. */
export function serviceAddresses(text: string): ServiceAddresses {
  const found = { ...(text === defaultServices ? {} : serviceAddresses(defaultServices)) } as Record<
    ServiceName,
    Address
  >;
  const named = new Set<string>();
  for (const item of text.split(',').map((part) => part.trim())) {
    if (item === '') continue;
    const [name = '', at = '', ...more] = item.split('=');
    if (!isServiceName(name) || more.length > 0 || named.has(name)) {
      throw new Error(`must be a comma list of name=host:port with each of ${serviceNames.join(', ')} at most once`);
    }
    named.add(name);
    found[name] = address(at);
  }
  const places = Object.values(found).map(({ host, port }) => `${host}:${port}`);
  if (new Set(places).size < places.length) throw new Error('must name an address of its own for each service');
  return found;
}
