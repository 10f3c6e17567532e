import { scenario } from '@symbolon/testing';
import { device } from '../device/device.model';
import * as sample from '../device/sample-events';
import { configureDeviceMeta } from './configure-device-meta.decide';

const { ada, approved, deviceIdentifier, eve, registered, rejected, removed, renamed } = sample;
const { given } = scenario(device, configureDeviceMeta);
const command = { deviceIdentifier, owner: ada, name: 'cellar server', meta: null };

describe('what a device is called', () => {
  test('changes, whatever its status', () => {
    given(registered).when(command).then(renamed);
    given(registered, approved).when(command).then(renamed);
    given(registered, rejected).when(command).then(renamed);
  });
  test('changes with its meta or without', () => {
    const meta = { rack: 7 };
    given(registered)
      .when({ ...command, name: null, meta })
      .then({
        ...renamed,
        data: { deviceIdentifier, changed: ['meta'] },
        personal: { subject: ada, fields: { meta } },
      });
    given(registered)
      .when({ ...command, meta })
      .then({
        ...renamed,
        data: { deviceIdentifier, changed: ['deviceName', 'meta'] },
        personal: { subject: ada, fields: { deviceName: 'cellar server', meta } },
      });
  });
  test('stays once it was removed', () =>
    given(registered, approved, removed).when(command).refused('device.not_found'));
  test('is not for strangers, nor is that the device exists', () => {
    given(registered)
      .when({ ...command, owner: eve })
      .refused('device.not_found');
    given().when(command).refused('device.not_found');
  });
});
