import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Notification } from './frames.ts';
import { Inbox } from './inbox.ts';

function inbox(user = '') {
  let keys = 0;
  return new Inbox(user, () => `key-${++keys}`);
}

function notification(id: string, channel = 'notify:all'): Notification {
  return { channel, id, title: id, message: '', priority: 'normal', timestamp: '2030-01-01T00:00:00.000Z' };
}

function history(ids: readonly string[], unread: number, position: string, user: string | null = null) {
  const notifications = ids.map((id) => notification(id));
  return { type: 'history', notifications, unread, user, position } as const;
}

const idsIn = ({ items }: Inbox) => items.map(({ id }) => id);

describe('an inbox', () => {
  it('shows the newest first, by the number in the id', () => {
    const box = inbox();
    box.receive(history(['9-0', '10-0'], 1, '10-0'));
    box.receive({ type: 'notification', ...notification('10-2') });
    box.receive({ type: 'notification', ...notification('10-10') });
    assert.deepEqual(idsIn(box), ['10-10', '10-2', '10-0', '9-0']);
    assert.equal(box.unread, 3);
  });

  it('goes on after a position in each of its channels', () => {
    const box = inbox('ada');
    assert.equal(String(box.query), 'user=ada');
    box.receive(history(['5-0'], 1, '5-0.4-0', 'ada'));
    assert.equal(String(box.query), 'user=ada&after=5-0.4-0');
    box.receive({ type: 'notification', ...notification('7-0', 'notify:@ada') });
    assert.equal(String(box.query), 'user=ada&after=5-0.7-0');
    box.receive({ type: 'notification', ...notification('8-0') });
    assert.equal(String(box.query), 'user=ada&after=8-0.7-0');
  });

  it('is that of the user whom the gateway knows by the token', () => {
    const box = inbox();
    box.receive(history(['5-0'], 1, '5-0.4-0', 'ada'));
    assert.equal(box.user, 'ada');
    assert.equal(String(box.query), 'after=5-0.4-0');
  });

  it('has one position where it has no user', () => {
    const box = inbox();
    assert.equal(String(box.query), '');
    box.receive(history([], 0, '0-0'));
    assert.equal(String(box.query), 'after=0-0');
  });

  it('says on its return what has come meanwhile, and whether something is missing', () => {
    const box = inbox();
    box.receive(history(['1-0'], 0, '1-0'));
    assert.equal(box.news, undefined);
    box.receive(history(['2-0', '3-0'], 2, '3-0'));
    assert.deepEqual(box.news, { kind: 'returned', missed: 2, gap: false });
    box.receive({ type: 'gap' });
    box.receive(history(['9-0'], 3, '9-0'));
    assert.deepEqual(box.news, { kind: 'returned', missed: 1, gap: true });
    assert.deepEqual(idsIn(box), ['9-0', '3-0', '2-0', '1-0']);
  });

  it('takes the unread count from the mark', () => {
    const box = inbox();
    box.receive(history(['1-0', '2-0'], 2, '2-0'));
    assert.deepEqual(box.read(notification('1-0')), { type: 'read', id: '1-0' });
    box.receive({ type: 'read', unread: 1 });
    assert.equal(box.unread, 1);
  });

  it('sends what it creates again with its key until it is stored', () => {
    const box = inbox();
    const draft = { title: 'Hi', message: '', priority: 'high', to: '' } as const;
    const created = { type: 'create', title: 'Hi', message: '', priority: 'high', ref: 1, key: 'key-1' };
    assert.deepEqual(box.create(draft), created);
    assert.deepEqual(box.receive(history([], 0, '0-0')), [created]);
    box.receive({ type: 'error', ref: 1, code: 'unavailable', error: 'No Redis' });
    assert.deepEqual(box.pending, [created]);
    box.receive({ type: 'published', ref: 1, id: '4-0' });
    assert.deepEqual([box.pending, box.news], [[], { kind: 'stored', id: '4-0' }]);
  });

  it('says what was refused, and forgets it', () => {
    const box = inbox();
    box.create({ title: 'Hi', message: '', priority: 'low', to: 'bob' });
    box.receive({ type: 'error', ref: 1, code: 'forbidden', error: 'No' });
    assert.deepEqual([box.pending, box.news], [[], { kind: 'failed', code: 'forbidden', error: 'No', again: false }]);
  });

  it('creates nothing that is too long, and drops what ended the connection by its length', () => {
    const box = inbox();
    const draft = { title: 'Hi', message: '', priority: 'low', to: '' } as const;
    assert.equal(box.create({ ...draft, message: 'x'.repeat(66_000) }), undefined);
    const first = box.create(draft);
    box.create({ ...draft, message: 'x'.repeat(2_000) });
    box.receive({ type: 'error', code: 'too_large', error: 'A frame of 2050 bytes' });
    assert.equal(box.news?.kind, 'failed');
    assert.deepEqual(box.receive(history([], 0, '0-0')), [first]);
    const { ref } = first as { ref: number };
    box.receive({ type: 'published', ref, id: '4-0' });
    assert.equal(box.news?.kind, 'failed'); // it is what the reader still has before the eyes
  });

  it('keeps the last 200', () => {
    const box = inbox();
    box.receive(history([], 0, '0-0'));
    for (let n = 1; n <= 250; n++) box.receive({ type: 'notification', ...notification(`${n}-0`) });
    assert.deepEqual([box.items.length, box.items.at(-1)?.id, box.unread], [200, '51-0', 250]);
  });
});
