/* Leases and the register of a rebuild. Time is the server's, ahead by so many microseconds, and never a native expiry. */

import { REPLICATE_EFFECTS } from './script-parts.ts';

const TIME = `${REPLICATE_EFFECTS}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + math.floor(tonumber(ARGV[1]) / 1000)
`;

/**
 * KEYS: leases, fences. ARGV: microseconds ahead, lease, holder, milliseconds. Returns the fence, or nil while another holds it.
 * The holder of a lease that has not run out keeps its fence.
 */
export const LEASE_SCRIPT = `${TIME}
local till, holder = string.match(redis.call('HGET', KEYS[1], ARGV[2]) or '', '^(%d+) (.*)$')
local isHeld = till and tonumber(till) > now
if isHeld and holder ~= ARGV[3] then return false end
local fence = redis.call('HGET', KEYS[2], ARGV[2])
redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f ', now + tonumber(ARGV[4])) .. ARGV[3])
if isHeld and fence then return fence end
redis.call('HINCRBY', KEYS[2], ARGV[2], 1)
return redis.call('HGET', KEYS[2], ARGV[2])
`;

/** KEYS: leases. ARGV: lease, holder. Another's lease is left to it. */
export const RELEASE_SCRIPT = `
local holder = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^%d+ (.*)$')
if holder == ARGV[2] then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
`;

/** KEYS: nodes. ARGV: microseconds ahead, node, epoch, offset, milliseconds. Returns node, epoch and offset of each that has not run out. */
export const REGISTER_SCRIPT = `${TIME}
redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f ', now + tonumber(ARGV[5])) .. ARGV[4] .. ' ' .. ARGV[3])
local all = redis.call('HGETALL', KEYS[1])
local list = {}
for at = 1, #all, 2 do
  local till, offset, epoch = string.match(all[at + 1], '^(%d+) (%d+) (.*)$')
  if till and tonumber(till) > now then
    list[#list + 1] = {all[at], epoch, offset}
  else
    redis.call('HDEL', KEYS[1], all[at])
  end
end
return list
`;
