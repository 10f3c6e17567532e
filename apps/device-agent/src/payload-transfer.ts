import { type ClientRequest, type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';

/** The one-time URL is spent, expired or void: a new one comes with the next delivery of the order. */
export class UrlDead extends Error {
  constructor(status: number) {
    super(`the one-time URL answers ${status}`);
    this.name = 'UrlDead';
  }
}

/** The transfer broke or the server is busy; the URL may still be good. */
export class TransferBroken extends Error {
  constructor(
    message: string,
    /** Did the server say so itself? */
    readonly answered: boolean,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = 'TransferBroken';
  }
}

const idle = 60_000;

/** Opens a download. Throws `UrlDead` or `TransferBroken`; the stream itself may fail later. */
export async function startDownload(url: string, signal: AbortSignal): Promise<IncomingMessage> {
  const request = begin(url, { method: 'GET', signal });
  const answer = answerOf(request);
  request.end();
  const response = await answer;
  if (response.statusCode === 200) return response;
  response.destroy();
  throw failure(response.statusCode ?? 0);
}

/**
 * Sends a body of known length. `body` writes it to the request and resolves when everything has passed; its own
 * failures come back as they are. Throws `UrlDead` or `TransferBroken`.
 */
export async function upload(
  url: string,
  length: number,
  signal: AbortSignal,
  body: (request: ClientRequest) => Promise<void>,
): Promise<void> {
  const headers = { 'content-type': 'application/octet-stream', 'content-length': length };
  const request = begin(url, { method: 'POST', signal, headers });
  const answer = answerOf(request);
  answer.catch(() => undefined);
  const sending = body(request);
  // An early refusal ends the sending; its own error is then of no interest.
  const first = await Promise.race([answer, sending.then(() => null)]);
  const response = first ?? (await answer);
  response.resume();
  if (response.statusCode === 204 || response.statusCode === 200) return sending;
  request.destroy();
  await sending.catch(() => undefined);
  throw failure(response.statusCode ?? 0);
}

function begin(
  url: string,
  options: { method: string; signal: AbortSignal; headers?: Record<string, string | number> },
): ClientRequest {
  const request = (new URL(url).protocol === 'https:' ? tlsRequest : plainRequest)(url, options);
  request.setTimeout(idle, () => request.destroy(new Error('nothing moved for a minute')));
  return request;
}

function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.on('error', (error) => reject(new TransferBroken(error.message, false, { cause: error })));
  });
}

function failure(status: number): Error {
  return status === 429 || status >= 500
    ? new TransferBroken(`the server answers ${status}`, true)
    : new UrlDead(status);
}
