// What the k6 scripts share. Run one by `k6 run loadtest/k6/chat.js`; -e GATEWAY=http://host:port names the gateway.

export const GATEWAY = __ENV.GATEWAY ?? 'http://127.0.0.1:8080';
export const SOCKETS = GATEWAY.replace(/^http/, 'ws');
export const JSON_BODY = { headers: { 'Content-Type': 'application/json' } };

/** So many at most, unless the command line says otherwise: -e VUS=100 -e SECONDS=60. */
export function load(vus, seconds) {
  asked = { vus: Number(__ENV.VUS ?? vus), seconds: Number(__ENV.SECONDS ?? seconds) };
  return asked;
}
let asked = {};

/** One scenario with a steady number of connections, each by one virtual user for the whole time. */
export function steady(exec, { vus, seconds }, more = {}) {
  return { executor: 'per-vu-iterations', exec, vus, iterations: 1, maxDuration: `${seconds + 30}s`, ...more };
}

/** What is told of a distribution. */
export const TREND = ['avg', 'min', 'med', 'max', 'p(95)', 'p(99)'];

/** Thresholds and figures as a text, and as JSON where -e SUMMARY=file asks for it: with what was asked for, and when. */
export function summary(data) {
  const lines = [];
  const kept = {};
  for (const [name, { values, thresholds = {} }] of Object.entries(data.metrics)) {
    const figures = Object.entries(values).map(([key, value]) => `${key}=${Number(value.toFixed(2))}`);
    const verdicts = Object.entries(thresholds).map(([rule, { ok }]) => `${ok ? 'met' : 'MISSED'}: ${rule}`);
    if (verdicts.length > 0) lines.push(`${name}: ${figures.join(' ')}\n  ${verdicts.join('\n  ')}`);
    kept[name] = { values, ...(verdicts.length > 0 ? { thresholds } : {}) };
  }
  const text = `${lines.join('\n')}\n`;
  const file = __ENV.SUMMARY;
  return {
    stdout: text,
    ...(file
      ? { [file]: `${JSON.stringify({ ...asked, measuredAt: new Date().toISOString(), metrics: kept }, null, 1)}\n` }
      : {}),
  };
}
