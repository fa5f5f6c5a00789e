/**
 * What the desk over Redis asks of it, each in one step that nothing else comes between. Amounts are digits and are compared as
 * such, for Lua's numbers are doubles; the clock of rates and leases is the server's.
 */
import { type Script, script } from "../storage/Redis.ts"

/** What a bucket holds now, and how it is kept: full at first, filled evenly in a minute, below nothing for what is owed. */
const buckets = `
local args = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function content(key, limit)
  local kept = redis.call('HMGET', key, 'n', 'at')
  if not kept[1] then return limit end
  return math.min(limit, tonumber(kept[1]) + math.max(0, now - tonumber(kept[2])) * limit / 60000)
end

local function keep(key, limit, n)
  redis.call('HSET', key, 'n', string.format('%.17g', n), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', key, string.format('%.0f', math.ceil((limit - n) * 60000 / limit) + 1000))
end

-- Redis knows no '-0'.
local function minus(digits) return digits == '0' and '0' or '-' .. digits end

-- Of digits without a sign.
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end

local function list(found) return #found > 0 and found or nil end

-- Told once in a window, by whoever sees it first.
local function softs(purses, first)
  local found = {}
  for at, purse in ipairs(purses) do
    local account = redis.call('HMGET', KEYS[first + at], 'taken', 'reserved', 'soft')
    if account[1] and not account[3]
      and tonumber(account[1]) - tonumber(account[2]) >= tonumber(purse.limit) * purse.soft then
      redis.call('HSET', KEYS[first + at], 'soft', '1')
      found[#found + 1] = at - 1
    end
  end
  return list(found)
end
`

/**
 * Grants an order or nothing of it. Keys: the ticket, three for each line (places, requests, tokens), one for each purse. An
 * account has what is `taken`, of which some is `reserved` yet, since it was `told`; without one it is not known what was spent
 * before. The ticket keeps when its accounts were told: one that has gone and was told anew knows nothing of what it had reserved.
 */
export const enter: Script = script(`${buckets}
local lines, purses = args.lines, args.purses
local after_lines = 1 + 3 * #lines

-- Its caller has given it up before it came here.
if redis.call('EXISTS', KEYS[1]) == 1 then return cjson.encode({ gone = true }) end

local unknown = {}
for at = 1, #purses do
  if redis.call('HEXISTS', KEYS[after_lines + at], 'taken') == 0 then unknown[#unknown + 1] = at - 1 end
end
if #unknown > 0 then return cjson.encode({ unknown = unknown }) end

for at, purse in ipairs(purses) do
  local key = KEYS[after_lines + at]
  local taken = redis.call('HGET', key, 'taken')
  local fits = less(taken, purse.limit) and not less(purse.limit, args.bound)
  if fits then
    redis.call('HINCRBY', key, 'taken', args.bound)
    fits = not less(purse.limit, redis.call('HGET', key, 'taken'))
    redis.call('HINCRBY', key, 'taken', minus(args.bound))
  end
  if not fits then return cjson.encode({ exhausted = at - 1, taken = taken }) end
end

for at, line in ipairs(lines) do
  local places = KEYS[3 * at - 1]
  if line.concurrent then
    redis.call('ZREMRANGEBYSCORE', places, '-inf', string.format('%.0f', now))
    if redis.call('ZCARD', places) >= line.concurrent then return cjson.encode({ full = at - 1 }) end
  end
end

local counted, writes = {}, {}
local function take(at, of, key, limit, wanted)
  if not limit then return true end
  local n = content(key, limit)
  -- What a division has lost is nobody's fault.
  local fits = n + 1e-6 >= wanted
  if fits then
    n = math.max(0, n - wanted)
    writes[#writes + 1] = function() keep(key, limit, n) end
  end
  counted[#counted + 1] = { of = of, limit = limit, remaining = math.floor(math.max(0, n)), resetMs = (limit - n) * 60000 / limit }
  if fits then return true end
  return false, { at = at - 1, of = of, limit = limit, retryAfterMs = math.max(1, math.ceil((wanted - n) * 60000 / limit)) }
end
for at, line in ipairs(lines) do
  local fits, refused = take(at, 'requests', KEYS[3 * at], line.rpm, 1)
  -- One that is larger than the limit passes when nothing else was used.
  if fits then fits, refused = take(at, 'tokens', KEYS[3 * at + 1], line.tpm, math.min(line.tpm or 0, args.tokens)) end
  if not fits then return cjson.encode({ refused = refused, counted = list(counted) }) end
end

for _, write in ipairs(writes) do write() end
for at, line in ipairs(lines) do
  if line.concurrent then
    redis.call('ZADD', KEYS[3 * at - 1], string.format('%.0f', now + args.leaseMs), args.id)
    redis.call('PEXPIRE', KEYS[3 * at - 1], args.leaseMs * 2)
  end
end
local ticket = { 'of' }
for at = 1, #purses do
  local key = KEYS[after_lines + at]
  redis.call('HINCRBY', key, 'taken', args.bound)
  redis.call('HINCRBY', key, 'reserved', args.bound)
  ticket[at + 1] = redis.call('HGET', key, 'told') or ''
end
if args.ticketMs then redis.call('SET', KEYS[1], table.concat(ticket, ' '), 'PX', args.ticketMs) end
return cjson.encode({ granted = true, counted = list(counted), soft = softs(purses, after_lines) })
`)

/**
 * Ends an order, once: keys as for entering it. A ticket that is not there was ended before, by a try that was thought lost
 * (`again`), or has gone with everything else, and then what was spent still counts. `gone` in its place is the mark of an order
 * that was given back before it was granted.
 */
export const leave: Script = script(`${buckets}
local lines, purses = args.lines, args.purses
local after_lines = 1 + 3 * #lines
for at, line in ipairs(lines) do
  if line.concurrent then redis.call('ZREM', KEYS[3 * at - 1], args.id) end
end
local ticket = redis.call('GET', KEYS[1])
local held = ticket and ticket ~= 'gone'
if held then redis.call('DEL', KEYS[1]) end
if not held and args.unheard then redis.call('SET', KEYS[1], 'gone', 'PX', args.leaseMs) end
if not held and args.again then return '{}' end
for at, line in ipairs(lines) do
  local owed = line.tpm and args.owed - math.min(line.tpm, args.tokens) or 0
  if owed > 0 then keep(KEYS[3 * at + 1], line.tpm, content(KEYS[3 * at + 1], line.tpm) - owed) end
end
local told = {}
if held then
  for one in string.gmatch(ticket, ' ([^ ]*)') do told[#told + 1] = one end
end
for at = 1, #purses do
  local key = KEYS[after_lines + at]
  local account = redis.call('HMGET', key, 'taken', 'reserved', 'told')
  -- A window that is over is of no more interest.
  if account[1] then
    redis.call('HINCRBY', key, 'taken', args.spent)
    if held and account[3] == told[at] and not less(account[2], args.bound) then
      redis.call('HINCRBY', key, 'taken', minus(args.bound))
      redis.call('HINCRBY', key, 'reserved', minus(args.bound))
    end
  end
end
return cjson.encode({ soft = softs(purses, after_lines) })
`)

/** Keeps the places of those that are still under way. Keys: one for each line. */
export const renew: Script = script(`${buckets}
for at, ids in ipairs(args.places) do
  for _, id in ipairs(ids) do
    redis.call('ZADD', KEYS[at], string.format('%.0f', now + args.leaseMs), id)
  end
  redis.call('PEXPIRE', KEYS[at], args.leaseMs * 2)
end
return ''
`)

/** Says what was spent before; heard once for each window. Keys: one for each purse. */
export const tell: Script = script(`
local time = redis.call('TIME')
for at, told in ipairs(cjson.decode(ARGV[1])) do
  if redis.call('HSETNX', KEYS[at], 'taken', told.spent) == 1 then
    redis.call('HSET', KEYS[at], 'reserved', '0', 'told', time[1] .. '.' .. time[2])
    redis.call('PEXPIREAT', KEYS[at], string.format('%.0f', told.untilMs))
  end
end
return ''
`)

/** Reads accounts. Keys: one for each purse. */
export const balances: Script = script(`
local found = {}
for at, key in ipairs(KEYS) do
  local account = redis.call('HMGET', key, 'taken', 'reserved')
  found[at] = account[1] and { taken = account[1], reserved = account[2] } or false
end
return cjson.encode(found)
`)
