import { Controller, Header } from '@nestjs/common';
import { KeyStore } from '@symbolon/crypto';
import { Endpoint } from '@symbolon/http';
import { wholeSeconds } from '@symbolon/kernel';

@Controller()
export class ServerKeysController {
  constructor(private readonly keys: KeyStore) {}

  @Endpoint({
    row: 22,
    name: 'Retrieve CAB public key',
    group: 'Public key',
    verb: 'GET',
    path: '/dptcab/public-key',
    aliases: ['/public-key/retrieve-cab-public-key'],
    access: 'none',
  })
  sealing() {
    const { publicKey, keyId, createdAt } = this.keys.sealKeys();
    return { publicKey, keyId, createdAt: wholeSeconds(createdAt) };
  }

  @Endpoint({ name: 'Signing keys', group: 'Public key', verb: 'GET', path: '/.well-known/jwks.json', access: 'none' })
  @Header('content-type', 'application/jwk-set+json')
  @Header('cache-control', 'max-age=3600')
  signing() {
    return this.keys.jwks();
  }
}
