import { Module, type OnModuleInit } from '@nestjs/common';
import { CommandStatuses } from '@symbolon/command-log';
import { KeyStore } from '@symbolon/crypto';
import { controllersOf, providersOf } from '@symbolon/http';
import { Registry } from '@symbolon/platform';
import { ConfigureFileMeta } from './configure-file-meta/configure-file-meta.command';
import { ConfigureSecurityMeta } from './configure-security-meta/configure-security-meta.command';
import { DeleteData } from './delete-data/delete-data.command';
import { OpenParcels } from './deliver-data/open-parcels';
import { ExchangeData, ExchangeUpload } from './exchange-data/exchange-data.command';
import { ClearRejected } from './parcel/clear-rejected.reactor';
import { Batches } from './batch/batches';
import { Parcels } from './parcel/parcels';
import { RetireVersions } from './parcel/retire-versions';
import * as slices from './slices';
import { openRetrievals, pendingCommands, publicKeys, storageDevices } from './token/neighbours.projection';
import { operations } from './token/operations.projection';
import { tokenList } from './token/token-list.projection';
import { FileSections } from './token/file-sections.query';
import { Tokens } from './token/tokens.query';
import { UpdateData } from './update-data/update-data.command';

/** Commands whose result names a token. */
const namingTokens = [ExchangeData, ExchangeUpload, ConfigureSecurityMeta, ConfigureFileMeta, UpdateData, DeleteData];

@Module({
  controllers: controllersOf(slices),
  providers: [
    ...providersOf(slices),
    Tokens,
    FileSections,
    Parcels,
    Batches,
    ClearRejected,
    RetireVersions,
    OpenParcels,
  ],
})
export class TokenVaultModule implements OnModuleInit {
  constructor(
    private readonly registry: Registry,
    private readonly statuses: CommandStatuses,
    private readonly keys: KeyStore,
  ) {}

  onModuleInit(): void {
    this.registry.projections(tokenList, operations, storageDevices, publicKeys, pendingCommands, openRetrievals);
    const types = namingTokens.map(({ type }) => type);
    this.statuses.present(types, async ({ tokenId, ...rest }, profileId) => ({
      token: await this.keys.readString(profileId, String(tokenId)),
      ...rest,
    }));
  }
}
