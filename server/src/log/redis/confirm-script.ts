import { LOOKED_AS_IT_WAS } from './rebase-script.ts';
import { READ_HEAD, RECORDS_AFTER } from './script-parts.ts';

/**
 * Whether what was decided on a head, and needs nothing written, still holds.
 * KEYS: head, changes, heads. ARGV: 1 token of the head decided on · 2 its offset · 3 its epoch · 4 '1' where nothing but the keys that
 * were looked at decides it · 5 how many those are · name and offset of each.
 */
export const CONFIRM_SCRIPT = `local call = redis.call
${READ_HEAD}${RECORDS_AFTER}
local HEADS = KEYS[3]
${LOOKED_AS_IT_WAS}
local head = readHead(KEYS[1])
if (head[3] or '') == ARGV[1] then return {'confirmed'} end
if ARGV[4] == '1' and head[1] == ARGV[3] and tonumber(head[2]) > tonumber(ARGV[2]) and isLookedAsItWas(5, tonumber(ARGV[5])) then
  return {'confirmed'}
end
local records = recordsAfter(KEYS[2], ARGV[2], ARGV[1], head)
if not records or #records == 0 then return {'behind', head} end
return {'moved', records}
`;
