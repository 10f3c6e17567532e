// A test that meets an unlucky moment on a busy machine is tried once more where nobody is there to start it again; what
// went wrong the first time is told all the same.
if (process.env['CI']) jest.retryTimes(1, { logErrorsBeforeRetry: true });
