import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { exits } from '@symbolon/contracts';
import { type DeviceItem, Refused, type Session } from '@symbolon/sdk';
import type { Context } from './context';
import { homeDirectory, makePrivateDirectory, writePrivately } from './credentials';
import { CliError } from './failure';
import { table } from './terminal';

export interface AddOptions {
  readonly dir?: string;
  readonly approve: boolean;
}

/**
 * Registers a device, approves it and puts all that its agent needs into a directory. Nothing there opens data: the
 * device makes its own keys when it first runs.
 */
export async function add(context: Context, name: string, options: AddOptions): Promise<void> {
  await context.session({ channel: true }, async (session) => {
    if (options.dir) await refuseOtherDevice(options.dir);
    const requested = await session.devices.add(name, context.patience);
    const { deviceIdentifier } = requested.body;
    const dir = resolve(options.dir ?? deviceDirectory(context, deviceIdentifier));
    await makePrivateDirectory(dir);
    const { username, password } = await session.devices.login(requested.commandId);
    // Shown once, so it is on the disk before anything else can fail.
    await writeJson(join(dir, 'login.json'), { url: context.url, username, password });
    if (options.approve) {
      await session.devices.approve(deviceIdentifier, context.patience);
      await writeJson(join(dir, 'device.json'), await session.devices.configuration(deviceIdentifier));
    }
    context.terminal.result(
      { deviceIdentifier, name, status: options.approve ? 'approved' : 'pending', dir },
      deviceIdentifier,
    );
    context.terminal.hint(
      options.approve
        ? `Start it with: symbolon device run --dir ${dir} --storage`
        : `Next: symbolon device approve ${deviceIdentifier} --dir ${dir}`,
    );
  });
}

export interface ApproveOptions {
  readonly dir?: string;
}

/** Approves a device; with a directory, puts its configuration there. */
export async function approve(context: Context, deviceIdentifier: string, options: ApproveOptions): Promise<void> {
  await context.session({ channel: true }, async (session) => {
    await session.devices.approve(deviceIdentifier, context.patience);
    const dir = await directoryFor(context, deviceIdentifier, options.dir);
    if (dir) await writeJson(join(dir, 'device.json'), await session.devices.configuration(deviceIdentifier));
    context.terminal.result({ deviceIdentifier, status: 'approved', dir }, deviceIdentifier);
    if (dir) context.terminal.hint(`Start it with: symbolon device run --dir ${dir} --storage`);
  });
}

export async function reject(context: Context, deviceIdentifier: string): Promise<void> {
  await context.session({ channel: true }, (session) => session.devices.reject(deviceIdentifier, context.patience));
  context.terminal.result({ deviceIdentifier, status: 'rejected' }, deviceIdentifier);
}

export interface DeviceListOptions {
  readonly status?: DeviceItem['status'];
  readonly page?: number;
  readonly perPage?: number;
}

export async function list(context: Context, { status, page, perPage }: DeviceListOptions): Promise<void> {
  await context.session({ channel: false }, async (session) => {
    const found = await session.devices.list(status ? { status } : {}, { page, perPage });
    const rows = found.items.map((device) => [
      device.deviceIdentifier,
      device.status,
      device.online ? 'online' : 'offline',
      device.roles.join(', ') || '-',
      device.publicKeyRegistered ? 'yes' : 'no',
      device.name,
    ]);
    context.terminal.result(
      found,
      rows.length === 0 ? '' : table(['DEVICE', 'STATUS', 'CHANNEL', 'ROLES', 'KEY', 'NAME'], rows),
    );
  });
}

/** Makes an approved device a storage device, as soon as it has registered its key. */
export async function enable(context: Context, deviceIdentifier: string): Promise<void> {
  await context.session({ channel: true }, (session) => enableIn(session, context, deviceIdentifier));
  context.terminal.result({ deviceIdentifier, roles: ['storage'] }, deviceIdentifier);
}

/** Milliseconds between two looks whether the device has registered its key. */
const LOOK_AGAIN_MS = 300;

export async function enableIn(
  session: Session,
  context: Context,
  deviceIdentifier: string,
  role: 'storage' | 'authenticator' = 'storage',
): Promise<void> {
  const { signal, timeout } = context;
  const until = timeout === undefined ? Infinity : Date.now() + timeout * 1000;
  for (let told = false; !(await session.registeredKey(deviceIdentifier)); told = true) {
    if (Date.now() > until) {
      throw new CliError(
        'The device has not registered its key in time. Is it running?',
        exits.unavailable,
        'timed_out',
      );
    }
    if (!told) context.terminal.hint('Waiting until the device has registered its key …');
    await setTimeout(LOOK_AGAIN_MS, undefined, { signal });
  }
  try {
    const roles = role === 'storage' ? session.storage : session.authenticators;
    await roles.register(deviceIdentifier, context.patience);
  } catch (error) {
    if (!(error instanceof Refused && error.key === `${role}.already_registered`)) throw error;
  }
}

/** Where the program keeps a device when it is not told where. */
function deviceDirectory(context: Context, deviceIdentifier: string): string {
  return join(homeDirectory(context.terminal.surroundings.env), 'devices', deviceIdentifier);
}

async function directoryFor(context: Context, deviceIdentifier: string, given?: string): Promise<string | null> {
  if (given) {
    await makePrivateDirectory(given);
    return resolve(given);
  }
  const own = deviceDirectory(context, deviceIdentifier);
  return (await isThere(own)) ? own : null;
}

async function refuseOtherDevice(dir: string): Promise<void> {
  for (const name of ['login.json', 'device.json', 'paired.json']) {
    if (await isThere(join(dir, name))) {
      throw new CliError(`${dir} belongs to a device already. Give each device a directory of its own.`, exits.refused);
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

function writeJson(path: string, value: unknown): Promise<void> {
  return writePrivately(path, `${JSON.stringify(value, null, 2)}\n`);
}
