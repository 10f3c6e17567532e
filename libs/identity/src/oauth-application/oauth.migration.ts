import type { MigrationInterface, QueryRunner } from 'typeorm';

export class OAuth1700000510000 implements MigrationInterface {
  readonly name = 'OAuth1700000510000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      create table identity.oauth_application (
        application_id uuid primary key,
        profile_id     uuid not null,
        client_id      uuid not null,
        redirect_uri   text not null,
        scopes         text[] not null,
        secret_key_id  uuid not null,
        registered     jsonb not null,
        created_at     timestamptz not null
      );
      create unique index oauth_application_client on identity.oauth_application (client_id);
      create index oauth_application_profile on identity.oauth_application (profile_id, created_at, application_id);

      -- usable_until: of the consent, then of its code, then of the youngest refresh token.
      create table identity.oauth_authorization (
        authorization_id uuid primary key,
        application_id   uuid not null,
        profile_id       uuid not null,
        scope            text[] not null,
        code_id          uuid,
        token_id         uuid,
        usable_until     timestamptz not null,
        ended            boolean not null,
        created_at       timestamptz not null
      );
      create unique index oauth_authorization_code on identity.oauth_authorization (code_id);
      create index oauth_authorization_profile on identity.oauth_authorization (profile_id, application_id);
      create index oauth_authorization_application on identity.oauth_authorization (application_id);
      create index oauth_authorization_over on identity.oauth_authorization (usable_until);

      create table identity.oauth_token (
        token_id           uuid primary key,
        authorization_id   uuid not null,
        expires_at         timestamptz not null,
        refresh_expires_at timestamptz not null
      );
      create index oauth_token_over on identity.oauth_token (refresh_expires_at);
      create index oauth_token_authorization on identity.oauth_token (authorization_id);

      create index session_over on identity.session (expires_at);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      drop index identity.session_over;
      drop table identity.oauth_token, identity.oauth_authorization, identity.oauth_application;
    `);
  }
}
