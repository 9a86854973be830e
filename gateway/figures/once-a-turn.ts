/**
 * Work whose result all who ask within one turn of the event loop share: it is done once, after the last of them has asked. So whoever asks over and
 * over costs no more than that. Failures are shared, too.
 */
export function onceATurn<Result>(
  work: () => Promise<Result>,
  later: (next: () => void) => void,
): () => Promise<Result> {
  let pending: Promise<Result> | undefined;
  return () => {
    pending ??= new Promise<Result>((resolve) => {
      later(() => {
        pending = undefined;
        resolve(work());
      });
    });
    return pending;
  };
}
