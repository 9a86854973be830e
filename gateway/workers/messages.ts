/** What a process that shares its port with others, a worker, and the one that started them all say to each other. */

/** What can be asked of all workers together: for `/metrics`, `/stats` and `/readyz`. */
export type Question = 'metrics' | 'stats' | 'readiness';

export type FromWorker =
  | { readonly type: 'listening' }
  | { readonly type: 'ask'; readonly id: number; readonly question: Question }
  /** To a question that the supervisor passed on. */
  | { readonly type: 'answer'; readonly id: number; readonly answer: unknown };

export type ToWorker =
  | { readonly type: 'question'; readonly id: number; readonly question: Question }
  /** To what the worker asked: of each worker its answer, `null` of one that gave none. */
  | { readonly type: 'answers'; readonly id: number; readonly answers: readonly unknown[] };
