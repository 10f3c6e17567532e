export { type ParcelBytes, ParcelStore } from './parcel-store';
export { FileParcelStore } from './file-parcel-store';
export { MemoryParcelStore } from './memory-parcel-store';
