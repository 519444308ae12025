/* What a node reads in one step, so that all of it is of one moment. Nothing here writes. */
import { READ_HEAD, RECORDS_AFTER } from './append-script.ts';

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

/**
 * KEYS: head, epochs, changes. ARGV: epoch, offset and token (or '') of the head to read on from, how many bytes.
 * Returns {'behind'}, or {'records', list, '1' where those were all}. Without a token the epoch alone tells whether the offset is of this lineage.
 */
export const TAIL_SCRIPT = `${READ_HEAD}${RECORDS_AFTER}
local head = readHead(KEYS[1])
local token = ARGV[3]
if token == (head[3] or '') and ARGV[2] == (head[2] or '0') then return {'records', {}} end
if token == '' and ARGV[2] ~= '0' then
  local epochs = redis.call('LRANGE', KEYS[2], 0, -1)
  local isHeld, nextFirst = false, nil
  for at = #epochs, 1, -1 do
    local first, id = string.match(epochs[at], '^(%d+) (.*)$')
    if id == ARGV[1] then isHeld = true break end
    nextFirst = first
  end
  local offset = tonumber(ARGV[2])
  if not isHeld or offset > tonumber(head[2] or '0') then return {'behind'} end
  if nextFirst and offset >= tonumber(nextFirst) then return {'behind'} end
  if ARGV[2] == head[2] then return {'records', {}} end
  token = nil
end
local records, isAll = recordsAfter(KEYS[3], ARGV[2], token, tonumber(ARGV[4]))
if not records or #records == 0 then return {'behind'} end
return {'records', records, isAll and '1' or ''}
`;

/**
 * KEYS: head, index, heads. ARGV: offset, how many entries, how many bytes. Users' keys are not known before.
 * Returns the head, '1' where there may be more, and of each key offset, key, its head, and what `find` returns.
 */
export const REFILL_SCRIPT = `${READ_HEAD}${FIND}
local limit = tonumber(ARGV[2])
local bytesMax = tonumber(ARGV[3])
local page = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
local list, bytes = {}, 0
for at = 1, #page, 2 do
  if bytes > bytesMax then return {readHead(KEYS[1]), '1', list} end
  local head = redis.call('HGET', KEYS[3], page[at])
  local found, size = find(page[at])
  bytes = bytes + size + #page[at] + (head and #head or 0)
  list[#list + 1] = {page[at + 1], page[at], head, found}
end
return {readHead(KEYS[1]), #page == limit * 2 and '1' or '', list}
`;
