/**
 * True where this Node.js can run the gateway. Else the pinned one runs the same command in place of this process, or the process
 * ends with a sentence that says why nothing can.
 */
export function ensureRuntime(): boolean;

/**
 * What keeps this Node.js from running the gateway, and what to type, as a sentence; undefined where nothing does. What to type depends on the
 * use, which unless given is found out, but for a program that embeds a gateway.
 */
export function unfitness(use?: 'clone' | 'package' | 'embedded'): string | undefined;

/** Writes the sentence to standard error and ends the process with 2. */
export function refuse(sentence: string): void;

/** Ends the process where the program could not be loaded, with a sentence where there is something to do about it. */
export function refuseToLoad(error: Error): void;
