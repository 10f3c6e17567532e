export { type Correlation, correlate, correlation } from './correlation';
export { createLogger, Logger, type LoggerOptions } from './logger';
export { Metrics } from './metrics';
export { listenMetrics, type MetricsListener } from './metrics-listener';
export { Secret } from './secret';
