import { identityMigrations, IdentityModule } from '@symbolon/identity';
import { TestServer, type TestServerOptions } from '@symbolon/testing';
import { tokenVaultMigrations, TokenVaultModule } from '../src';
import { SimulatedDevices } from './simulated-devices';

/** The vault, and the profiles that own what is in it. */
export const contexts = {
  modules: [IdentityModule, TokenVaultModule],
  migrations: [...identityMigrations, ...tokenVaultMigrations],
  entities: [],
};

export interface TestVault {
  readonly server: TestServer;
  /** They answer for every storage device. */
  readonly devices: SimulatedDevices;
  stop(): Promise<void>;
}

export async function startVault({ clock }: Pick<TestServerOptions, 'clock'> = {}): Promise<TestVault> {
  const server = await TestServer.start({ contexts, ...(clock ? { clock } : {}) });
  const devices = new SimulatedDevices(server.served.app);
  return {
    server,
    devices,
    stop: async () => {
      await devices.stop();
      await server.stop();
    },
  };
}
