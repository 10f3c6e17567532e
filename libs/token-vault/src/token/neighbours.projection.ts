import type { CommandAccepted } from '@symbolon/contracts';
import { insert, type Projection, remove } from '@symbolon/projection';

const devices = 'token_vault.storage_device';
const keys = 'token_vault.public_key';
const pending = 'token_vault.pending_command';

/** Which devices data may go to. */
export const storageDevices: Projection = {
  name: 'token-vault.storage-devices',
  version: 1,
  categories: ['device'],
  tables: [devices],
  on: {
    'storage.registered': ({ data }) => {
      const { deviceIdentifier, profileId } = data as { deviceIdentifier: string; profileId: string };
      return [insert(devices, { device_identifier: deviceIdentifier }, { profile_id: profileId })];
    },
    'storage.removed': gone,
    'device.removed': gone,
  },
};

function gone({ data }: { data: unknown }) {
  return [remove(devices, { device_identifier: (data as { deviceIdentifier: string }).deviceIdentifier })];
}

/** The keys that sealed downloads go to. */
export const publicKeys: Projection = {
  name: 'token-vault.public-keys',
  version: 1,
  categories: ['profile'],
  tables: [keys],
  on: { 'public_key.registered': keyOf, 'public_key.replaced': keyOf },
};

function keyOf({ data }: { data: unknown }) {
  const { profileId, publicKey } = data as { profileId: string; publicKey: string };
  return [insert(keys, { profile_id: profileId }, { public_key: publicKey })];
}

/** Commands on tokens that have not ended: while there is one, a reservation does not expire and a parcel stays. */
export const pendingCommands: Projection = {
  name: 'token-vault.pending-commands',
  version: 1,
  categories: ['command'],
  tables: [pending],
  on: {
    'command.accepted': async (event, boxes) => {
      const { commandId, commandType, profileId } = event.data as CommandAccepted['data'];
      if (!profileId || !(commandType.startsWith('data-token/') || commandType === 'upstream')) return [];
      const personal = await boxes.open(event, profileId);
      const input = personal?.['input'] as
        { tokenId?: string | null; parcel?: { parcelId: string } | null } | undefined;
      if (!input?.tokenId) return [];
      return [
        insert(
          pending,
          { command_id: commandId },
          { token_id: input.tokenId, parcel_id: input.parcel?.parcelId ?? null },
        ),
      ];
    },
    'command.succeeded': ended,
    'command.rejected': ended,
  },
};

function ended({ data }: { data: unknown }) {
  return [remove(pending, { command_id: (data as { commandId: string }).commandId })];
}
