import { Agent, get } from 'node:http';
import { json } from 'node:stream/consumers';
import { type Assertions, uuid7 } from '@symbolon/crypto';
import { assertionHeader, claimsOf } from '@symbolon/http';
import { Unavailable } from '@symbolon/kernel';
import type { DeviceErrand, PresenceSource } from '@symbolon/platform';
import type { ServiceAddresses, ServiceName } from '@symbolon/settings';
import { mostDevices } from './questions.controller';

const patience = 5000;
const nobody = {
  session: null,
  application: null,
  accessToken: null,
  address: { ip: null, userAgent: null, location: null },
};

/** Asks another context what only its process knows; throws `Unavailable` where it does not answer. Nothing is written so. */
export class Questions {
  private readonly agent = new Agent({ keepAlive: true });

  constructor(
    private readonly services: ServiceAddresses,
    private readonly assertions: Assertions,
  ) {}

  seen: PresenceSource = async (deviceIdentifiers) => {
    const found = new Map<
      string,
      Awaited<ReturnType<PresenceSource>> extends ReadonlyMap<string, infer T> ? T : never
    >();
    for (let from = 0; from < deviceIdentifiers.length; from += mostDevices) {
      const devices = deviceIdentifiers.slice(from, from + mostDevices).join(',');
      const answer = (await this.ask('device-router', `/service/presence?devices=${devices}`)) as Record<string, never>;
      for (const [id, seen] of Object.entries(answer)) found.set(id, seen);
    }
    return found;
  };

  carriers = async ({ profileId, tokenId, deviceIdentifiers = [] }: DeviceErrand): Promise<void> => {
    const query = new URLSearchParams({
      profileId,
      ...(tokenId ? { tokenId } : {}),
      ...(deviceIdentifiers.length > 0 ? { devices: deviceIdentifiers.join(',') } : {}),
    });
    await this.ask('device-router', `/service/carriers?${query.toString()}`);
  };

  close(): void {
    this.agent.destroy();
  }

  private ask(service: ServiceName, url: string): Promise<unknown> {
    const { host, port } = this.services[service];
    const assertion = this.assertions.make(
      { audience: service, method: 'GET', url },
      claimsOf({ ...nobody, requestId: uuid7() }),
    );
    return new Promise((resolve, reject) => {
      const away = () => reject(new Unavailable(service));
      const asking = get({
        agent: this.agent,
        host,
        port,
        path: url,
        timeout: patience,
        headers: { [assertionHeader]: assertion },
      });
      asking.once('response', (answer) => {
        if (answer.statusCode === 200) return void json(answer).then(resolve, away);
        answer.resume();
        if (answer.statusCode === 204) resolve(null);
        else away();
      });
      asking.once('timeout', () => asking.destroy());
      asking.once('error', away);
    });
  }
}
