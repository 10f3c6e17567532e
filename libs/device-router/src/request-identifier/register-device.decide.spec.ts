import { scenario } from '@symbolon/testing';
import { device } from '../device/device.model';
import { ada, registered } from '../device/sample-events';
import { registerDevice } from './register-device.decide';

const { given } = scenario(device, registerDevice);
const command = { ...registered.data, ownerProfileId: ada, ...registered.personal!.fields, meta: null };

describe('registering a device', () => {
  test('keeps name, meta and login for the owner alone', () => given().when(command).then(registered));
  test('happens once', () => given(registered).when(command).then());
});
