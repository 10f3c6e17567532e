import { Module } from '@nestjs/common';
import { controllersOf, providersOf, type Slice } from '@symbolon/http';
import * as all from './slices';

const slices: Readonly<Record<string, Slice>> = { ...all };

@Module({ controllers: controllersOf(slices), providers: providersOf(slices) })
export class VotingModule {}
