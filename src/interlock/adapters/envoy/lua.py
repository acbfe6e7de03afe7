"""The Lua that Envoy runs: what a release's cluster does to each attempt, and how bodies and bad answers are kept.

Pin and translation live in the *upstream* filters of a release's cluster, because only those run anew for each
attempt and for each copy; what a route adds is still there, wrong, when the attempt is repeated elsewhere.
Header edits survive into the next attempt while the body is restored, so the length of the untranslated body is
remembered in `x-interlock-cl` and every release's cluster restores it.

Routes switch this filter off where nothing is to be translated and no second release can come into play: a bare,
right pin inside, or no baggage at all on a default route of the edge, which then adds the pin itself.

A translation that rejects the request answers 422, marked by `x-interlock-lens` so that it counts against the
release (400 when the body is not JSON, which is the caller's doing); Envoy repeats no answer that its own filters
gave, so the caller sees it. A service's answer that cannot be translated back becomes a 502, which the edge does
repeat under the baseline. Neither shows a caller the shape of another contract version. Answers above Envoy's
buffer (the larger of 1 MiB and the body limit) cannot be translated and become a 500.
"""

from __future__ import annotations

import json

from interlock.adapters.envoy import marks
from interlock.adapters.envoy.lens_lua import RUNTIME, translator
from interlock.adapters.envoy.names import Kind
from interlock.domain.releases.release import Deployment
from interlock.domain.traffic.baggage import KEY_MEMBER, OWN_PREFIX, RELEASE_MEMBER, SEGMENT_MEMBER, SHADOW_MEMBER

LENGTH_HEADER = "x-interlock-cl"
LENS_HEADER = "x-interlock-lens"
SHADOW_HEADER = "x-interlock-shadow"
COPY_MEMBER = f"{OWN_PREFIX}copy"
"""On a copy until its release's filter has seen it."""
ANSWER_KEY_HEADER = "x-interlock-key"
"""The key of a bad answer's request, inside Envoy only."""
CAPTURE_NAMESPACE = "interlock.capture"

_PIN_HEAD = """\
local BARE = '@MEMBER@=@RELEASE@'
local AT_EDGE = {@AT_EDGE@}
local find, gmatch, concat = string.find, string.gmatch, table.concat
"""

_PIN = """\
local function without(baggage, member)
  local kept = {}
  for m in gmatch(baggage, '[^,]+') do
    if not find(m, member) then kept[#kept + 1] = m end
  end
  return kept
end

-- exactly one pin, first; at the edge every member of ours is void, because only Interlock writes them, and what a
-- fresh copy has of them is from the edge too
local function pinned(h, baggage, pin)
  local kind = find(baggage, '@OWN@', 1, true) and h:streamInfo():routeName():match('%a+$')
  local is_fresh_copy = kind == '@SHADOW_KIND@' and find(baggage, '@COPY@', 1, true)
  if is_fresh_copy then pin = pin .. ',@SHADOW@=1' end
  local is_void = is_fresh_copy or AT_EDGE[kind]
  local kept = without(baggage, is_void and '^%s*@OWN_PATTERN@' or '^%s*@MEMBER_PATTERN@%s*=')
  return #kept == 0 and pin or pin .. ',' .. concat(kept, ',')
end

local function pin(h)
  local headers = h:headers()
  local length = headers:get('@LENGTH@')
  if length then
    if length == '-' then headers:remove('content-length') else headers:replace('content-length', length) end
    headers:remove('@LENGTH@')
  end
  local baggage, own = headers:get('baggage'), @PIN@
  if not baggage then headers:add('baggage', own)
  elseif baggage ~= own then headers:replace('baggage', pinned(h, baggage, own)) end
end
"""

_CARRY = """\
-- segment and group are marks of the edge and of copies; further inside they are in the baggage already
local function carry(h)
  local found = h:streamInfo():dynamicMetadata():get('@OUTSIDE@')
  if not found then return BARE end
  local group = found.group and ',@KEY_MEMBER@=' .. found.group or ''
  return BARE .. ',@SEGMENT_MEMBER@=' .. found.segment .. group
end
"""

_PROBLEM = """\
local function problem(status, title, code, detail)
  local escaped = (detail or ''):gsub('[%c"\\\\]', function(c) return string.format('\\\\u%04x', c:byte()) end)
  return '{"type":"about:blank","title":"' .. title .. '","status":' .. status .. ',"code":"' .. code
    .. '","detail":"' .. escaped .. '"}'
end
"""

_REQUEST = """\
local function refuse(h, status, title, code, detail)
  h:respond({[':status'] = status, ['content-type'] = 'application/problem+json', ['@LENS@'] = code:match('%a+$'),
    ['x-interlock-release'] = '@RELEASE@'}, problem(status, title, code, detail))
end

local function translate_request(h)
  local body = h:body()
  if not body or body:length() == 0 then return end
  local ok, text, reason = pcall(to_release, body:getBytes(0, body:length()))
  if ok and text then
    local headers = h:headers()
    headers:replace('@LENGTH@', headers:get('content-length') or '-')
    body:setBytes(text)
  elseif not ok then refuse(h, '500', 'The translation failed', 'lens.failed', tostring(text))
  elseif find(reason, '^not JSON') then refuse(h, '400', 'The body is not JSON', 'lens.unreadable', reason)
  else refuse(h, '422', 'The request cannot be translated', 'lens.rejected', reason) end
end
"""

_RESPONSE = """\
function envoy_on_response(h)
  local headers = h:headers()
  if not find(headers:get(':status'), '^2') then return end
  if not find((headers:get('content-type') or ''):lower(), '^application/json') then return end
  local body = h:body()
  if not body or body:length() == 0 then return end
  local ok, text, reason = pcall(to_callers, body:getBytes(0, body:length()))
  if ok and text then body:setBytes(text) return end
  headers = h:headers()
  headers:replace(':status', '502')
  headers:replace('content-type', 'application/problem+json')
  headers:replace('@LENS@', 'failed')
  body:setBytes(problem('502', 'The answer cannot be translated', 'lens.failed', tostring(ok and reason or text)))
end
"""


def release_filter(release: str, deployment: Deployment, *, is_segmented: bool = False) -> str:
    """What the cluster of `deployment` at `release` does to each attempt: pin it, and translate if need be.

    is_segmented: some release of the service declares segments, which at the edge go beside the pin.
    """
    has_marks = deployment.edge and is_segmented
    parts = [_fill(_PIN_HEAD, RELEASE=release), _fill(_CARRY) if has_marks else ""]
    parts.append(_fill(_PIN, PIN="carry(h)" if has_marks else "BARE"))
    calls = ["pin(h)"]
    request, response = (deployment.request, deployment.response) if deployment.is_in_lua else ((), ())
    if request or response:
        parts += [RUNTIME, _PROBLEM]
    if response:
        parts += [translator("to_callers", response), _fill(_RESPONSE)]
        calls.append("h:headers():remove('accept-encoding')")
    if request:
        parts += [translator("to_release", request), _fill(_REQUEST, RELEASE=release)]
        calls.append("translate_request(h)")
    parts.append(f"function envoy_on_request(h)\n  {'; '.join(calls)}\nend\n")
    return "\n".join(parts)


_ROOM = """\
local looked, full = 0, false

local function is_full()
  if looked % 64 == 0 then
    local file = io.open(@FILE@, 'r')
    full = file ~= nil and file:seek('end') > @FILE_LIMIT@
    if file then file:close() end
  end
  looked = looked + 1
  return full
end
"""

_COPY_BODY = """\
-- chunks pass through while they are copied: a large or endless body is never held back
local function copied(h)
  local parts, size = {}, 0
  for chunk in h:bodyChunks() do
    local length = chunk:length()
    size = size + length
    if length > 0 and size <= @BODY_LIMIT@ then parts[#parts + 1] = chunk:getBytes(0, length) end
  end
  return size <= @BODY_LIMIT@ and '=' .. h:base64Escape(table.concat(parts)) or nil
end

local function capture(h, name)
  if is_full() then return end
  local body = copied(h)
  if body then h:streamInfo():dynamicMetadata():set('@NAMESPACE@', name, body) end
end

function envoy_on_response(h) capture(h, 'body') end
"""
_COPY_REQUEST = "function envoy_on_request(h) capture(h, 'request') end\n"


def capture_filter(file: str, body_limit_bytes: int, file_limit_bytes: int, *, with_request: bool) -> str:
    """Copies the answer's body, and the request's where asked, into metadata, from where the access logger writes
    them to `file`. Nothing is captured while the file is over its limit, so that it cannot fill the disk when
    nobody reads it.
    """
    copies = _fill(_COPY_BODY, BODY_LIMIT=str(body_limit_bytes))
    return _room(file, file_limit_bytes) + copies + (_COPY_REQUEST if with_request else "")


def _room(file: str, file_limit_bytes: int) -> str:
    quoted = json.dumps(file, ensure_ascii=False)  # Lua reads these escapes alike
    return _fill(_ROOM, FILE=quoted, FILE_LIMIT=str(file_limit_bytes))


_GROUP = """\
function envoy_on_request(h)
  local metadata = h:streamInfo():dynamicMetadata()
  local found = metadata:get('@KEY@')
  if not found then return end
  local sum = 7
  for i = 1, #found.key do sum = (sum * 31 + found.key:byte(i)) % 2147483647 end
  metadata:set('@OUTSIDE@', 'group', tostring(sum % @GROUPS@))
end
"""

GROUPS = 64
"""Into so many groups entity keys fall; as many are told apart in a segment, see `keys.py`."""


def group_filter() -> str:
    """Marks a request with the group of its entity key: the same for a key always, whatever process counts."""
    return _fill(_GROUP, GROUPS=str(GROUPS))


_SHA256 = """\
local band, bxor, bnot, rshift, ror = bit.band, bit.bxor, bit.bnot, bit.rshift, bit.ror

-- FIPS 180-4: the constants are fractions of the square and cube roots of the first primes
local START, ROUND = {}, {}
do
  local candidate = 2
  while #ROUND < 64 do
    local is_prime = true
    for divisor = 2, math.floor(math.sqrt(candidate)) do
      if candidate % divisor == 0 then is_prime = false break end
    end
    if is_prime then
      ROUND[#ROUND + 1] = bit.tobit(math.floor(candidate ^ (1 / 3) % 1 * 4294967296))
      if #START < 8 then START[#START + 1] = bit.tobit(math.floor(candidate ^ 0.5 % 1 * 4294967296)) end
    end
    candidate = candidate + 1
  end
end

local function absorb(state, text, at)
  local w = {}
  for i = 1, 16 do
    local a, b, c, d = text:byte(at + i * 4 - 4, at + i * 4 - 1)
    w[i] = bit.tobit(a * 16777216 + b * 65536 + c * 256 + d)
  end
  for i = 17, 64 do
    local x, y = w[i - 15], w[i - 2]
    local s0 = bxor(ror(x, 7), ror(x, 18), rshift(x, 3))
    local s1 = bxor(ror(y, 17), ror(y, 19), rshift(y, 10))
    w[i] = bit.tobit(w[i - 16] + s0 + w[i - 7] + s1)
  end
  local a, b, c, d, e, f, g, h = unpack(state)
  for i = 1, 64 do
    local s1 = bxor(ror(e, 6), ror(e, 11), ror(e, 25))
    local t1 = h + s1 + bxor(band(e, f), band(bnot(e), g)) + ROUND[i] + w[i]
    local t2 = bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bxor(band(a, b), band(a, c), band(b, c))
    h, g, f, e, d, c, b, a = g, f, e, bit.tobit(d + t1), c, b, a, bit.tobit(t1 + t2)
  end
  for i, value in ipairs({a, b, c, d, e, f, g, h}) do state[i] = bit.tobit(state[i] + value) end
end

local function digest(text)
  local bits = #text * 8
  local tail = string.char(math.floor(bits / 16777216) % 256, math.floor(bits / 65536) % 256,
    math.floor(bits / 256) % 256, bits % 256)
  local padded = text .. '\\128' .. string.rep('\\0', (55 - #text) % 64 + 4) .. tail
  local state = {unpack(START)}
  for at = 1, #padded, 64 do absorb(state, padded, at) end
  local words = {}
  for i = 1, 4 do words[i] = bit.tohex(state[i]) end
  return table.concat(words)
end
"""

_BAD = """\
function envoy_on_response(h)
  local headers, metadata = h:headers(), h:streamInfo():dynamicMetadata()
  local found, key = metadata:get('@KEY@'), headers:get('@ANSWER_KEY@')
  headers:remove('@ANSWER_KEY@')
  if found then key = found.key end
  if not key or is_full() then metadata:set('@BAD@', 'untold', 'yes')
  else metadata:set('@BAD@', 'key', digest(key)) end
end
"""


def bad_filter(file: str, file_limit_bytes: int) -> str:
    """Runs for bad answers alone: puts the digest of the entity key (half of its SHA-256) where the access logger
    finds it. While `file` is over its limit the answer is marked as untold instead, and counted.
    """
    return _SHA256 + _room(file, file_limit_bytes) + _fill(_BAD)


def _fill(template: str, **own: str) -> str:
    values = {
        "AT_EDGE": ", ".join(f"{kind.value} = true" for kind in (Kind.EDGE, Kind.UNKEYED, Kind.ASIDE)),
        "SHADOW_KIND": Kind.SHADOW.value,
        "COPY": COPY_MEMBER,
        "MEMBER": RELEASE_MEMBER,
        "MEMBER_PATTERN": RELEASE_MEMBER.replace(".", "%."),
        "SHADOW": SHADOW_MEMBER,
        "OWN": OWN_PREFIX,
        "OWN_PATTERN": OWN_PREFIX.replace(".", "%."),
        "SEGMENT_MEMBER": SEGMENT_MEMBER,
        "KEY_MEMBER": KEY_MEMBER,
        "OUTSIDE": marks.OUTSIDE,
        "KEY": marks.KEY,
        "ANSWER_KEY": ANSWER_KEY_HEADER,
        "BAD": marks.BAD,
        "SHADOW_HEADER": SHADOW_HEADER,
        "LENGTH": LENGTH_HEADER,
        "LENS": LENS_HEADER,
        "NAMESPACE": CAPTURE_NAMESPACE,
        **own,
    }
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template
