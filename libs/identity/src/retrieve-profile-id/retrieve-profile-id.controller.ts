import { Controller } from '@nestjs/common';
import type { ProfileCaller } from '@symbolon/command-log';
import { CallerOf, Endpoint } from '@symbolon/http';

@Controller()
export class RetrieveProfileIdController {
  @Endpoint({
    row: 5,
    name: 'Retrieve profile id',
    group: 'Profile',
    verb: 'GET',
    path: '/profile/retrieve-profile-id',
    access: 'T',
    scope: 'profile:read',
    device: true,
  })
  retrieve(@CallerOf() { profileId }: ProfileCaller) {
    return { profileId };
  }
}
