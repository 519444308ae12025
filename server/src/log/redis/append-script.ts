/*
 * The one step by which a log on a Redis grows. Every check stands before the first write, because an error takes nothing back, and the
 * first write is the one that may be refused (memory, a replica, an id of the stream): what follows can't be. All keys are in KEYS, so
 * that an ACL refuses before it runs. Numbers that matter are texts all the way: Lua would round or shorten them.
 */

import { DECIDED_AGO_MAX_MICROS, FIXED_ARGUMENTS, PLAN_BYTES, PLAN_FORMAT } from './append-plan.ts';
import { AS_IT_WAS, MOVE_UP } from './rebase-script.ts';
import { READ_HEAD, RECORDS_AFTER, REPLICATE_EFFECTS } from './script-parts.ts';

/** Keys that are written together: few enough for tables that stay small, many enough that calls cost little. */
const CHUNK = 64;

const LOOK = `
local HEAD, EPOCHS, CHANGES, MARKS, HEADS, INDEX, WRITERS, FENCES, TURN = unpack(KEYS, 1, 9)
local record, plan = ARGV[12], ARGV[13]
local tables, unseen, known, found = tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])
local base = 9 + tables
local count = unseen + known + found
${AS_IT_WAS}
local head = readHead(HEAD)
local done, doneToken, doneLast, doneNow = string.match(call('HGET', WRITERS, ARGV[9]) or '', '^(%d+) (%S*) ?(%d*) ?(%d*)')
if done then
  if tonumber(done) > tonumber(ARGV[10]) then return {'appended'} end
  if done == ARGV[10] and doneToken == ARGV[2] then
    if doneLast == ARGV[4] or doneNow == '' then return {'appended'} end
    return {'appended', doneLast, doneNow, (recordsAfter(CHANGES, ARGV[18], ARGV[1], head)) or {}}
  end
end

local turn = call('GET', TURN)
-- By how much the step is moved up, and what lies in between.
local up, missed = 0, nil
if (head[3] or '') ~= ARGV[1] then
  local records, reached = recordsAfter(CHANGES, ARGV[18], ARGV[1], head)
  local isOpen = records and #records > 0 and ARGV[27] == '1' and (not turn or turn == ARGV[9])
    and reached == head[2] and head[1] == ARGV[28] and (head[6] or '0') == ARGV[29]
  if not isOpen or not isAsItWas() then
    if ARGV[11] == '1' then redis.pcall('SET', TURN, ARGV[9], 'NX', 'PX', 50) end
    if not records or #records == 0 then return {'behind', head} end
    return {'moved', records}
  end
  up, missed = tonumber(head[2]) - tonumber(ARGV[18]), records
end

if turn and turn ~= ARGV[9] then return {'turn', call('PTTL', TURN)} end

local at = ${FIXED_ARGUMENTS + 1} + 2 * tonumber(ARGV[30])
for index = 1, tonumber(ARGV[19]) do
  local current = call('HGET', FENCES, ARGV[at]) or '0'
  if current ~= ARGV[at + 1] then return {'fenced', ARGV[at], current} end
  at = at + 2
end

local time = call('TIME')
local nowMs = time[1] * 1000 + time[2] / 1000
local server = time[1] * 1000000 + time[2] + tonumber(ARGV[23])
local latest = math.max(server, tonumber(head[4] or '0'))
local decided = tonumber(ARGV[5])
if decided > latest or decided < latest - ${DECIDED_AGO_MAX_MICROS} then return {'untimely', string.format('%.0f', server)} end

if ARGV[6] == '' and (head[5] or '') ~= ARGV[8] then return {'other-run', ARGV[8]} end

call('LLEN', EPOCHS)
call('LLEN', MARKS)
call('HLEN', HEADS)
call('ZCARD', INDEX)
for index = 1, tables do call('HLEN', KEYS[9 + index]) end
`;

const EXPECT = `
local reread, foreign = {}, {}
local function typeOf(key)
  local kind = call('TYPE', key)
  return kind.ok or kind
end
local function differs(key, kind)
  if kind == 'string' or kind == 'hash' or kind == 'none' then
    reread[#reread + 1] = key
  else
    foreign[#foreign + 1] = key
    foreign[#foreign + 1] = kind
  end
end

for first = 1, unseen, 2000 do
  local last = math.min(first + 1999, unseen)
  if call('EXISTS', unpack(KEYS, base + first, base + last)) ~= 0 then
    for index = first, last do
      local kind = typeOf(KEYS[base + index])
      if kind ~= 'none' then differs(KEYS[base + index], kind) end
    end
  end
end

local strings = {}
local keys = KEYS
local function look(at)
  local key = keys[base + at]
  local op = string.byte(plan, (at - 1) * ${PLAN_BYTES} + 1)
  local isHash = op == 2 or op == 3
  local length = redis.pcall(isHash and 'HLEN' or 'STRLEN', key)
  if type(length) ~= 'number' then
    local kind = typeOf(key)
    if kind == 'string' and op == 3 then
      strings[#strings + 1] = key
    elseif (kind ~= 'string' and kind ~= 'hash') or op == 2 then
      differs(key, kind)
    end
  elseif length == 0 and op == 2 then
    differs(key, 'none')
  end
end
-- Most are strings and stay it: one protected call for all of them, and each for itself only where it fails.
local plain = tonumber(ARGV[26])
local function lookAtStrings()
  for at = base + unseen + 1, base + unseen + plain do call('STRLEN', keys[at]) end
end
if pcall(lookAtStrings) then plain = unseen + plain else plain = unseen end
for at = plain + 1, unseen + known do look(at) end

local tail = tonumber(ARGV[20])
local collected = tonumber(ARGV[24])
local collectedAt = tail - collected - tonumber(ARGV[25])
for index = unseen + known + 1, count do
  local key = KEYS[base + index]
  local kind = typeOf(key)
  local values = tonumber(ARGV[tail + 2])
  local isSame = kind == ARGV[tail]
  if isSame and kind == 'string' then
    local data = ARGV[tail + 3]
    if values == 0 then
      local _, _, _, start, stop = struct.unpack('${PLAN_FORMAT}', plan, (index - 1) * ${PLAN_BYTES} + 1)
      data = sub(record, start, stop)
    end
    isSame = call('GET', key) == data
  elseif isSame and kind == 'hash' then
    local fields = {}
    local all = call('HGETALL', key)
    for field = 1, #all, 2 do fields[all[field]] = all[field + 1] end
    isSame = #all == values
    for field = tail + 3, tail + 2 + values, 2 do
      if fields[ARGV[field]] ~= ARGV[field + 1] then isSame = false end
    end
  end
  if isSame and (kind == 'string' or kind == 'hash') then
    local ttl = call('PTTL', key)
    local expected = tonumber(ARGV[tail + 1])
    if expected and ttl >= 0 then
      isSame = math.abs(nowMs + ttl - expected) <= 10
    else
      isSame = (expected == nil) == (ttl < 0)
    end
  end
  if not isSame then differs(key, kind) end
  tail = tail + 3 + values
end

if missed and #foreign + #reread > 0 then return {'moved', missed} end
if #foreign > 0 then return {'wrong-type', foreign} end
if #reread > 0 then return {'reread', reread} end
`;

/**
 * The ACL may have changed since the connection was made, and an error half-way takes nothing back. So what most steps write with is
 * called once before, in a way that changes nothing: what the user may not run fails here.
 */
const TRY = `
call('ZADD', INDEX, 'XX', '0', '')
call('SET', HEAD, '', head[3] and 'NX' or 'XX')
local function tryWith(...)
  local reply = redis.pcall(...)
  if not string.find(reply.err, 'wrong number of arguments') then error(reply.err) end
end
tryWith('HSET', HEAD, 'a', '', 'b')
if count > 0 then tryWith('MSET', HEAD, '', HEAD) end
`;

const WRITE = `
local last, now = ARGV[4], ARGV[5]
if up > 0 then last, now = moveUp() end
local function addRecord()
  return redis.pcall('XADD', CHANGES, 'MINID', '~', ARGV[21], last .. '-0', 'b', head[3] or '', 'r', record)
end
local added = addRecord()
if head[3] and added.err and string.find(added.err, 'equal or smaller') then
  -- Half a write lies beyond the head, or did: no node has taken it.
  local from = head[2] .. '-0'
  for _, entry in ipairs(call('XRANGE', CHANGES, '(' .. from, '+')) do call('XDEL', CHANGES, entry[1]) end
  call('XSETID', CHANGES, from)
  added = addRecord()
end
if added.err then return added end
if not head[3] then call('DEL', MARKS) end

local bytes = tonumber(head[7] or '0') + #record
local mark = tonumber(head[8] or '0')
local bytesMax = tonumber(ARGV[22])
if bytes - mark >= bytesMax / 64 then
  mark = bytes
  call('RPUSH', MARKS, string.format('%.0f ', bytes) .. last)
  local gone
  for _ = 1, 1000 do
    local before, offset = string.match(call('LINDEX', MARKS, 0) or '', '^(%d+) (%d+)$')
    if not before or tonumber(before) > bytes - bytesMax then break end
    call('LPOP', MARKS)
    gone = offset
  end
  if gone then call('XTRIM', CHANGES, 'MINID', '~', gone .. '-1') end
end

local epoch = head[1] or ''
if ARGV[6] ~= '' then
  epoch = ARGV[6]
  if not head[3] then
    call('DEL', EPOCHS)
    for before = collectedAt + collected, collectedAt + collected + tonumber(ARGV[25]) - 1 do call('RPUSH', EPOCHS, ARGV[before]) end
  end
  call('RPUSH', EPOCHS, ARGV[3] .. ' ' .. epoch)
  call('LTRIM', EPOCHS, -1000, -1)
end
local floor = ARGV[7] ~= '' and ARGV[7] or head[6] or '0'
call('HSET', HEAD, 'epoch', epoch, 'offset', last, 'token', ARGV[2], 'now', now, 'run', ARGV[8], 'floor', floor,
  'bytes', string.format('%.0f', bytes), 'mark', string.format('%.0f', mark))

local heads, index, values, length, set = {}, {}, {}, 0, 0
local function flush()
  if length > 0 then
    call('HSET', HEADS, unpack(heads, 1, length))
    call('ZADD', INDEX, unpack(index, 1, length))
  end
  if set > 0 then call('MSET', unpack(values, 1, set)) end
  length, set = 0, 0
end
local function fields(command, key, first, total)
  for from = first, first + total - 1, 2000 do
    call(command, key, unpack(ARGV, from, math.min(from + 1999, first + total - 1)))
  end
end
for _, key in ipairs(strings) do call('UNLINK', key) end

local function other(op, key, start, stop, expiry)
  if op == 5 then
    call('UNLINK', key)
  elseif op ~= 0 then
    if op ~= 4 then
      fields('HSET', key, start + 1, stop)
      fields('HDEL', key, start + 1 + stop, tonumber(ARGV[start]))
    end
    if expiry > 0 then call('PEXPIREAT', key, ARGV[expiry]) else call('PERSIST', key) end
  end
end

-- The plan of so many keys is read in one call, and they are written in one call of each command.
for first = 1, count, ${CHUNK} do
  local size = math.min(${CHUNK}, count - first + 1)
  local spots = {struct.unpack(string.rep('${PLAN_FORMAT}', size), plan, (first - 1) * ${PLAN_BYTES} + 1)}
  local spot = 1
  for at = base + first, base + first + size - 1 do
    local key, op, start = keys[at], spots[spot], spots[spot + 3]
    heads[length + 1] = key
    heads[length + 2] = sub(record, spots[spot + 1], spots[spot + 2])
    index[length + 1] = up > 0 and string.format('%.0f', tonumber(spots[spot + 6]) + up) or spots[spot + 6]
    index[length + 2] = key
    length = length + 2
    if op ~= 1 then
      other(op, key, start, spots[spot + 4], spots[spot + 5])
    else
      local value = start > 0 and sub(record, start, spots[spot + 4]) or ARGV[spots[spot + 4]]
      local expiry = spots[spot + 5]
      if expiry > 0 then
        call('SET', key, value, 'PXAT', ARGV[expiry])
      else
        values[set + 1] = key
        values[set + 2] = value
        set = set + 2
      end
    end
    spot = spot + 8
  end
  flush()
end

for table = 1, tables do
  local pairs, removed = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  fields('HSET', KEYS[9 + table], at + 2, pairs)
  fields('HDEL', KEYS[9 + table], at + 2 + pairs, removed)
  at = at + 2 + pairs + removed
end

for from = collectedAt, collectedAt + collected - 1, 1000 do
  local dead = {}
  for at = from, math.min(from + 999, collectedAt + collected - 1) do
    local own = call('HGET', HEADS, ARGV[at])
    local offset = call('ZSCORE', INDEX, ARGV[at])
    if own and string.byte(own, 2) == 1 and offset and tonumber(offset) <= tonumber(ARGV[7]) then dead[#dead + 1] = ARGV[at] end
  end
  if #dead > 0 then
    call('HDEL', HEADS, unpack(dead))
    call('ZREM', INDEX, unpack(dead))
  end
end

if call('HSET', WRITERS, ARGV[9], ARGV[10] .. ' ' .. ARGV[2] .. ' ' .. last .. ' ' .. now) == 1 and call('HLEN', WRITERS) > 1000 then
  local all = call('HGETALL', WRITERS)
  local writers = {}
  for at = 1, #all, 2 do
    writers[#writers + 1] = {all[at], tonumber(string.match(all[at + 1], '(%d+)$') or '0')}
  end
  table.sort(writers, function(one, other) return one[2] < other[2] end)
  for at = 1, #writers - 500 do call('HDEL', WRITERS, writers[at][1]) end
end
if turn then call('DEL', TURN) end
if missed then return {'appended', last, now, missed} end
return {'appended'}
`;

/**
 * KEYS: OWN_KEYS, the hash of each table that is written, then the plain keys: those expected absent, those known, those as found.
 * ARGV: 1 token of the head decided on · 2 token · 3 first · 4 last · 5 now · 6 epoch or '' · 7 tombstone floor or '' · 8 run id of this
 * server · 9 incarnation · 10 sequence · 11 '1' who wants the turn · 12 record · 13 plan · 14–17 how many tables, keys expected absent,
 * known, as found · 18 offset of the head decided on · 19 how many fences · 20 where what was found begins · 21 lowest offset that the
 * stream keeps · 22 bytes that it keeps · 23 microseconds that the log's time is ahead of TIME · 24–25 how many keys are collected, how
 * many epochs there were before · 26 how many of the known, which come first, are plain strings · 27 '1' where it may be moved up · 28–29
 * epoch and tombstone floor of the head decided on · 30 how many keys were looked at · name and offset of each of those · lease and number of each fence · of each table: how many words to set, how many to remove, the words ·
 * the keys collected · `FIRST ID` of each epoch before · of each key as found: type, expiry in ms or '', how many values, the values ·
 * what the plan refers to.
 * Returns a word, and what `answerOfReply` makes of the rest.
 */
export const APPEND_SCRIPT = `${REPLICATE_EFFECTS}local call, sub = redis.call, string.sub
${READ_HEAD}${RECORDS_AFTER}${LOOK}${MOVE_UP}${EXPECT}${TRY}${WRITE}`;
