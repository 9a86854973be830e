/** The uWebSockets.js binding of `/monitoring`. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { ANONYMOUS } from '../auth/rights.ts';
import {
  answerHead,
  bindPreflight,
  CANNOT_SERVE,
  readAsked,
  refuseAsked,
  SseResponse,
  type SseResponseOptions,
  turnAway,
} from '../sse/sse-response.ts';
import type { BoundApp } from '../tls/bound-app.ts';
import { type Monitor, MonitorStream } from './monitoring.ts';

export interface MonitoringOptions extends SseResponseOptions {
  readonly monitor: Monitor;
}

export function bindMonitoring(app: BoundApp, options: MonitoringOptions): void {
  const { monitor, connections, admission, tally } = options;
  const take = (res: HttpResponse, req: HttpRequest) => {
    const response = new SseResponse(res, new MonitorStream(monitor), options);
    let aborted = false;
    res.onAborted(() => {
      aborted = true;
      response.closed('aborted');
    });
    tally.received++;
    const asked = readAsked(res, req, options);
    if (asked.refusal !== undefined) {
      refuseAsked(res, asked, () => aborted, options);
    } else if (asked.isHead) {
      answerHead(res, asked);
    } else if (!connections.taking) {
      turnAway(res, asked, CANNOT_SERVE, options);
    } else {
      const verdict = admission.admit(asked.address, undefined);
      if (verdict.admitted) response.start(asked, ANONYMOUS, verdict.place);
      else turnAway(res, asked, verdict, options);
    }
  };
  app.get('/monitoring', take);
  app.head('/monitoring', take);

  bindPreflight(app, '/monitoring', options);
}
