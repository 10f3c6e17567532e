import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const ticksPerSecond = 100;

/** Processor seconds of a process, as proc(5) shows them in /proc/PID/stat; null where there is no /proc. */
export function cpuOf(pid: number): number | null {
  const stat = statOf(pid);
  return stat && (stat.user + stat.system) / ticksPerSecond;
}

/** Processor seconds of a process and all its children, also those that have ended and were waited for. */
export function cpuOfFamily(pid: number): number | null {
  const own = statOf(pid);
  if (!own) return null;
  let ticks = own.user + own.system + own.ended;
  for (const name of readdirSync('/proc')) {
    const child = /^\d+$/.test(name) ? statOf(Number(name)) : null;
    if (child?.parent === pid) ticks += child.user + child.system;
  }
  return ticks / ticksPerSecond;
}

/** Resident memory in MiB: now, and the most since the last `forgetPeak`. */
export function memoryOf(pid: number): { readonly now: number; readonly peak: number } | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
    return { now: field('VmRSS'), peak: field('VmHWM') };
  } catch {
    return null;
  }
}

/** The peak counts from here on (proc(5), /proc/PID/clear_refs). */
export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // Without it the peak is that of the process's whole life: a stricter figure.
  }
}

function statOf(pid: number) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const at = (index: number) => Number(fields[index]);
    return { parent: at(1), user: at(11), system: at(12), ended: at(13) + at(14) };
  } catch {
    return null;
  }
}
