import { createHash, timingSafeEqual } from 'node:crypto';
import { integerAt, wordAt } from './arguments.ts';
import { type Answered, type Call, CommandError, type CommandSpec, keyless, SYNTAX_ERROR } from './call.ts';
import { CLIENT_COMMAND } from './commands-client.ts';

const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.';
const NO_PASSWORD_SET =
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?';
const NAME = /^[!-~]*$/;

function isPassword(given: Buffer, wanted: string): boolean {
  // Of equal length whatever is given, so that the time it takes tells nothing.
  const digest = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

/** @throws CommandError */
function authenticate(call: Call, user: string, password: Buffer): void {
  const { client, core } = call;
  const wanted = core.settings.resp.password;
  // Where no password is set the default user takes any, as in Redis.
  if (user !== 'default' || (wanted !== '' && !isPassword(password, wanted))) throw new CommandError(WRONG_PASSWORD);
  client.isAuthenticated = true;
}

function auth(call: Call): Answered {
  const { args, core } = call;
  if (args.count > 3) throw new CommandError(SYNTAX_ERROR);
  if (args.count === 2 && core.settings.resp.password === '') throw new CommandError(NO_PASSWORD_SET);
  authenticate(call, args.count === 3 ? args.latin1(1) : 'default', args.bytes(args.count - 1));
  return call.reply((reply) => reply.ok());
}

function hello(call: Call): Answered {
  const { args, client, core } = call;
  let protocol = client.protocol;
  if (args.count > 1) {
    const given = args.latin1(1);
    if (!/^-?[0-9]{1,18}$/.test(given))
      throw new CommandError('ERR Protocol version is not an integer or out of range');
    if (given !== '2' && given !== '3') throw new CommandError('NOPROTO unsupported protocol version');
    protocol = given === '3' ? 3 : 2;
  }
  let name: string | undefined;
  for (let at = 2; at < args.count; at += 1) {
    const word = wordAt(call, at);
    if (word === 'AUTH' && at + 2 < args.count) {
      authenticate(call, args.latin1(at + 1), args.bytes(at + 2));
      at += 2;
    } else if (word === 'SETNAME' && at + 1 < args.count) {
      name = args.latin1(at + 1);
      if (!NAME.test(name))
        throw new CommandError('ERR Client names cannot contain spaces, newlines or special characters.');
      at += 1;
    } else throw new CommandError(`ERR Syntax error in HELLO option '${args.latin1(at)}'`);
  }
  if (!client.isAuthenticated) {
    throw new CommandError(
      'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
    );
  }
  if (name !== undefined) client.name = name;
  client.protocol = protocol;
  return call.reply((reply) => {
    reply.protocol = protocol;
    reply.map(7);
    reply.text('server');
    reply.text('redis');
    reply.text('version');
    reply.text(core.redisVersion);
    reply.text('proto');
    reply.integer(protocol);
    reply.text('id');
    reply.integer(client.id);
    reply.text('mode');
    reply.text('standalone');
    reply.text('role');
    reply.text('master');
    reply.text('modules');
    reply.array(0);
  });
}

function ping(call: Call): Answered {
  const { args, client } = call;
  if (args.count > 2) throw new CommandError("ERR wrong number of arguments for 'ping' command");
  const text = args.count === 2 ? Buffer.from(args.bytes(1)) : undefined;
  return call.reply((reply) => {
    if (client.protocol === 2 && client.subscriptions.count > 0) {
      reply.array(2);
      reply.text('pong');
      reply.bulk(text ?? Buffer.alloc(0));
    } else if (text === undefined) reply.simple('PONG');
    else reply.bulk(text);
  });
}

function echo(call: Call): Answered {
  const bytes = Buffer.from(call.args.bytes(1));
  return call.reply((reply) => reply.bulk(bytes));
}

function select(call: Call): Answered {
  if (integerAt(call, 1) !== 0) throw new CommandError('ERR DB index is out of range');
  return call.reply((reply) => reply.ok());
}

function quit(call: Call): Answered {
  return call.reply((reply) => {
    reply.ok();
    call.hangUp();
  });
}

function reset(call: Call): Answered {
  const { client, core } = call;
  client.queue = undefined;
  client.watched.clear();
  client.subscriptions.clear();
  client.protocol = 2;
  client.name = '';
  client.isAuthenticated = core.settings.resp.password === '';
  return call.reply((reply) => {
    reply.protocol = 2;
    reply.simple('RESET');
  });
}

export const CONNECTION_COMMANDS: readonly CommandSpec[] = [
  keyless('connection', 'auth', -2, ['barrier', 'unauthenticated', 'immediate'], auth, 'AUTH [default] password'),
  keyless(
    'connection',
    'hello',
    -1,
    ['barrier', 'unauthenticated', 'alone'],
    hello,
    'HELLO [2|3 [AUTH default password] [SETNAME name]]',
  ),
  keyless('connection', 'ping', -1, ['subscribed'], ping, 'PING [message]'),
  keyless('connection', 'echo', 2, [], echo, 'ECHO message'),
  keyless('connection', 'select', 2, [], select, 'SELECT 0'),
  keyless('connection', 'quit', -1, ['unauthenticated', 'subscribed', 'immediate'], quit, 'QUIT'),
  keyless('connection', 'reset', 1, ['barrier', 'unauthenticated', 'subscribed', 'immediate'], reset, 'RESET'),
  CLIENT_COMMAND,
];
