import { scenario } from '@symbolon/testing';
import { application } from '../oauth-application/application.model';
import { registered } from '../oauth-application/sample-events';
import { registerApplication } from './register-application.decide';

const { given } = scenario(application, registerApplication);
const command = { ...registered.data, ...registered.personal!.fields };

describe('registering an application', () => {
  test('keeps its name and secret for the owner alone', () => given().when(command).then(registered));
  test('happens once', () => given(registered).when(command).then());
});
