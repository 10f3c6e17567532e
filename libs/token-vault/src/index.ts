export { tokenVaultMigrations } from './token-vault.migration';
export { TokenVaultModule } from './token-vault.module';

/** Rows are read by SQL: the context has no entities. */
export const tokenVaultEntities = [];
