// The program of a sealing thread: does what `sealing-threads.ts` hands it.
import { parentPort } from 'node:worker_threads';
import { type Task, ThreadJobs } from './thread-jobs';

const jobs = new ThreadJobs();

parentPort?.on('message', (task: Task) => {
  const answer = jobs.handle(task);
  if (!answer) return;
  if (!('bytes' in answer)) {
    parentPort?.postMessage(answer);
    return;
  }
  // Only what has its memory for itself can be handed over.
  const alone = answer.bytes.length > 0 && answer.bytes.length === answer.bytes.buffer.byteLength;
  const bytes = alone ? answer.bytes : Uint8Array.from(answer.bytes);
  parentPort?.postMessage({ ...answer, bytes }, [bytes.buffer as ArrayBuffer]);
});
