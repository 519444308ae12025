import { compileGlob } from '../../shared/glob.ts';
import { utf8At, wordAt } from './arguments.ts';
import { type Answered, arityError, type Call, CommandError, type CommandSpec, keyless } from './call.ts';
import { printable } from './commands-client.ts';
import { infoText } from './info.ts';
import type { ReplyWriter } from './reply-writer.ts';

/** What clients and `redis-benchmark` ask for, as a Redis says it whose keyspace events are on. */
const CONFIG: Readonly<Record<string, (call: Call) => string>> = {
  appendonly: () => 'yes',
  databases: () => '1',
  maxmemory: () => '0',
  'maxmemory-policy': () => 'noeviction',
  'notify-keyspace-events': () => 'AKE',
  'proto-max-bulk-len': ({ core }) => String(core.settings.limits.bodyBytesMax),
  maxclients: ({ core }) => String(core.settings.limits.connectionsMax),
  save: () => '',
  timeout: () => '0',
};

function config(call: Call): Answered {
  const word = wordAt(call, 1);
  if (word === 'GET') return configGet(call);
  if (word === 'SET') return configSet(call);
  if (word === 'RESETSTAT') return call.reply((reply) => reply.ok());
  throw new CommandError(`ERR unknown subcommand '${printable(call.args.latin1(1))}'. Try CONFIG HELP.`);
}

function configGet(call: Call): Answered {
  if (call.args.count < 3) throw arityError('config|get');
  const globs = Array.from({ length: call.args.count - 2 }, (_value, index) =>
    compileGlob(
      call.args
        .latin1(index + 2)
        .toLowerCase()
        .slice(0, 256),
    ),
  );
  const found = Object.entries(CONFIG).filter(([name]) => globs.some((glob) => glob.matches(name)));
  return call.reply((reply) => {
    reply.map(found.length);
    for (const [name, value] of found) {
      reply.text(name);
      reply.text(value(call));
    }
  });
}

function configSet(call: Call): Answered {
  const { args } = call;
  if (args.count < 4 || args.count % 2 !== 0) throw arityError('config|set');
  for (let at = 2; at < args.count; at += 2) {
    const name = args.latin1(at).toLowerCase();
    // They are on; clients that switch them on are told so.
    if (name === 'notify-keyspace-events') continue;
    if (CONFIG[name] === undefined)
      throw new CommandError(
        `ERR Unknown option or number of arguments for CONFIG SET - '${printable(args.latin1(at))}'`,
      );
    throw new CommandError(
      `ERR CONFIG SET failed (possibly related to argument '${name}') - can't be set here; see latchkey.yaml`,
    );
  }
  return call.reply((reply) => reply.ok());
}

function info(call: Call): Answered {
  const sections = Array.from({ length: call.args.count - 1 }, (_value, index) =>
    call.args.latin1(index + 1).toLowerCase(),
  );
  return call.reply((reply) => reply.verbatim(infoText(call.core, sections)));
}

function time(call: Call): Answered {
  const micros = call.core.log.view.nowMicros();
  return call.reply((reply) => {
    reply.array(2);
    reply.text(String(Math.floor(micros / 1_000_000)));
    reply.text(String(Math.floor(micros % 1_000_000)));
  });
}

/** `COMMAND` and what redis-cli completes with. */
const command =
  (all: () => ReadonlyMap<string, CommandSpec>) =>
  (call: Call): Answered => {
    const { args } = call;
    const specs = all();
    if (args.count === 1) return call.reply((reply) => writeSpecs(reply, [...specs.values()]));
    switch (wordAt(call, 1)) {
      case 'COUNT':
        return call.reply((reply) => reply.integer(specs.size));
      case 'LIST':
        return call.reply((reply) => {
          reply.array(specs.size);
          for (const name of specs.keys()) reply.text(name);
        });
      case 'INFO': {
        const names = Array.from({ length: args.count - 2 }, (_value, index) => utf8At(call, index + 2, 'name'));
        const wanted = names.length === 0 ? [...specs.keys()] : names;
        return call.reply((reply) =>
          writeSpecs(
            reply,
            wanted.map((name) => specs.get(name.toLowerCase())),
          ),
        );
      }
      case 'DOCS':
        return call.reply((reply) => reply.map(0));
      default:
        throw new CommandError(`ERR unknown subcommand '${printable(args.latin1(1))}'. Try COMMAND HELP.`);
    }
  };

function writeSpecs(reply: ReplyWriter, specs: readonly (CommandSpec | undefined)[]): void {
  reply.array(specs.length);
  for (const spec of specs) {
    if (spec === undefined) {
      reply.nullArray();
      continue;
    }
    reply.array(6);
    reply.text(spec.name);
    reply.integer(spec.arity);
    const flags = [spec.isWrite ? 'write' : 'readonly', 'fast'];
    reply.set(flags.length);
    for (const flag of flags) reply.simple(flag);
    for (const place of spec.keys) reply.integer(place);
  }
}

export function serverCommands(all: () => ReadonlyMap<string, CommandSpec>): readonly CommandSpec[] {
  return [
    keyless('server', 'config', -2, [], config, 'CONFIG GET pattern | SET notify-keyspace-events flags | RESETSTAT'),
    keyless('server', 'info', -1, ['barrier'], info, 'INFO [section …]'),
    keyless('server', 'time', 1, [], time, 'TIME'),
    keyless('server', 'command', -1, [], command(all), 'COMMAND [COUNT|LIST|INFO name …|DOCS]'),
  ];
}
