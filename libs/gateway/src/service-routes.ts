import type { Type } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { endpointsOf } from '@symbolon/http';
import { isServiceName } from '@symbolon/settings';

/** Who answers what belongs to no context: status, health, channels and pages. */
export const gatewayName = 'gateway';
/** One-time URLs: which context an auth belongs to only its row says. */
export const transferName = 'transfer';

/** Which service answers each route, by `VERB /pattern`: the context whose module declares it. */
export function serviceRoutes(app: NestFastifyApplication): ReadonlyMap<string, string> {
  const routes = new Map<string, string>();
  for (const { metatype, controllers } of app.get(ModulesContainer).values()) {
    const service = nameOf(metatype);
    for (const { metatype: controller } of controllers.values()) {
      for (const { verb, path, aliases = [] } of endpointsOf(controller as Type)) {
        for (const url of [path, ...aliases]) routes.set(`${verb} ${url}`, service);
      }
    }
  }
  return routes;
}

/** `TokenVaultModule` is the module of `token-vault`. */
function nameOf({ name }: { readonly name: string }): string {
  const kebab = name
    .replace(/Module$/, '')
    .replace(/(?<=.)[A-Z]/g, '-$&')
    .toLowerCase();
  if (kebab === transferName) return transferName;
  return isServiceName(kebab) ? kebab : gatewayName;
}
