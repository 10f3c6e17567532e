export { identityMigrations } from './identity.migration';
export { IdentityModule } from './identity.module';
