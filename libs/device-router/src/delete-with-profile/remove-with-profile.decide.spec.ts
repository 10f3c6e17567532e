import { scenario } from '@symbolon/testing';
import * as sample from '../device/sample-events';
import { device } from '../device/device.model';
import { removeWithProfile } from './remove-with-profile.decide';

const { registered, approved, rejected, removed, storing, storingNoMore, ada, eve, deviceIdentifier } = sample;
const { given } = scenario(device, removeWithProfile);
const command = { deviceIdentifier, owner: ada };

describe('removing a device with its owner', () => {
  test('removes it with its roles', () =>
    given(registered, approved, storing).when(command).then(removed, storingNoMore));
  test('removes it also before its approval', () => given(registered).when(command).then(removed));
  test('leaves alone what is over, and what is somebody else’s', () => {
    given().when(command).then();
    given(registered, rejected).when(command).then();
    given(registered, approved, removed).when(command).then();
    given(registered, approved)
      .when({ ...command, owner: eve })
      .then();
  });
});
