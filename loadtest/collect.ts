/**
 * Loaded into a server before anything else where its memory is read: by SIGUSR2 it collects its garbage, of which there may else be any
 * amount, so that one reading says more of the last collection than of what is kept.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect: unknown = runInNewContext('gc');
if (typeof collect !== 'function') throw new Error('This Node.js does not let garbage be collected');
process.on('SIGUSR2', () => collect());
