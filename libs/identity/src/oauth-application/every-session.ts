import { Injectable } from '@nestjs/common';
import { type Session, Sessions } from '@symbolon/http';
import { KnownSessions } from '../session/known-sessions';
import { Applications } from './applications.query';

/** Tokens of profiles and devices, and those of applications that act for a profile. They look alike. */
@Injectable()
export class EverySession extends Sessions {
  constructor(
    private readonly own: KnownSessions,
    private readonly applications: Applications,
  ) {
    super();
  }

  async find(token: string): Promise<Session | null> {
    const own = await this.own.find(token);
    if (own) return own;
    const granted = await this.applications.accessToken(token);
    return granted?.state === 'live' ? granted : null;
  }
}
