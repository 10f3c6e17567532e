export { type Checkpoint, checkpoints, cursorColumns, rebuild, skipStalled } from './checkpoints';
export * from './deadlines';
export type * from './projection';
export * from './projection-runner';
export * from './projection.migration';
export * from './reactor-runner';
export {
  type Columns,
  type ColumnValue,
  each,
  fold,
  insert,
  type RowChange,
  remove,
  statement,
  update,
} from './row-change';
