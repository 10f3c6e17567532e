import type { CommandAccepted, DataRequested } from '@symbolon/contracts';
import { insert, type Projection, remove } from '@symbolon/projection';
import { isOnToken, type TokenInput } from './token-commands';

const devices = 'token_vault.storage_device';
const keys = 'token_vault.public_key';
const pending = 'token_vault.pending_command';
const batches = 'token_vault.pending_batch';
const readings = 'token_vault.open_retrieval';

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

/** Requests whose data is still on its way: their key stays, also where a newer version holds meanwhile. */
export const openRetrievals: Projection = {
  name: 'token-vault.open-retrievals',
  version: 1,
  categories: ['retrieval'],
  tables: [readings],
  on: {
    'data_token.data_requested': ({ data }) => {
      const { requestId, tokenId, dataKey } = data as DataRequested['data'];
      return [insert(readings, { request_id: requestId }, { token_id: tokenId, key_id: dataKey.keyId })];
    },
    'data_token.data_ready': answered,
    'data_token.retrieval_failed': answered,
  },
};

function answered({ data }: { data: unknown }) {
  return [remove(readings, { request_id: (data as { requestId: string }).requestId })];
}

/** Commands on tokens that have not ended: while there is one, a reservation does not expire and a parcel stays. */
export const pendingCommands: Projection = {
  name: 'token-vault.pending-commands',
  version: 2,
  categories: ['command'],
  tables: [pending, batches],
  on: {
    'command.accepted': async (event, boxes) => {
      const { commandId, commandType, profileId } = event.data as CommandAccepted['data'];
      if (!profileId || !isOnToken(commandType)) return [];
      const personal = await boxes.open(event, profileId);
      const input = personal?.['input'] as TokenInput | undefined;
      const parcels = input?.items?.flatMap(({ parcel }) => parcel?.parcelId ?? []) ?? [];
      if (parcels.length > 0) return [insert(batches, { command_id: commandId }, { parcel_ids: parcels })];
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
  const key = { command_id: (data as { commandId: string }).commandId };
  return [remove(pending, key), remove(batches, key)];
}
