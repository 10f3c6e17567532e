import { once } from 'node:events';
import { WebSocket } from 'ws';

/** A client WebSocket that keeps every frame, for tests. */
export class TestSocket {
  readonly frames: any[] = [];
  private readonly listeners = new Set<() => void>();

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (data) => {
      this.frames.push(JSON.parse(data.toString()));
      for (const wake of this.listeners) wake();
    });
  }

  static async open(origin: string, path = '/ws'): Promise<TestSocket> {
    const socket = new WebSocket(origin.replace(/^http/, 'ws') + path);
    const opened = new TestSocket(socket);
    await once(socket, 'open');
    return opened;
  }

  /** Opened and joined to the token's channel. */
  static async join(origin: string, token: string, data: object = {}): Promise<TestSocket> {
    const socket = await TestSocket.open(origin);
    socket.send({ action: 'joinChannel', data: { authorizationToken: token, correlationId: 'join', ...data } });
    await socket.until((frame) => frame.correlationId === 'join');
    return socket;
  }

  send(frame: object | string): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** The first frame that matches, waited for. */
  async until(matches: (frame: any) => boolean): Promise<any> {
    for (;;) {
      const found = this.frames.find(matches);
      if (found) return found;
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.listeners.delete(wake);
          resolve();
        };
        this.listeners.add(wake);
      });
    }
  }

  /** The end message of a command. */
  async end(commandId: string): Promise<any> {
    return (await this.until((frame) => frame.data?.type === 'X-DPT-CAB-ID' && frame.data.id === commandId)).data;
  }

  async close(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    const closed = once(this.socket, 'close');
    this.socket.close();
    await closed;
  }
}
