import { Module } from '@nestjs/common';
import { Dependencies } from './dependencies.query';
import { HealthController } from './health.controller';
import { QuestionsController } from './questions.controller';
import { Readiness } from './readiness';

/** What a context needs besides itself to be served as a process of its own. */
@Module({
  controllers: [HealthController, QuestionsController],
  providers: [Dependencies, Readiness],
  exports: [Readiness],
})
export class ServiceModule {}
