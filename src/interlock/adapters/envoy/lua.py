"""The Lua that Envoy runs: what a release's cluster does to each attempt, and how shadow bodies are captured.

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

from interlock.adapters.envoy.lens_lua import RUNTIME, translator
from interlock.adapters.envoy.names import Kind
from interlock.domain.releases.release import Deployment
from interlock.domain.traffic.baggage import RELEASE_MEMBER, SHADOW_MEMBER

LENGTH_HEADER = "x-interlock-cl"
LENS_HEADER = "x-interlock-lens"
SHADOW_HEADER = "x-interlock-shadow"
CAPTURE_NAMESPACE = "interlock.capture"

_PIN = """\
local PIN = '@MEMBER@=@RELEASE@'
local AT_EDGE = {@AT_EDGE@}
local find, gmatch, concat = string.find, string.gmatch, table.concat

local function without(baggage, member)
  local kept = {}
  for m in gmatch(baggage, '[^,]+') do
    if not find(m, member) then kept[#kept + 1] = m end
  end
  return kept
end

-- exactly one pin, first; at the edge a claim to be a copy is void, because only Interlock makes copies
local function pinned(h, baggage)
  local kept = without(baggage, '^%s*@MEMBER_PATTERN@%s*=')
  if find(baggage, '@SHADOW@', 1, true) and AT_EDGE[h:streamInfo():routeName():match('%a+$')] then
    kept = without(concat(kept, ','), '^%s*@SHADOW_PATTERN@%s*=')
  end
  return #kept == 0 and PIN or PIN .. ',' .. concat(kept, ',')
end

local function pin(h)
  local headers = h:headers()
  local length = headers:get('@LENGTH@')
  if length then
    if length == '-' then headers:remove('content-length') else headers:replace('content-length', length) end
    headers:remove('@LENGTH@')
  end
  local baggage = headers:get('baggage')
  if not baggage then headers:add('baggage', PIN)
  elseif baggage ~= PIN then headers:replace('baggage', pinned(h, baggage)) end
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
  if not find(headers:get('content-type') or '', '^application/json') then return end
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


def release_filter(release: str, deployment: Deployment) -> str:
    """What the cluster of `deployment` at `release` does to each attempt: pin it, and translate if need be."""
    parts = [_fill(_PIN, RELEASE=release)]
    calls = ["pin(h)"]
    if deployment.request or deployment.response:
        parts += [RUNTIME, _PROBLEM]
    if deployment.response:
        parts += [translator("to_callers", deployment.response), _fill(_RESPONSE)]
        calls.append("h:headers():remove('accept-encoding')")
    if deployment.request:
        parts += [translator("to_release", deployment.request), _fill(_REQUEST, RELEASE=release)]
        calls.append("translate_request(h)")
    parts.append(f"function envoy_on_request(h)\n  {'; '.join(calls)}\nend\n")
    return "\n".join(parts)


_MARK_COPY = """\
function envoy_on_request(h)
  local headers = h:headers()
  local kept = {'@SHADOW@=1'}
  for m in string.gmatch(headers:get('baggage') or '', '[^,]+') do
    if not string.find(m, '^%s*@SHADOW_PATTERN@%s*=') then kept[#kept + 1] = m end
  end
  headers:replace('baggage', table.concat(kept, ','))
  headers:replace('@SHADOW_HEADER@', '@CLUSTER@')
end
"""


def shadow_filter(cluster: str) -> str:
    """What the shadow cluster does to a copy: mark it, and name the `cluster` that the shadow listener uses."""
    return _fill(_MARK_COPY, CLUSTER=cluster)


_CAPTURE = """\
local taken, full = 0, false

local function is_full()
  if taken % 64 == 0 then
    local file = io.open(@FILE@, 'r')
    full = file ~= nil and file:seek('end') > @FILE_LIMIT@
    if file then file:close() end
  end
  taken = taken + 1
  return full
end

-- chunks pass through while they are copied: a large or endless answer is never held back
function envoy_on_response(h)
  if is_full() then return end
  local parts, size = {}, 0
  for chunk in h:bodyChunks() do
    local length = chunk:length()
    size = size + length
    if length > 0 and size <= @BODY_LIMIT@ then parts[#parts + 1] = chunk:getBytes(0, length) end
  end
  if size > @BODY_LIMIT@ then return end
  h:streamInfo():dynamicMetadata():set('@NAMESPACE@', 'body', '=' .. h:base64Escape(table.concat(parts)))
end
"""


def capture_filter(file: str, body_limit_bytes: int, file_limit_bytes: int) -> str:
    """Copies the answer's body into metadata, from where the access logger writes it to `file`.

    Nothing is captured while the file is over its limit, so that it cannot fill the disk when nobody reads it.
    """
    quoted = json.dumps(file, ensure_ascii=False)  # Lua reads these escapes alike
    return _fill(_CAPTURE, FILE=quoted, BODY_LIMIT=str(body_limit_bytes), FILE_LIMIT=str(file_limit_bytes))


def _fill(template: str, **own: str) -> str:
    values = {
        "AT_EDGE": ", ".join(f"{kind.value} = true" for kind in (Kind.EDGE, Kind.UNKEYED, Kind.ASIDE)),
        "MEMBER": RELEASE_MEMBER,
        "MEMBER_PATTERN": RELEASE_MEMBER.replace(".", "%."),
        "SHADOW": SHADOW_MEMBER,
        "SHADOW_PATTERN": SHADOW_MEMBER.replace(".", "%."),
        "SHADOW_HEADER": SHADOW_HEADER,
        "LENGTH": LENGTH_HEADER,
        "LENS": LENS_HEADER,
        "NAMESPACE": CAPTURE_NAMESPACE,
        **own,
    }
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template
