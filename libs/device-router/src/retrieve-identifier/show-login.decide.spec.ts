import { scenario } from '@symbolon/testing';
import { device } from '../device/device.model';
import { approved, deviceIdentifier, loginShown, registered } from '../device/sample-events';
import { showLogin } from './show-login.decide';

const { given } = scenario(device, showLogin);

describe("a device's login", () => {
  test('is shown', () => given(registered).when({ deviceIdentifier }).then(loginShown));
  test('is shown once', () => given(registered, loginShown).when({ deviceIdentifier }).then());
  test('is shown after the approval as well', () =>
    given(registered, approved).when({ deviceIdentifier }).then(loginShown));
  test('is nobody’s before there is a device', () => given().when({ deviceIdentifier }).then());
});
