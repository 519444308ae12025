/* What a node reads in one step, so that all of it is of one moment. Nothing here writes. */

/** `find(key)`: type, value (of a hash fields and values in turn) and expiry in milliseconds since 1970 of what lies under a key. */
const FIND = `
local function milliseconds()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function expiryOf(key)
  local ttl, before, after
  for _ = 1, 3 do
    before = milliseconds()
    ttl = redis.call('PTTL', key)
    if ttl < 0 then return '' end
    after = milliseconds()
    if before == after then break end
  end
  return string.format('%.0f', before + ttl)
end
local function find(key)
  local data = redis.pcall('GET', key)
  if not data then return {'none'}, 0 end
  if type(data) == 'string' then return {'string', data, expiryOf(key)}, #data end
  local kind = redis.call('TYPE', key)
  kind = kind.ok or kind
  if kind ~= 'hash' then return {kind}, 0 end
  local fields = redis.call('HGETALL', key)
  local bytes = 0
  for at = 1, #fields do bytes = bytes + #fields[at] end
  return {kind, fields, expiryOf(key)}, bytes
end
`;

/** KEYS: any. Returns of each key what `find` does. */
export const FIND_SCRIPT = `${FIND}
local list = {}
for at = 1, #KEYS do list[at] = find(KEYS[at]) end
return list
`;
