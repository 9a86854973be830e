/**
 * A map that most often has one entry, and then costs a fifth of what a `Map` does: what each of very many connections has one of. Like a
 * `Map` it goes through its entries in the order in which they came, and takes deletions while it does.
 */
export class SmallMap<V> {
  #key: string | undefined;
  #value: V | undefined;
  /** All entries, from the second one on until none is left. */
  #map: Map<string, V> | undefined;

  get size(): number {
    return this.#map?.size ?? (this.#key === undefined ? 0 : 1);
  }

  get(key: string): V | undefined {
    if (this.#map !== undefined) return this.#map.get(key);
    return key === this.#key ? this.#value : undefined;
  }

  set(key: string, value: V): void {
    if (this.#map === undefined && (this.#key === undefined || this.#key === key)) {
      this.#key = key;
      this.#value = value;
      return;
    }
    this.#map ??= new Map([[this.#key as string, this.#value as V]]);
    this.#map.set(key, value);
    this.#key = undefined;
    this.#value = undefined;
  }

  delete(key: string): void {
    if (this.#map === undefined && key === this.#key) this.clear();
    else if (this.#map?.delete(key) && this.#map.size === 0) this.clear();
  }

  clear(): void {
    this.#key = undefined;
    this.#value = undefined;
    this.#map = undefined;
  }

  *[Symbol.iterator](): Iterator<readonly [string, V]> {
    if (this.#map !== undefined) yield* this.#map;
    else if (this.#key !== undefined) yield [this.#key, this.#value as V];
  }
}
