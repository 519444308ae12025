/**
 * An ACL that lets one command of the append script run and not the next would have it stop half-way. So each of them runs once when a
 * connection is made, on keys that nothing else uses. Where memory is full they fail too, but permission is asked before memory.
 *
 * KEYS: the log’s key for it; the keys that are written begin with it. Returns the commands that this user may not run.
 */
export const REHEARSAL_SCRIPT = `
local hash, list, stream, set, plain = KEYS[1] .. ':h', KEYS[1] .. ':l', KEYS[1] .. ':x', KEYS[1] .. ':z', KEYS[1] .. ':s'
local refused = {}
local function rehearse(...)
  local reply = redis.pcall(...)
  if type(reply) ~= 'table' or not reply.err then return end
  if string.find(reply.err, 'ACL failure') or string.find(reply.err, 'NOPERM') or string.find(reply.err, 'user executing the script') then
    refused[#refused + 1] = (...)
  end
end
rehearse('HSET', hash, 'a', '1')
rehearse('HGET', hash, 'a')
rehearse('HMGET', hash, 'a')
rehearse('HGETALL', hash)
rehearse('HLEN', hash)
rehearse('HINCRBY', hash, 'a', 1)
rehearse('HDEL', hash, 'a')
rehearse('RPUSH', list, 'a')
rehearse('LLEN', list)
rehearse('LRANGE', list, 0, -1)
rehearse('LINDEX', list, 0)
rehearse('LTRIM', list, 0, 0)
rehearse('LPOP', list)
rehearse('XADD', stream, '1-0', 'a', '1')
rehearse('XRANGE', stream, '-', '+')
rehearse('XTRIM', stream, 'MINID', '2')
rehearse('ZADD', set, 1, 'a')
rehearse('ZCARD', set)
rehearse('ZSCORE', set, 'a')
rehearse('ZRANGEBYSCORE', set, '-inf', '+inf')
rehearse('ZREM', set, 'a')
rehearse('SET', plain, '1')
rehearse('MSET', plain, '1')
rehearse('GET', plain)
rehearse('STRLEN', plain)
rehearse('EXISTS', plain)
rehearse('TYPE', plain)
rehearse('PEXPIREAT', plain, '9999999999999')
rehearse('PTTL', plain)
rehearse('PERSIST', plain)
rehearse('TIME')
rehearse('UNLINK', hash, list, stream, set, plain)
rehearse('DEL', hash, list, stream, set, plain)
return refused
`;
