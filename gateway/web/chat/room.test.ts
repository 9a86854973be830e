import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ChatFrame } from './frames.ts';
import { Room } from './room.ts';

function room(username = '') {
  let keys = 0;
  return new Room({ room: 'lobby', username, newKey: () => `key-${++keys}` });
}

function welcome(position = '0-0', recovered = true, username = 'Ada'): ChatFrame {
  return { type: 'welcome', gateway: 'g1', room: 'lobby', username, position, recovered };
}

function message(id: string, username: string, content: string): ChatFrame {
  return { type: 'message', id, username, content, timestamp: '2030-01-01T00:00:00.000Z' };
}

/** What the lines say, in short. */
function told({ lines }: Room): readonly string[] {
  return lines.map((line) => {
    switch (line.kind) {
      case 'message':
        return `${line.username}: ${line.content}`;
      case 'renamed':
        return `${line.from} > ${line.to}`;
      case 'joined':
      case 'left':
        return `${line.username} ${line.kind}`;
      default:
        return line.kind;
    }
  });
}

describe('a chat room', () => {
  it('goes on after the last message, under the name that it has', () => {
    const chat = room('Ada');
    assert.equal(String(chat.query), 'room=lobby&username=Ada');
    assert.deepEqual(chat.receive(welcome('5-0', true, 'User1234'), 0), [{ type: 'get_users' }]);
    assert.equal(String(chat.query), 'room=lobby&username=User1234&after=5-0');
    chat.receive(message('6-0', 'Bob', 'hi'), 0);
    assert.equal(String(chat.query), 'room=lobby&username=User1234&after=6-0');
  });

  it('tells who came, went and changed names', () => {
    const chat = room();
    chat.receive(welcome(), 0);
    chat.receive({ type: 'userlist', users: ['Ada', 'Bob'] }, 0);
    chat.receive({ type: 'user_joined', username: 'Ada' }, 0); // itself
    chat.receive({ type: 'user_joined', username: 'Eve' }, 0);
    chat.receive({ type: 'username_changed', old_username: 'Bob', new_username: 'Élodie' }, 0);
    chat.receive({ type: 'user_left', username: 'Eve' }, 0);
    assert.deepEqual(told(chat), ['Eve joined', 'Bob > Élodie', 'Eve left']);
    assert.deepEqual(chat.users('fr'), ['Ada', 'Élodie']);
    chat.receive({ type: 'username_changed', old_username: 'Ada', new_username: 'Zoe' }, 0);
    assert.equal(chat.me, 'Zoe');
  });

  it('says on its return whether anything is missing', () => {
    const chat = room();
    chat.receive(welcome(), 0);
    chat.receive(welcome('5-0', true), 0);
    chat.receive(message('6-0', 'Bob', 'hi'), 0);
    chat.receive(welcome('8-0', false), 0);
    assert.deepEqual(told(chat), ['resumed', 'Bob: hi', 'gap']);
  });

  it('sends a message again with its key until it is stored', () => {
    const chat = room();
    assert.deepEqual(chat.say('one'), { type: 'message', ref: 1, key: 'key-1', content: 'one' });
    const [, again] = chat.receive(welcome(), 0);
    assert.deepEqual(again, { type: 'message', ref: 1, key: 'key-1', content: 'one' });
    chat.receive({ type: 'published', ref: 1, id: '7-0' }, 0);
    assert.equal(chat.pending.length, 1); // it is not among the messages yet
    chat.receive(message('7-0', 'Ada', 'one'), 0);
    assert.deepEqual(chat.pending, []);
  });

  it('shows a message once, in whatever order it comes and is acknowledged', () => {
    const chat = room();
    chat.receive(welcome(), 0);
    chat.say('one');
    chat.receive(message('7-0', 'Ada', 'one'), 0);
    chat.receive({ type: 'published', ref: 1, id: '7-0' }, 0);
    assert.deepEqual(chat.pending, []);
    chat.say('two');
    chat.receive({ type: 'published', ref: 2, id: '8-0' }, 0);
    assert.deepEqual(chat.receive(welcome('7-0'), 0), [{ type: 'get_users' }]); // it comes by itself
    assert.deepEqual(chat.pending, []);
  });

  it('gives a refused message back, and keeps one whose outcome is unknown', () => {
    const chat = room();
    chat.receive(welcome(), 0);
    chat.say('spam');
    chat.receive({ type: 'error', ref: 1, code: 'too_many', error: 'Slower' }, 0);
    assert.deepEqual(chat.fault, { about: 'message', code: 'too_many', error: 'Slower', content: 'spam' });
    assert.deepEqual(chat.pending, []);
    chat.say('two');
    chat.receive({ type: 'error', ref: 2, code: 'unavailable', error: 'No Redis' }, 0);
    assert.deepEqual(chat.pending, [{ type: 'message', ref: 2, key: 'key-2', content: 'two' }]);
    chat.receive({ type: 'published', ref: 2, id: '9-0' }, 0);
    assert.deepEqual([chat.fault], [undefined]);
  });

  it('says nothing that is too long, in bytes, and keeps nothing of it', () => {
    const chat = room();
    chat.receive(welcome(), 0);
    assert.equal(chat.say('é'.repeat(33_000)), undefined);
    assert.deepEqual([chat.fault?.code, chat.pending], ['too_large', []]);
    assert.notEqual(chat.say('é'.repeat(32_000)), undefined);
    assert.deepEqual([chat.fault], [undefined]);
  });

  it('drops what ended the connection by its length, says so until the next message, and goes on with the others', () => {
    const chat = room();
    for (const content of ['one', 'x'.repeat(2_000), 'three']) chat.say(content);
    chat.receive({ type: 'error', code: 'too_large', error: 'A frame of 2050 bytes' }, 0);
    assert.deepEqual([chat.fault?.about, chat.fault?.content?.length], ['message', 2_000]);
    const [, ...again] = chat.receive(welcome(), 0);
    assert.deepEqual(again, chat.pending);
    assert.deepEqual(
      chat.pending.map(({ content }) => content),
      ['one', 'three'],
    );
    chat.receive({ type: 'published', ref: 1, id: '9-0' }, 0);
    assert.equal(chat.fault?.code, 'too_large');
    chat.say('four');
    assert.deepEqual([chat.fault], [undefined]);
  });

  it('tells a refused name from other faults, until there is another', () => {
    const chat = room('Bob');
    chat.receive(welcome(), 0);
    chat.receive({ type: 'error', code: 'name_taken', error: 'Taken' }, 0);
    assert.equal(chat.fault?.about, 'name');
    const { ref } = chat.rename('Bob') as { ref: unknown };
    assert.deepEqual([chat.fault], [undefined]);
    chat.receive({ type: 'error', ref, code: 'bad_request', error: 'Too long' }, 0);
    assert.equal(chat.fault?.about, 'name');
    chat.receive({ type: 'username_changed', old_username: 'Ada', new_username: 'Bobby' }, 0);
    assert.deepEqual([chat.fault], [undefined]);
  });

  it('asks for no name that the gateway would refuse, and says what is wrong with it', () => {
    const chat = room();
    for (const [name, fault] of [
      ['x'.repeat(21), 'too_long'],
      ['  ', 'empty'],
      ['a\u0007b', 'control'],
    ]) {
      assert.equal(chat.rename(name ?? ''), undefined);
      assert.deepEqual([chat.fault?.about, chat.fault?.nameFault], ['name', fault]);
    }
  });

  it('shows somebody as typing for a while, or until the message comes', () => {
    const chat = room();
    chat.receive(welcome(), 0);
    chat.receive({ type: 'typing', username: 'Bob' }, 1_000);
    chat.receive({ type: 'typing', username: 'Eve' }, 2_000);
    assert.deepEqual(chat.typers(4_000), ['Bob', 'Eve']);
    assert.deepEqual(chat.typers(5_500), ['Eve']);
    chat.receive(message('7-0', 'Eve', 'hi'), 5_600);
    assert.deepEqual(chat.typers(5_600), []);
  });

  it('tells of its own typing now and then, and at once after a message', () => {
    const chat = room();
    assert.deepEqual(chat.typing(0), { type: 'typing' });
    assert.equal(chat.typing(1_000), undefined);
    assert.deepEqual(chat.typing(2_000), { type: 'typing' });
    chat.say('one');
    assert.deepEqual(chat.typing(2_100), { type: 'typing' });
  });

  it('keeps the last 500 lines', () => {
    const chat = room();
    chat.receive(welcome(), 0);
    for (let n = 1; n <= 600; n++) chat.receive(message(`${n}-0`, 'Bob', String(n)), 0);
    assert.deepEqual([chat.lines.length, told(chat)[0]], [500, 'Bob: 101']);
  });
});
