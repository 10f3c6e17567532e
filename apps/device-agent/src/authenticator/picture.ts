import type { Ballot } from './ballot';

/** A ballot as people read it: who asks for what, from where, until when. Control characters of others are taken out. */
export function picture(ballot: Ballot, zone?: string): string {
  const { context, question, title, attempt, maxAttempts, expiresAt } = ballot;
  const { requester, application, device } = context;
  const rows: Array<[string, string | null]> = [
    ['Who', requester && whoIs(requester)],
    ['Through', application ? `${application.name} (application ${application.applicationId})` : null],
    ['From', context.ip],
    ['With', context.userAgent],
    ['Place', context.location ? `${context.location} (as the client says)` : null],
    ['Asked at', context.time && local(context.time, zone)],
    ['Data', context.dataContext],
    ['Class', [context.classification, context.label, context.handling].filter(Boolean).join(' / ') || null],
    ['Device', device ? `${device.name} (${device.deviceIdentifier})` : null],
    ['Note', context.nonce],
    ['Attempt', maxAttempts > 1 ? `${attempt} of ${maxAttempts}` : null],
    ['Until', local(expiresAt, zone)],
  ];
  const lines = rows.flatMap(([name, value]) => (value ? [`  ${`${name}:`.padEnd(10)} ${printable(value)}`] : []));
  return [printable(title), `  ${printable(question)}`, ...lines].join('\n');
}

/** Of a device the username is its identifier. */
function whoIs({ username, profileId }: NonNullable<Ballot['context']['requester']>): string {
  return username === profileId ? `device ${profileId}` : `${username} (${profileId})`;
}

/** What comes from elsewhere must not move the cursor, colour the terminal or turn the direction of text. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ').slice(0, 500);
}

function local(instant: string, timeZone?: string): string {
  const format = new Intl.DateTimeFormat('en-GB', {
    dateStyle: 'medium',
    timeStyle: 'long',
    ...(timeZone === undefined ? {} : { timeZone }),
  });
  return format.format(new Date(instant));
}
