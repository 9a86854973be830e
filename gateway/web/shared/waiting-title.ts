/** Counts in the title of the window what came while nobody looked. */

export class WaitingTitle {
  readonly #title = document.title;
  readonly #titled: (count: number, title: string) => string;
  #count = 0;

  constructor(titled: (count: number, title: string) => string) {
    this.#titled = titled;
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      this.#count = 0;
      document.title = this.#title;
    });
  }

  /** Something came; it counts only where nobody looks. */
  add(): void {
    if (!document.hidden) return;
    this.#count++;
    document.title = this.#titled(this.#count, this.#title);
  }
}
