export * from './canonical';
export * from './cobblestone';
export * from './contexts';
export * from './header';
export * from './padding';
export * from './pae';
export * from './text';
