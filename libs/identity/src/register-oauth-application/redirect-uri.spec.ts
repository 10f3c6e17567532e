import { isRedirectUri } from './redirect-uri';

test.each([
  'https://app.example/back',
  'https://app.example:8443/back?a=1',
  'HTTPS://app.example',
  'http://localhost:3000/back',
  'http://127.0.0.1/back',
  'http://127.10.0.1:80/',
  'http://[::1]:8080/back',
])('%s will do', (uri) => expect(isRedirectUri(uri)).toBe(true));

test.each([
  'http://app.example/back',
  'http://localhost.example/back',
  'http://127.0.0.1.example/back',
  'http://localhost@app.example/',
  'ftp://app.example/back',
  'app.example/back',
  '/back',
  'https:app.example',
  'https://',
  ' https://app.example',
  'https://app.example/a b',
  'javascript:alert(1)',
  '',
])('"%s" will not', (uri) => expect(isRedirectUri(uri)).toBe(false));
