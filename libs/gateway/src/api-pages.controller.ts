import { Controller, Header } from '@nestjs/common';
import type { OpenAPIObject } from '@nestjs/swagger';
import { Endpoint, notFound } from '@symbolon/http';
import { Settings } from '@symbolon/settings';
import { apiPage } from './api-page';
import { describeMessages } from './asyncapi';

/** Holds the document once the process has made it. */
export class ApiDocument {
  document: OpenAPIObject | null = null;
}

@Controller()
export class ApiPagesController {
  constructor(
    private readonly api: ApiDocument,
    private readonly settings: Settings,
  ) {}

  @Endpoint({ name: 'OpenAPI document', group: 'Utility', verb: 'GET', path: '/openapi.json', access: 'none' })
  json(): OpenAPIObject {
    if (!this.api.document) throw notFound();
    return this.api.document;
  }

  @Endpoint({ name: 'AsyncAPI document', group: 'Utility', verb: 'GET', path: '/asyncapi.json', access: 'none' })
  messages(): object {
    return describeMessages(this.settings);
  }

  @Endpoint({ name: 'API pages', group: 'Utility', verb: 'GET', path: '/docs', access: 'none' })
  @Header('content-type', 'text/html; charset=utf-8')
  @Header(
    'content-security-policy',
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
  )
  page(): string {
    return apiPage(this.json());
  }
}
