import { scenario } from '@symbolon/testing';
import { configureSecurityMeta } from '../configure-security-meta/configure-security-meta.decide';
import * as sample from '../token/sample-events';
import { token } from '../token/token.model';
import { configureFileMeta } from './configure-file-meta.decide';

const { reserved, exchanged, madePermanent, expired, deleted, ada, eve, morning, tokenId } = sample;

describe('configuring file meta', () => {
  const { given } = scenario(token, configureFileMeta);
  const command = {
    tokenId,
    owner: ada,
    begunAt: morning,
    file: { fileName: 'a.txt', extension: 'txt' },
    context: null,
  };
  const configured = {
    type: 'data_token.file_meta_configured',
    version: 1,
    data: { tokenId },
    personal: { subject: ada, fields: { file: command.file, context: null } },
  } as const;

  test('holds for temporary and permanent tokens', () => {
    given(reserved).when(command).then(configured);
    given(reserved, exchanged, madePermanent).when(command).then(configured);
  });
  test('is refused for what is not there, or not mine', () => {
    given(reserved, expired).when(command).refused('data_token.not_found');
    given(reserved, deleted).when(command).refused('data_token.not_found');
    given(reserved)
      .when({ ...command, owner: eve })
      .refused('data_token.not_found');
  });
});

describe('configuring the information security risk', () => {
  const { given } = scenario(token, configureSecurityMeta);
  const fields = { classification: 'internal', label: 'amber', handling: 'lock away' };
  const command = { tokenId, owner: ada, begunAt: morning, ...fields };

  test('is for permanent tokens', () => {
    given(reserved, exchanged, madePermanent)
      .when(command)
      .then({
        type: 'data_token.security_meta_configured',
        version: 1,
        data: { tokenId },
        personal: { subject: ada, fields },
      });
    given(reserved).when(command).refused('data_token.not_permanent');
    given(reserved, exchanged).when(command).refused('data_token.not_permanent');
  });
  test('is refused for what is not there, or not mine', () => {
    given().when(command).refused('data_token.not_found');
    given(reserved, exchanged, madePermanent)
      .when({ ...command, owner: eve })
      .refused('data_token.not_found');
  });
});
