import { scenario } from '@symbolon/testing';
import { device } from '../device/device.model';
import * as sample from '../device/sample-events';
import { recordRetrieval, renewSecret, rotateSecret, showSecret } from './retrieve-configuration.decide';

const { approved, deviceIdentifier, registered, rejected, retrieved, retrievedAgain, rotated } = sample;

describe("a device's channel secret", () => {
  const { given } = scenario(device, showSecret);
  const first = { deviceIdentifier, secretKeyId: 'secret-key 1' };
  const second = { deviceIdentifier, secretKeyId: 'secret-key 2' };

  test('is shown', () => given(registered, approved).when(first).then(retrieved));
  test('is shown once', () => given(registered, approved, retrieved).when(first).then());
  test('is still to be shown after retrievals without it', () =>
    given(registered, approved, retrievedAgain).when(first).then(retrieved));
  test('gives way to the one that a rotation made', () => {
    given(registered, approved, rotated).when(first).then();
    given(registered, approved, retrieved, rotated).when(second).then(retrieved);
  });
  test('is not there before the approval', () => given(registered).when(first).refused('device.not_approved'));
});

describe('a later retrieval', () => {
  const { given } = scenario(device, recordRetrieval);
  test('is recorded', () => given(registered, approved, retrieved).when({ deviceIdentifier }).then(retrievedAgain));
  test('is refused without approval', () =>
    given(registered, rejected).when({ deviceIdentifier }).refused('device.not_approved'));
});

describe('rotating the secret', () => {
  const { given } = scenario(device, rotateSecret);
  const command = { ...rotated.data, clientSecretOnce: 'sealed secret 2' };
  test('replaces and shows it', () => given(registered, approved).when(command).then(rotated, retrieved));
  test('is refused without approval', () => {
    given(registered).when(command).refused('device.not_approved');
    given().when(command).refused('device.not_approved');
  });
});

describe('renewing the secret', () => {
  const { given } = scenario(device, renewSecret);
  const command = { ...rotated.data, clientSecretOnce: 'sealed secret 2' };
  test('replaces it, to be shown later', () => given(registered, approved, retrieved).when(command).then(rotated));
  test('is refused without approval', () => {
    given(registered).when(command).refused('device.not_approved');
    given(registered, approved, sample.removed).when(command).refused('device.not_approved');
  });
});
