import { scenario } from '@symbolon/testing';
import { device } from '../device/device.model';
import { ada, approved, deviceIdentifier, eve, registered, rejected } from '../device/sample-events';
import { rejectDevice } from './reject-device.decide';

const { given } = scenario(device, rejectDevice);
const command = { deviceIdentifier, owner: ada };

describe('rejecting a device', () => {
  test('is final', () => {
    given(registered).when(command).then(rejected);
    given(registered, rejected).when(command).refused('device.not_pending');
  });
  test('is refused after the approval', () => given(registered, approved).when(command).refused('device.not_pending'));
  test('is refused where there is no device', () => given().when(command).refused('device.not_found'));
  test('does not reveal to a stranger that the device exists', () =>
    given(registered)
      .when({ ...command, owner: eve })
      .refused('device.not_found'));
});
