/** What the vault's commands have in their input, as far as other parts of the vault look at it. */
export interface TokenInput {
  readonly tokenId?: string | null;
  readonly parcel?: { readonly parcelId: string } | null;
  /** Of a batch. */
  readonly items?: ReadonlyArray<{
    readonly tokenId?: string | null;
    readonly parcel?: { readonly parcelId: string } | null;
  }>;
}

/** Whether commands of this type concern tokens. */
export function isOnToken(commandType: string): boolean {
  return commandType.startsWith('data-token/') || commandType === 'upstream';
}
