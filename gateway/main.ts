#!/usr/bin/env node
/**
 * Where the program begins: on a Node.js that cannot run it the pinned one takes over, or a sentence says which ones can. Nothing but this file and
 * `runtime.cjs` is loaded before that is known, and every Node.js from 12 on must understand both.
 */
import runtime from './runtime.cjs';

if (runtime.ensureRuntime()) import('./program.ts').catch(runtime.refuseToLoad);
