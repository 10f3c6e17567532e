import { DeviceLink, type Envelope, type Receiver, type Sent, type SendOptions } from './device-link';
import type { RabbitMqDeviceLink } from './rabbitmq-device-link';
import type { WebSocketDeviceLink } from './web-socket-device-link';

/**
 * Both carriers as one: while a device has an open WebSocket its messages go that way, else to its queue where there is
 * a broker (API contract, section 16).
 */
export class CarriersDeviceLink extends DeviceLink {
  constructor(
    private readonly sockets: WebSocketDeviceLink,
    private readonly broker: RabbitMqDeviceLink,
  ) {
    super();
    broker.needsNoPing = (deviceIdentifier) => this.isConnected(deviceIdentifier);
  }

  async send(envelope: Envelope, options?: SendOptions): Promise<Sent> {
    const { deviceIdentifier } = envelope;
    if (this.isConnected(deviceIdentifier)) {
      const sent = await this.sockets.send(envelope, { ...options, keep: false });
      if (sent === 'confirmed') return sent;
    }
    if (!this.broker.up && !this.isConnected(deviceIdentifier)) return this.sockets.send(envelope, options);
    return (this.isConnected(deviceIdentifier) ? this.sockets : this.broker).send(envelope, options);
  }

  waiting(deviceIdentifier: string): number {
    return this.sockets.waiting(deviceIdentifier) + this.broker.waiting(deviceIdentifier);
  }

  receive(receiver: Receiver): void {
    this.sockets.receive(receiver);
    this.broker.receive(receiver);
  }

  onConnected(listener: (deviceIdentifier: string) => void): void {
    this.sockets.onConnected(listener);
  }

  onReachable(listener: () => void): void {
    this.broker.onReachable(listener);
  }

  connected(): readonly string[] {
    return this.sockets.connected();
  }

  reachable(): readonly string[] {
    return [...new Set([...this.sockets.connected(), ...this.broker.reachable()])];
  }

  disconnect(deviceIdentifier: string, code: number): void {
    this.sockets.disconnect(deviceIdentifier, code);
    this.broker.disconnect(deviceIdentifier);
  }

  private isConnected(deviceIdentifier: string): boolean {
    return this.sockets.isConnected(deviceIdentifier);
  }
}
