import { Controller } from '@nestjs/common';
import { generateKeyPair } from '@symbolon/crypto';
import { Endpoint, type EndpointOptions } from '@symbolon/http';

const row: Omit<EndpointOptions, 'verb'> = {
  row: 19,
  name: 'Generate your private and public keys',
  group: 'Public key',
  path: '/public-key/generate-keys',
  access: 'T',
  device: true,
};

@Controller()
export class GenerateKeysController {
  @Endpoint({ ...row, verb: 'GET' })
  get() {
    return generateKeyPair();
  }

  @Endpoint({ ...row, verb: 'POST' })
  post() {
    return generateKeyPair();
  }
}
