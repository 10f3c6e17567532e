import type { ParcelRef } from '../exchange-data/exchange-data.decide';
import type { TokenEvent } from './token.events';

/** A life of a token, for specs. */
export const ada = '0193b4c6-0000-7000-8000-00000000ada0';
export const eve = '0193b4c6-0000-7000-8000-00000000e4e0';
export const tokenId = '0193b4c6-0000-7000-8000-000000000001';
export const deviceIdentifier = '0193b4c6-0000-7000-8000-0000000000d1';
export const morning = '2026-02-21T09:00:00.000+00:00';
export const noon = '2026-02-21T12:00:00.000+00:00';

export const parcel: ParcelRef = {
  parcelId: '0193b4c6-0000-7000-8000-0000000000f1',
  size: 5,
  sealedSize: 77,
  sha256: 'aa'.repeat(32),
  header: 'aGVhZGVy',
};

export const reserved: TokenEvent = {
  type: 'data_token.space_reserved',
  version: 1,
  data: { tokenId, profileId: ada, tokenHash: 'hash', expiresAt: noon },
  personal: { subject: ada, fields: { context: 'invoices/2026', meta: {} } },
};

export const exchanged: TokenEvent = {
  type: 'data_token.data_exchanged',
  version: 1,
  data: {
    tokenId,
    profileId: ada,
    version: 1,
    size: parcel.size,
    sealedSize: parcel.sealedSize,
    sha256: parcel.sha256,
    via: 'inline',
    dataKey: { keyId: parcel.parcelId, header: parcel.header },
  },
};

export const madePermanent: TokenEvent = {
  type: 'data_token.made_permanent',
  version: 1,
  data: { tokenId, version: 1, size: parcel.size, deviceIdentifier },
};

export const newParcel: ParcelRef = {
  parcelId: '0193b4c6-0000-7000-8000-0000000000f2',
  size: 7,
  sealedSize: 79,
  sha256: 'bb'.repeat(32),
  header: 'bmV3ZXI',
};

export const replaced: TokenEvent = {
  type: 'data_token.data_replaced',
  version: 1,
  data: {
    tokenId,
    profileId: ada,
    version: 2,
    size: newParcel.size,
    sealedSize: newParcel.sealedSize,
    sha256: newParcel.sha256,
    dataKey: { keyId: newParcel.parcelId, header: newParcel.header },
  },
  personal: { subject: ada, fields: { changes: { meta: {} } } },
};

export const confirmed: TokenEvent = {
  type: 'data_token.version_confirmed',
  version: 1,
  data: { tokenId, profileId: ada, version: 2, size: newParcel.size, deviceIdentifier },
};

export const writeFailed: TokenEvent = {
  type: 'data_token.write_failed',
  version: 1,
  data: { tokenId, version: 1, reason: 'storage.no_device_answered' },
};

export const expired: TokenEvent = { type: 'data_token.reservation_expired', version: 1, data: { tokenId } };

export const deleted: TokenEvent = {
  type: 'data_token.deleted',
  version: 1,
  data: { tokenId, profileId: ada, upToVersion: 1 },
};
