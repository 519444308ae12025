import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LatchkeyError } from '@latchkey/client';
import { Channels, type Publication } from './channels.ts';

function world(subscriptionsMax?: number) {
  const faults: unknown[] = [];
  const channels = new Channels({
    reportFault: (_stage, error) => faults.push(error),
    ...(subscriptionsMax === undefined ? {} : { subscriptionsMax }),
  });
  const heard: string[] = [];
  const listener = (name: string) => (publication: Publication) => {
    const { channel, message, pattern } = publication;
    heard.push(`${name} ${pattern ?? '='} ${channel} ${message}`);
  };
  return { channels, faults, heard, listener };
}

describe('channels', () => {
  it('hand a message to those who named the channel and to those whose pattern it matches, and count them', () => {
    const { channels, heard, listener } = world();
    channels.subscribe('update', listener('a'));
    channels.subscribe('other', listener('b'));
    channels.subscribePattern('up*', listener('c'));
    channels.subscribePattern('*x', listener('d'));
    assert.equal(channels.publish('update', Buffer.from('hello')), 2);
    assert.deepEqual(heard, ['a = update hello', 'c up* update hello']);
    assert.deepEqual(channels.counts, { names: 2, patterns: 2, subscriptions: 4 });
    assert.equal(channels.listeners('update'), 1);
    assert.deepEqual([...channels.names()], ['update', 'other']);
  });

  it('keep nothing for those who come later, and nothing of those who left', () => {
    const { channels, heard, listener } = world();
    assert.equal(channels.publish('update', Buffer.from('early')), 0);
    const hearing = listener('a');
    const leave = channels.subscribe('update', hearing);
    channels.subscribe('update', hearing);
    const leavePattern = channels.subscribePattern('*', listener('b'));
    assert.equal(channels.counts.subscriptions, 2, 'the same listener under the same name is one subscription');
    leave();
    leave();
    leavePattern();
    assert.equal(channels.publish('update', Buffer.from('late')), 0);
    assert.deepEqual(heard, []);
    assert.equal(channels.isIdle, true);
    assert.deepEqual(channels.counts, { names: 0, patterns: 0, subscriptions: 0 });
  });

  it('let a name be subscribed to again by others after its last listener left', () => {
    const { channels, heard, listener } = world();
    const leave = channels.subscribe('update', listener('a'));
    leave();
    channels.subscribe('update', listener('b'));
    leave();
    assert.equal(channels.publish('update', Buffer.from('x')), 1);
    assert.deepEqual(heard, ['b = update x']);
  });

  it('go on with the others where one throws, and report it', () => {
    const { channels, faults, heard, listener } = world();
    channels.subscribe('update', () => {
      throw new Error('planted');
    });
    channels.subscribe('update', listener('a'));
    assert.equal(channels.publish('update', Buffer.from('x')), 2);
    assert.deepEqual(heard, ['a = update x']);
    assert.equal(faults.length, 1);
  });

  it('hand what is under way to those who were there when it was published', () => {
    const { channels, heard, listener } = world();
    const late = listener('late');
    channels.subscribe('update', () => channels.subscribe('update', late));
    channels.publish('update', Buffer.from('1'));
    assert.deepEqual(heard, []);
    channels.publish('update', Buffer.from('2'));
    assert.deepEqual(heard, ['late = update 2']);
  });

  it('refuse what passes their bound, and say what to do', () => {
    const { channels, listener } = world(2);
    const leave = channels.subscribe('a', listener('a'));
    channels.subscribePattern('*', listener('b'));
    assert.throws(
      () => channels.subscribe('c', listener('c')),
      (error: unknown) =>
        error instanceof LatchkeyError &&
        error.code === 'overloaded' &&
        /2 subscriptions already\. Unsubscribe/.test(error.message),
    );
    assert.equal(channels.listeners('c'), 0);
    assert.deepEqual([...channels.names()], ['a'], 'a refused name leaves nothing behind');
    leave();
    channels.subscribe('c', listener('c'));
  });

  it('hand every listener of one name the same publication, so that what is made of it can be shared', () => {
    const { channels } = world();
    const seen: Publication[] = [];
    channels.subscribe('update', (publication) => seen.push(publication));
    channels.subscribe('update', (publication) => seen.push(publication));
    channels.publish('update', Buffer.from('x'));
    assert.equal(seen[0], seen[1]);
  });
});
