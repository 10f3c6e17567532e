import { scenario } from '@symbolon/testing';
import { device } from '../device/device.model';
import { ada, approved, deviceIdentifier, eve, registered, rejected } from '../device/sample-events';
import { approveDevice } from './approve-device.decide';

const { given } = scenario(device, approveDevice);
const command = {
  ...approved.data,
  owner: ada,
  keyMissing: false,
  clientSecretOnce: 'sealed secret 1',
  deviceIdentifier,
};

describe('approving a device', () => {
  test('gives it a channel secret', () => given(registered).when(command).then(approved));
  test('needs the key where that is demanded', () =>
    given(registered)
      .when({ ...command, keyMissing: true })
      .refused('device.public_key_missing'));
  test('is refused a second time', () => given(registered, approved).when(command).refused('device.not_pending'));
  test('is refused after a rejection', () => given(registered, rejected).when(command).refused('device.not_pending'));
  test('is refused where there is no device', () => given().when(command).refused('device.not_found'));
  test('does not reveal to a stranger that the device exists', () =>
    given(registered, approved)
      .when({ ...command, owner: eve })
      .refused('device.not_found'));
});
