/**
 * How the append script moves a step up: what it was decided on is compared with what the log has by now, and the record is given the
 * places that follow. `rebase.ts` is the node's part of it.
 */
import { FIXED_ARGUMENTS, PLAN_BYTES } from './append-plan.ts';

/**
 * `isLookedAsItWas(before, count)`: whether the last change of each key that was only looked at is what it was. Their names and offsets
 * follow that argument. An offset lies at byte 19 of a head.
 */
export const LOOKED_AS_IT_WAS = `
local function isLookedAsItWas(before, count)
  for at = before + 1, before + 2 * count, 2 do
    local own = call('HGET', HEADS, ARGV[at])
    if (own and struct.unpack('<d', own, 19) or 0) ~= tonumber(ARGV[at + 1]) then return false end
  end
  return true
end
`;

/** `isAsItWas()`: the same of every key of the step. The offset that is expected of one that it changes lies at the end of its plan. */
export const AS_IT_WAS = `${LOOKED_AS_IT_WAS}
local function isAsItWas()
  for first = 1, count, 1000 do
    local last = math.min(first + 999, count)
    local heads = call('HMGET', HEADS, unpack(KEYS, base + first, base + last))
    for index = first, last do
      local own = heads[index - first + 1]
      if (own and struct.unpack('<d', own, 19) or 0) ~= struct.unpack('<d', plan, index * ${PLAN_BYTES} - 7) then return false end
    end
  end
  return isLookedAsItWas(${FIXED_ARGUMENTS}, tonumber(ARGV[30]))
end
`;

/**
 * `moveUp()`: gives the record the offsets that follow the head, and a `now` that is not before the head's: in its start, and of each
 * change the offset, the one before it where that is of this record too, and when it was decided (`record-codec.ts`, `key-head.ts`).
 * Nothing becomes longer, so what the plan tells of places holds.
 */
export const MOVE_UP = `
local function moveUp()
  local first, last = tonumber(ARGV[3]), tonumber(ARGV[4])
  local now = math.max(decided, tonumber(head[4] or '0'))
  local pieces = {sub(record, 1, 2), struct.pack('<ddd', first + up, last + up, now)}
  local copied, at = 27, 28 + string.byte(record, 27)
  local changes = struct.unpack('<I4', record, at)
  at = at + 8
  for index = 0, changes - 1 do
    local key, own, value = struct.unpack('<I2I2I4', record, at)
    local start = at + 8 + key
    local previous = struct.unpack('<d', record, start + 26)
    if previous >= first then previous = previous + up end
    pieces[#pieces + 1] = sub(record, copied, start + 17)
    pieces[#pieces + 1] = struct.pack('<ddd', first + up + index, previous, now)
    copied, at = start + 42, start + own + value
  end
  pieces[#pieces + 1] = sub(record, copied)
  record = table.concat(pieces)
  return string.format('%.0f', last + up), string.format('%.0f', now)
end
`;
