import type { RespCore } from './resp-core.ts';

type Section = (core: RespCore) => Readonly<Record<string, string | number>>;

const SECTIONS: Readonly<Record<string, Section>> = {
  server: (core) => ({
    redis_version: core.redisVersion,
    redis_mode: 'standalone',
    latchkey_version: core.programVersion,
    run_id: core.log.node,
    tcp_port: core.address().port,
    uptime_in_seconds: Math.floor((core.clock.monotonicMs() - core.startedAtMs) / 1000),
  }),
  clients: ({ clients, settings }) => ({
    connected_clients: clients.size,
    maxclients: settings.limits.connectionsMax,
    pubsub_clients: [...clients.values()].filter(({ subscriptions }) => subscriptions.count > 0).length,
  }),
  memory: () => ({ used_memory: process.memoryUsage.rss(), maxmemory: 0, maxmemory_policy: 'noeviction' }),
  // What client libraries wait for before they send anything.
  persistence: ({ log }) => ({ loading: log.state().isReady ? 0 : 1 }),
  stats: ({ channels, stats }) => ({
    total_connections_received: stats.connections,
    total_commands_processed: stats.commands,
    total_error_replies: stats.errors,
    rejected_connections: stats.refused,
    client_output_buffer_limit_disconnections: stats.slowSubscribers,
    pubsub_channels: channels.counts.names,
    pubsub_patterns: channels.counts.patterns,
  }),
  replication: () => ({ role: 'master', connected_slaves: 0 }),
  keyspace: ({ log }): Readonly<Record<string, string>> => {
    const { keys } = log.view.counts();
    return keys === 0 ? {} : { db0: `keys=${keys},expires=0,avg_ttl=0` };
  },
};

/** `sections` empty, or with `all`, `default` or `everything`: all of them. */
export function infoText(core: RespCore, sections: readonly string[]): string {
  const isAll = sections.length === 0 || sections.some((name) => ['all', 'default', 'everything'].includes(name));
  return Object.entries(SECTIONS)
    .filter(([name]) => isAll || sections.includes(name))
    .map(([name, section]) => {
      const lines = Object.entries(section(core)).map(([field, value]) => `${field}:${value}\r\n`);
      return `# ${name.charAt(0).toUpperCase()}${name.slice(1)}\r\n${lines.join('')}`;
    })
    .join('\r\n');
}
