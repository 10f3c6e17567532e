import { scenario } from '@symbolon/testing';
import { device } from '../device/device.model';
import * as sample from '../device/sample-events';
import { registerStorage } from './register-storage.decide';

const { ada, approved, deviceIdentifier, eve, registered, rejected, storing, storingNoMore } = sample;
const { given } = scenario(device, registerStorage);
const command = { deviceIdentifier, owner: ada, hasKey: true };

describe('making a device a storage device', () => {
  test('takes an approved device with a key', () => given(registered, approved).when(command).then(storing));
  test('is refused before the approval', () => given(registered).when(command).refused('device.not_approved'));
  test('is refused for a rejected device', () =>
    given(registered, rejected).when(command).refused('device.not_approved'));
  test('is refused without a key', () =>
    given(registered, approved)
      .when({ ...command, hasKey: false })
      .refused('device.public_key_missing'));
  test('is refused twice', () =>
    given(registered, approved, storing).when(command).refused('storage.already_registered'));
  test('may be repeated after the role was taken away', () =>
    given(registered, approved, storing, storingNoMore).when(command).then(storing));
  test('does not reveal to a stranger that the device exists', () =>
    given(registered, approved, storing)
      .when({ ...command, owner: eve })
      .refused('device.not_found'));
});
