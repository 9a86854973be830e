import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Link, type LinkListener, ResumingSocket } from './resuming-socket.ts';

/** A browser in which nothing happens by itself: the test opens links, speaks for the gateway and lets time pass. */
class FakeBrowser {
  readonly links: { listener: LinkListener; sent: unknown[]; closed: boolean }[] = [];
  timers: { ms: number; task: () => void }[] = [];
  chance = 0.5;

  open = (listener: LinkListener): Link => {
    const link = { listener, sent: [] as unknown[], closed: false };
    this.links.push(link);
    return {
      send: (text) => link.sent.push(JSON.parse(text)),
      close: () => {
        link.closed = true;
      },
    };
  };

  after = (ms: number, task: () => void) => {
    const timer = { ms, task };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  };

  random = () => this.chance;

  get last() {
    const link = this.links.at(-1);
    if (link === undefined) throw new Error('No link was opened');
    return link;
  }

  say(...frames: readonly unknown[]): void {
    for (const frame of frames) this.last.listener.text(JSON.stringify(frame));
  }

  /** Lets the one timer run out. */
  elapse(): number {
    assert.equal(this.timers.length, 1);
    const [timer] = this.timers.splice(0, 1);
    timer?.task();
    return timer?.ms ?? 0;
  }
}

function watched() {
  const told: unknown[][] = [];
  const tell =
    (what: string) =>
    (...args: unknown[]) => {
      told.push([what, ...args]);
    };
  const browser = new FakeBrowser();
  const socket = new ResumingSocket(
    { channel: 'demo', tail: 20 },
    {
      state: tell('state'),
      position: tell('position'),
      resumed: tell('resumed'),
      event: tell('event'),
      gap: tell('gap'),
    },
    browser,
  );
  return { socket, browser, told };
}

/** Connected and subscribed, with one event received. */
function live() {
  const parts = watched();
  parts.socket.connect();
  parts.browser.last.listener.opened();
  parts.browser.say({ type: 'welcome' }, subscribed('5-0'), event('6-0'));
  parts.told.length = 0;
  return parts;
}

const subscribed = (position: string, recovered = true) => ({ type: 'subscribed', position, recovered });
const event = (id: string) => ({ type: 'event', channel: 'demo', id, event: 'message', data: { n: 1 } });

describe('ResumingSocket', () => {
  it('asks for the tail when it has no position', () => {
    const { socket, browser, told } = watched();
    socket.connect();
    browser.last.listener.opened();
    assert.deepEqual(browser.last.sent, [{ type: 'subscribe', channel: 'demo', tail: 20, ref: 'subscribe' }]);
    browser.say(subscribed('5-0'), event('6-0'));
    assert.deepEqual(told, [
      ['state', 'connecting', ''],
      ['position', '5-0'],
      ['state', 'live', ''],
      ['event', { id: '6-0', event: 'message', data: { n: 1 } }],
      ['position', '6-0'],
    ]);
  });

  it('goes on after the last event, and says whether all of the rest could be had', () => {
    const { browser, told } = live();
    browser.last.listener.closed(1006);
    browser.elapse();
    browser.last.listener.opened();
    assert.deepEqual(browser.last.sent, [{ type: 'subscribe', channel: 'demo', after: '6-0', ref: 'subscribe' }]);
    browser.say(subscribed('6-0', false), { type: 'gap', channel: 'demo', after: '6-0', id: '9-0' });
    assert.deepEqual(told.slice(-2), [
      ['resumed', '6-0', false],
      ['gap', { after: '6-0', id: '9-0' }],
    ]);
  });

  it('is not moved by a gap', () => {
    const { browser } = live();
    browser.say({ type: 'gap', channel: 'demo', after: '6-0', id: '9-0' });
    browser.last.listener.closed(1006);
    browser.elapse();
    browser.last.listener.opened();
    assert.equal((browser.last.sent[0] as { after: string }).after, '6-0');
  });

  it('waits a random part of a time that doubles, until it is subscribed again', () => {
    const { browser } = live();
    const waits = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      browser.last.listener.closed(1006);
      waits.push(browser.elapse());
    }
    assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 7500, 7500, 7500]);
    browser.last.listener.opened();
    browser.say(subscribed('6-0'));
    browser.chance = 0;
    browser.last.listener.closed(1006);
    assert.equal(browser.elapse(), 0);
  });

  it('comes back when a draining gateway says so', () => {
    const { browser } = live();
    browser.say({ type: 'reconnect', after: 1234 });
    browser.last.listener.closed(1012);
    assert.equal(browser.elapse(), 1234);
  });

  it('comes back after a full gateway, and gives up after a refusal', () => {
    const { browser, told } = live();
    browser.say({ type: 'error', code: 'server_full', error: 'Server full' });
    browser.last.listener.closed(1013);
    assert.deepEqual(told.at(-1), ['state', 'reconnecting', 'Server full']);
    browser.elapse();
    browser.say({ type: 'error', code: 'forbidden', error: 'Not from here' });
    browser.last.listener.closed(4403);
    assert.deepEqual(told.at(-1), ['state', 'refused', 'Not from here']);
    assert.deepEqual(browser.timers, []);
  });

  it('tries again to subscribe while the events cannot be reached', () => {
    const { browser, told } = live();
    browser.last.listener.closed(1006);
    browser.elapse();
    browser.last.listener.opened();
    browser.say({ type: 'error', ref: 'subscribe', code: 'unavailable', error: 'Not now' });
    assert.equal(browser.last.closed, true);
    assert.deepEqual(told.at(-1), ['state', 'reconnecting', 'Not now']);
    assert.equal(browser.elapse(), 500);
  });

  it('gives up a connection that does not answer a ping', () => {
    const { browser, told } = live();
    browser.elapse();
    assert.deepEqual(browser.last.sent.at(-1), { type: 'ping' });
    browser.say({ type: 'pong' });
    browser.elapse();
    assert.equal(browser.last.closed, false);
    browser.elapse();
    assert.equal(browser.last.closed, true);
    assert.deepEqual(told, [['state', 'reconnecting', 'The gateway was silent']]);
  });

  it('hears nothing of a connection that it has left', () => {
    const { socket, browser, told } = live();
    const left = browser.last;
    socket.cut();
    left.listener.text(JSON.stringify(event('7-0')));
    left.listener.closed(1005);
    assert.deepEqual(told, [['state', 'cut', '']]);
    assert.deepEqual(browser.timers, []);
    socket.connect();
    browser.last.listener.opened();
    assert.equal((browser.last.sent[0] as { after: string }).after, '6-0');
  });
});
