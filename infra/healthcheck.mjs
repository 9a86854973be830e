// Asks the gateway of this container, as its settings say where it listens, whether it is alive. Ends with 1, and says why, where it is not.
// Whether Redis can be reached makes no difference: restarting a gateway does not bring Redis back.
import http from 'node:http';
import https from 'node:https';

// biome-ignore lint/style/noProcessEnv: a program of its own, beside the gateway.
const { HOST = '', PORT = '', TLS_CERT_FILE = '', INTERNAL_HOST = '', INTERNAL_PORT = '' } = process.env;
// The internal port has no TLS.
const internal = INTERNAL_PORT !== '';
const host = internal ? INTERNAL_HOST : HOST;
const { get } = internal || TLS_CERT_FILE === '' ? http : https;
const options = {
  host: ['', '0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host,
  port: Number((internal ? INTERNAL_PORT : PORT) || 8080),
  path: '/healthz',
  timeout: 4_000,
  rejectUnauthorized: false, // it is made out to the name by which clients come
};

const request = get(options, (response) => {
  response.resume();
  if (response.statusCode !== 200) unwell(`/healthz answered ${response.statusCode}`);
});
request.on('timeout', () => request.destroy(new Error('no answer in time')));
request.on('error', (error) => unwell(error.message));

function unwell(reason) {
  console.error(`The gateway is not well: ${reason}`);
  process.exitCode = 1;
}
