import type { Slice } from '@symbolon/http';
import { DeviceLogins } from './device-login';
import { RetrieveIdentifierController } from './retrieve-identifier.controller';

export const retrieveIdentifier: Slice = { controllers: [RetrieveIdentifierController], providers: [DeviceLogins] };
