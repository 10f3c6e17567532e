import { scenario } from '@symbolon/testing';
import { device } from '../device/device.model';
import * as sample from '../device/sample-events';
import { removeStorage } from './remove-storage.decide';

const { ada, approved, deviceIdentifier, eve, registered, removed, storing, storingNoMore } = sample;
const { given } = scenario(device, removeStorage);
const command = { deviceIdentifier, profileId: ada };

describe('taking the storage role away', () => {
  test('is done', () => given(registered, approved, storing).when(command).then(storingNoMore));
  test('is refused where there is none', () => {
    given(registered, approved).when(command).refused('storage.not_registered');
    given(registered, approved, storing, storingNoMore).when(command).refused('storage.not_registered');
    given().when(command).refused('storage.not_registered');
  });
  test('is done again after the role was given again', () =>
    given(registered, approved, storing, storingNoMore, storing).when(command).then(storingNoMore));
  test('is refused on a device that was removed', () =>
    given(registered, approved, storing, storingNoMore, removed).when(command).refused('storage.not_registered'));
  test('is refused to whoever it does not store for', () =>
    given(registered, approved, storing)
      .when({ ...command, profileId: eve })
      .refused('storage.not_registered'));
});
