const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** An https URI, or an http one on a loopback host. Parsers forgive white space; a URI has none. */
export function isRedirectUri(text: string): boolean {
  if (!/^[\x21-\x7e]+$/.test(text) || !URL.canParse(text) || !/^https?:\/\//i.test(text)) return false;
  const { protocol, hostname } = new URL(text);
  return protocol === 'https:' || loopback.test(hostname);
}
