/** What several scripts of a log have in common: pieces of Lua, put in front of what uses them. */

/** Of the records that one answer has, unless the first is bigger. */
const RECORDS_BYTES_MAX = 1024 * 1024;

/**
 * `recordsAfter(changes, offset, token, head)`: the records after a head, oldest first, at least one where there is any, and the
 * offset that the last of them reaches; nil where the first of them was not appended to that head. `head`: where the log is, which tells
 * how big they are, more or less: small ones are read at once, of others it is looked at the first.
 */
export const RECORDS_AFTER = `
local function recordsAfter(changes, offset, token, head)
  local list, bytes, count, reached = {}, 0, 1, offset
  local ends = tonumber(head[2] or '0')
  if ends > 0 and tonumber(head[7] or '0') / ends * (ends - tonumber(offset)) < 65536 then count = 16 end
  local from = '(' .. offset .. '-0'
  while true do
    local page = redis.call('XRANGE', changes, from, '+', 'COUNT', count)
    for at = 1, #page do
      local fields = page[at][2]
      if #list == 0 and fields[2] ~= token then return nil end
      bytes = bytes + #fields[4]
      if #list > 0 and bytes > ${RECORDS_BYTES_MAX} then return list, reached end
      list[#list + 1] = fields[4]
      reached = string.match(page[at][1], '^%d+')
    end
    if #page < count or bytes >= ${RECORDS_BYTES_MAX} then return list, reached end
    from = '(' .. page[#page][1]
    count = math.max(1, math.min(256, math.floor((${RECORDS_BYTES_MAX} - bytes) * #list / bytes)))
  end
end
`;

/** Redis 6.2 can be set to send scripts instead of what they wrote to replicas, and then takes no write after TIME. */
export const REPLICATE_EFFECTS = `
if redis.replicate_commands then redis.replicate_commands() end
`;

/** `readHead(key)`: the fields of a head, in the order of `headOfReply`. */
export const READ_HEAD = `
local function readHead(key)
  return redis.call('HMGET', key, 'epoch', 'offset', 'token', 'now', 'run', 'floor', 'bytes', 'mark')
end
`;
