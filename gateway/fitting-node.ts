/** Imported for its effect, before anything that loads uWebSockets.js: where this Node.js cannot run the gateway, the import fails and says why. */
import { unfitness } from './runtime.cjs';

const reason = unfitness('embedded');
if (reason !== undefined) {
  const error = new Error(reason);
  error.stack = `Error: ${reason}`; // where it was found says nothing to anybody
  throw error;
}
