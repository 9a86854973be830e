/**
 * The gateway's log: one JSON object a line on standard output, and no secret in any of them.
 *
 * It knows no request, no connection and no setting but its own; who logs passes what the line is about.
 */
import pino, { type DestinationStream, type Logger } from 'pino';
import { LogOutput } from './log-output.ts';
import type { LogLevel } from './settings/config.ts';

export type { Logger } from 'pino';

const STDOUT = 1;
const HIDDEN = '[hidden]';

/**
 * Fields whose value is never written, wherever they stand. `args` are the arguments that ioredis hangs on an error of a
 * command, which for AUTH are a password; the subprotocol header is where a browser puts its token.
 */
const SECRET_FIELD =
  /(token|ticket|secret|password|passwd|passphrase|authorization|cookie|credentials?|key|keys|redis[-_]?url|sec-websocket-protocol|^args)$/i;

/** Secrets within text: messages, stacks, URLs. */
const SECRET_TEXT: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  // A password that was not percent-encoded may hold any of `/ ? # @`, so for Redis everything up to the last @ is taken.
  [/\b((?:rediss?|valkeys?|unix)(?:\+\w+)?:\/\/)\S*@/gi, `$1${HIDDEN}@`],
  [/([?&]sentinelPassword=)[^&\s"']*/gi, `$1${HIDDEN}`],
  [/\b([a-z][a-z\d+.-]*:\/\/)[^\s/?#]*@/gi, `$1${HIDDEN}@`],
  [/([?&](?:token|access_token|ticket|key)=)[^&\s"']*/gi, `$1${HIDDEN}`],
  [/\b(bearer|basic)\s+[\w.~+/=-]+/gi, `$1 ${HIDDEN}`],
  // A JSON Web Token, whatever it is called where it stands.
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, HIDDEN],
];

/**
 * A logger whose every line names the gateway, and has its time in ISO 8601, the level as a word, and `err` with its
 * stack and causes. `destination` is standard output unless given.
 */
export function createLogger(
  options: { readonly level: LogLevel; readonly gateway: string },
  destination: DestinationStream = new LogOutput(STDOUT),
): Logger {
  const settings = {
    level: options.level,
    base: { gateway: options.gateway },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (level: string) => ({ level }) },
    serializers: { err: pino.stdSerializers.errWithCause },
    // Here and not by pino's `redact`, which knows fixed paths only: a finished line also has the message, what child
    // loggers brought along, and errors at any depth. It costs microseconds, and no event is logged on its way through.
    hooks: { streamWrite: (line: string) => `${JSON.stringify(JSON.parse(line, hideSecrets))}\n` },
  };
  return pino(settings, destination);
}

/** The logger of a process that is all the gateway's: what is not written yet is written as the process ends. */
export function createProcessLogger(options: Parameters<typeof createLogger>[0]): Logger {
  const output = new LogOutput(STDOUT);
  process.on('exit', () => output.flushSync());
  return createLogger(options, output);
}

function hideSecrets(key: string, value: unknown): unknown {
  if (SECRET_FIELD.test(key) && value !== null) return HIDDEN;
  if (typeof value !== 'string') return value;
  return SECRET_TEXT.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), value);
}
