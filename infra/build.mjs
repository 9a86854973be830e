// Builds everything that runs into dist/.
//
//   npm run build                  checks all types first
//   npm run build -- --no-check    does not, and takes a second
import { fileURLToPath } from 'node:url';
import { compile } from './compile.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const check = !process.argv.includes('--no-check');
if ((await compile({ check })) === undefined) process.exitCode = 1;
