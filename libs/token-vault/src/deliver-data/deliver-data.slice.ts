import type { Slice } from '@symbolon/http';
import { DeliverData } from './deliver-data.reactor';
import { DownloadData } from './download-data';

export const deliverDataSlice: Slice = { providers: [DeliverData, DownloadData] };
