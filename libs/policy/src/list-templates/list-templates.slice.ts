import type { Slice } from '@symbolon/http';
import { ListTemplatesController } from './list-templates.controller';

export const listTemplates: Slice = { controllers: [ListTemplatesController] };
