import { scenario } from '@symbolon/testing';
import { device } from '../device/device.model';
import * as sample from '../device/sample-events';
import { removeDevice } from './remove-device.decide';

const { ada, approved, deviceIdentifier, eve, registered, rejected, removed, storing, storingNoMore } = sample;
const { given } = scenario(device, removeDevice);
const command = { deviceIdentifier, owner: ada };

describe('removing a device', () => {
  test('is final', () => {
    given(registered, approved).when(command).then(removed);
    given(registered, approved, removed).when(command).refused('device.not_found');
  });
  test('ends its storage roles', () => {
    given(registered, approved, storing).when(command).then(removed, storingNoMore);
    const storingForEve = { ...storing, data: { deviceIdentifier, profileId: eve } };
    const notForEve = { ...storingNoMore, data: { deviceIdentifier, profileId: eve } };
    given(registered, approved, storing, storingForEve).when(command).then(removed, storingNoMore, notForEve);
    given(registered, approved, storing, storingNoMore).when(command).then(removed);
  });
  test('is refused before the approval, and after a rejection', () => {
    given(registered).when(command).refused('device.not_found');
    given(registered, rejected).when(command).refused('device.not_found');
    given().when(command).refused('device.not_found');
  });
  test('does not reveal to a stranger that the device exists', () =>
    given(registered, approved)
      .when({ ...command, owner: eve })
      .refused('device.not_found'));
});
