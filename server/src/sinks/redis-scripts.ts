/*
 * What a sink has its Redis do in one step. Both scripts look before they write, because an error takes nothing back, and both note
 * the fence under KEYS[1], which ends after ARGV[2] milliseconds without a holder: nobody who was away for as long is let in by the log.
 * All keys are in KEYS, so that an ACL refuses before the first write.
 */

/** `{'fenced', highest}`, `{'wrong-type', type}`, or what follows. */
const LOOK = `
local highest = redis.call('GET', KEYS[1])
if highest and tonumber(highest) > tonumber(ARGV[1]) then return {'fenced', highest} end
if KEYS[2] then
  local kind = redis.call('TYPE', KEYS[2])
  kind = type(kind) == 'table' and kind.ok or kind
  if kind ~= 'set' and kind ~= 'none' then return {'wrong-type', kind} end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
`;

/**
 * Publishes, and keeps the set, in the order of the operations.
 * KEYS: fence, and the set where there is one. ARGV: fence, milliseconds, then of each operation `p` channel payload, `a` member or
 * `r` member. Returns `{'written'}`, or as LOOK.
 */
export const WRITE_SCRIPT = `${LOOK}
local at = 3
while ARGV[at] do
  local kind = ARGV[at]
  if kind == 'p' then
    redis.call('PUBLISH', ARGV[at + 1], ARGV[at + 2])
    at = at + 3
  elseif kind == 'a' then
    redis.call('SADD', KEYS[2], ARGV[at + 1])
    at = at + 2
  else
    redis.call('SREM', KEYS[2], ARGV[at + 1])
    at = at + 2
  end
end
return {'written'}
`;

/**
 * Takes members away whose keys are not there either, which somebody else may keep.
 * KEYS: fence, set, and the key of each member. ARGV: fence, milliseconds, the members. Returns as WRITE_SCRIPT.
 */
export const FORGET_SCRIPT = `${LOOK}
for index = 3, #KEYS do
  if redis.call('EXISTS', KEYS[index]) == 0 then redis.call('SREM', KEYS[2], ARGV[index]) end
end
return {'written'}
`;
