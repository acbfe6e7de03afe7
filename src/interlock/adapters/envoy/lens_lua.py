"""Lens programs as Lua for Envoy's Lua filter (LuaJIT), in step with `domain.lenses.apply` on every record.

The runtime reads a record into parts, and an object or a list in it only where an op goes there; each value stays
the text that it was. What no op touches therefore leaves byte for byte as it came: big integers, decimals, escapes,
the order of keys. The whole body is checked: it must be one JSON object or an array of objects, without a key that
is named twice, at most MAX_DEPTH deep and with nothing after it. Bytes are not checked to be UTF-8.

A reason that begins with `not JSON` means that the body could not be read; any other, that it was rejected.
Reasons are short ASCII and never hold a value. Literals are escaped byte by byte, so that no name or
default can become code. Faults of the Lua itself are no reasons:
they are raised.
"""

from __future__ import annotations

import json
import math
import re
from typing import assert_never

from interlock.domain.lenses.apply import CASTS, EXACT_LIMIT, MAX_DEPTH, TEXT_DIGITS
from interlock.domain.lenses.inline import lua_lacks
from interlock.domain.lenses.ops import (
    Add,
    Blank,
    Cast,
    Drop,
    Each,
    Fill,
    Head,
    Inside,
    Map,
    Nest,
    Op,
    Program,
    Recombine,
    Rename,
    Scalar,
    Unit,
    Unnest,
    Wrap,
    first_pairs,
)
from interlock.kernel.errors import Invalid

_RUNTIME = r"""
local interlock_lens = {}
do
local byte, char, find, sub, gsub = string.byte, string.char, string.find, string.sub, string.gsub
local format, concat, floor, huge = string.format, table.concat, math.floor, math.huge
local tonumber, error, pcall, type, pairs, ipairs = tonumber, error, pcall, type, pairs, ipairs

local function refuse(reason) error({reason = reason}, 0) end
local function unreadable(why) refuse('not JSON: ' .. why) end
-- the fields around the one that an op is at, each followed by a point
local around = ''
local function reject(field, why) refuse('`' .. gsub(around .. field, '[^%w_.%-]', '?') .. '` ' .. why) end

-- byte by byte: LuaJIT compiles this, and no pattern
local function skip_space(s, i)
  local c = byte(s, i)
  while c == 32 or c == 10 or c == 13 or c == 9 do
    i = i + 1
    c = byte(s, i)
  end
  return i
end

-- the readers below take the place where a value begins and return the place after it
local function read_string(s, i)
  local from = i + 1
  while true do
    local at = find(s, '[%z\1-\31"\\]', from)
    local c = at and byte(s, at)
    if c == 34 then return at + 1 end
    if c ~= 92 then unreadable('a text does not end') end
    if find(s, '^["\\/bfnrt]', at + 1) then from = at + 2
    elseif find(s, '^u%x%x%x%x', at + 1) then from = at + 6
    else unreadable('a text has a bad escape') end
  end
end

local function read_number(s, i)
  local _, at = find(s, '^-?%d+', i)
  if not at or find(s, '^-?0%d', i) then unreadable('a value is malformed') end
  local _, fraction = find(s, '^%.%d+', at + 1)
  at = fraction or at
  local _, exponent = find(s, '^[eE][+-]?%d+', at + 1)
  return (exponent or at) + 1
end

local function utf8(code)
  if code < 128 then return char(code) end
  if code < 2048 then return char(192 + floor(code / 64), 128 + code % 64) end
  if code < 65536 then
    return char(224 + floor(code / 4096), 128 + floor(code / 64) % 64, 128 + code % 64)
  end
  local high, low = floor(code / 4096), code % 4096
  return char(240 + floor(high / 64), 128 + high % 64, 128 + floor(low / 64), 128 + low % 64)
end

local ESCAPES = {b = '\b', f = '\f', n = '\n', r = '\r', t = '\t', ['"'] = '"', ['\\'] = '\\', ['/'] = '/'}

-- the bytes that a raw text (in its quotes) means; a lone surrogate becomes the three bytes it would have
local function meaning(raw)
  if not find(raw, '\\', 1, true) then return sub(raw, 2, -2) end
  local parts, from = {}, 2
  while true do
    local at = find(raw, '\\', from, true)
    if not at then break end
    parts[#parts + 1] = sub(raw, from, at - 1)
    local letter = sub(raw, at + 1, at + 1)
    from = at + 2
    if letter == 'u' then
      local code = tonumber(sub(raw, at + 2, at + 5), 16)
      from = at + 6
      if code >= 55296 and code < 56320 and find(raw, '^\\u[dD][c-fC-F]%x%x', from) then
        code = 65536 + (code - 55296) * 1024 + tonumber(sub(raw, from + 2, from + 5), 16) - 56320
        from = from + 6
      end
      parts[#parts + 1] = utf8(code)
    else
      parts[#parts + 1] = ESCAPES[letter]
    end
  end
  parts[#parts + 1] = sub(raw, from, -2)
  return concat(parts)
end

local read_object, read_array

local function read_value(s, i, depth)
  local c = byte(s, i)
  if c == 34 then return read_string(s, i) end
  if c == 123 then return (read_object(s, i, depth)) end
  if c == 91 then return read_array(s, i, depth) end
  if find(s, '^true', i) or find(s, '^null', i) then return i + 4 end
  if find(s, '^false', i) then return i + 5 end
  return read_number(s, i)
end

local function check_depth(depth)
  if depth > @MAX_DEPTH@ then refuse('the body nests deeper than @MAX_DEPTH@') end
end

-- a record: keys and values as raw text in order, and where each name is; a dropped value is false
function read_object(s, i, depth)
  check_depth(depth)
  local keys, values, at, n = {}, {}, {}, 0
  i = skip_space(s, i + 1)
  if byte(s, i) == 125 then return i + 1, {n = 0, keys = keys, values = values, at = at} end
  while true do
    if byte(s, i) ~= 34 then unreadable('an object lacks a key') end
    local after = read_string(s, i)
    local key = sub(s, i, after - 1)
    local name = meaning(key)
    if at[name] then refuse('an object names a key twice') end
    i = skip_space(s, after)
    if byte(s, i) ~= 58 then unreadable('an object lacks a colon') end
    i = skip_space(s, i + 1)
    after = read_value(s, i, depth + 1)
    n = n + 1
    keys[n], values[n], at[name] = key, sub(s, i, after - 1), n
    i = skip_space(s, after)
    local c = byte(s, i)
    if c == 125 then return i + 1, {n = n, keys = keys, values = values, at = at} end
    if c ~= 44 then unreadable('an object does not end') end
    i = skip_space(s, i + 1)
  end
end

function read_array(s, i, depth)
  check_depth(depth)
  i = skip_space(s, i + 1)
  if byte(s, i) == 93 then return i + 1 end
  while true do
    i = skip_space(s, read_value(s, i, depth + 1))
    local c = byte(s, i)
    if c == 93 then return i + 1 end
    if c ~= 44 then unreadable('an array does not end') end
    i = skip_space(s, i + 1)
  end
end

local function write_record(r)
  local parts = {}
  for k = 1, r.n do
    local value = r.values[k]
    if value then parts[#parts + 1] = r.keys[k] .. ':' .. value end
  end
  return '{' .. concat(parts, ',') .. '}'
end

local function check_end(s, i)
  if skip_space(s, i) <= #s then unreadable('something follows the body') end
end

local NEITHER = 'the body is neither an object nor an array of objects'

-- the whole body is read before anything of it is translated
local function read_records(s, i)
  local records = {}
  i = skip_space(s, i + 1)
  if byte(s, i) == 93 then check_end(s, i + 1) return records end
  while true do
    local after, record
    if byte(s, i) == 123 then after, record = read_object(s, i, 2) else after = read_value(s, i, 2) end
    records[#records + 1] = record or false
    i = skip_space(s, after)
    local c = byte(s, i)
    if c == 93 then check_end(s, i + 1) return records end
    if c ~= 44 then unreadable('an array does not end') end
    i = skip_space(s, i + 1)
  end
end

local function translated_array(s, i, translate)
  local records = read_records(s, i)
  for _, record in ipairs(records) do
    if not record then refuse(NEITHER) end
  end
  for j, record in ipairs(records) do
    translate(record)
    records[j] = write_record(record)
  end
  return '[' .. concat(records, ',') .. ']'
end

local function translated(s, translate)
  local i = skip_space(s, 1)
  local c = byte(s, i)
  if c == 91 then return translated_array(s, i, translate) end
  if c ~= 123 then
    check_end(s, read_value(s, i, 1))
    refuse(NEITHER)
  end
  local after, record = read_object(s, i, 1)
  check_end(s, after)
  translate(record)
  return write_record(record)
end

function interlock_lens.run(s, translate)
  around = ''
  local ok, result = pcall(translated, s, translate)
  if ok then return result end
  if type(result) == 'table' then return nil, result.reason end
  error(result, 0)
end

-- shortest of 15 to 17 digits that reads back as the same double
local function number_text(x)
  if x == floor(x) and x > -1e15 and x < 1e15 then return format('%.0f', x + 0) end
  for digits = 15, 16 do
    local text = format('%.' .. digits .. 'g', x)
    if tonumber(text) == x then return text end
  end
  return format('%.17g', x)
end

local function integer_text(x) return format('%.0f', x + 0) end

local function number(raw)
  local x = find(raw, '^[-%d]') and tonumber(raw)
  return x and x > -huge and x < huge and x or nil
end

local function whole(raw)
  local x = number(raw)
  return x and x == floor(x) and x or nil
end

local function round_half_even(x)
  local low = floor(x)
  local rest = x - low
  if rest > 0.5 or (rest == 0.5 and low % 2 == 1) then return low + 1 end
  return low
end

function interlock_lens.rename(r, source, target, key)
  local k = r.at[source]
  if not k then return end
  if r.at[target] then reject(target, 'is there already, so nothing can be renamed to it') end
  r.at[source], r.at[target], r.keys[k] = nil, k, key
end

local function append(r, name, key, value)
  local n = r.n + 1
  r.n, r.keys[n], r.values[n], r.at[name] = n, key, value, n
end

function interlock_lens.add(r, field, key, value)
  if not r.at[field] then append(r, field, key, value) end
end

function interlock_lens.drop(r, field)
  local k = r.at[field]
  if k then r.values[k], r.at[field] = false, nil end
end

function interlock_lens.map(r, field, named, fallback)
  local k = r.at[field]
  if not k then return end
  local raw = r.values[k]
  local found
  if byte(raw) == 34 then found = named['"' .. meaning(raw)] else found = named[number(raw) or raw] end
  if not found and raw == 'null' then return end
  r.values[k] = found or fallback or reject(field, 'has a value that the map does not name')
end

function interlock_lens.unit(r, field, numerator, denominator, offset, is_integer)
  local k = r.at[field]
  if not k or r.values[k] == 'null' then return end
  local x = number(r.values[k])
  if not x then reject(field, 'is no finite number') end
  x = x * numerator / denominator + offset
  if not (x > -huge and x < huge) then reject(field, 'is beyond the range of numbers after conversion') end
  if not is_integer then r.values[k] = number_text(x) return end
  if x <= -@EXACT_LIMIT@ or x >= @EXACT_LIMIT@ then reject(field, 'is not below 2**53 after conversion') end
  r.values[k] = integer_text(round_half_even(x))
end

local function take(r, name)
  local k = r.at[name]
  local value = r.values[k]
  r.values[k], r.at[name] = false, nil
  return value
end

local function is_object(raw) return byte(raw) == 123 end

-- `fields` and `keys`: the same names, as bytes and as JSON
function interlock_lens.nest(r, fields, keys, into, key)
  local is_own, parts = false, {}
  for _, name in ipairs(fields) do if name == into then is_own = true end end
  if r.at[into] and not is_own then reject(into, 'is there already, so nothing can be nested in it') end
  for j, name in ipairs(fields) do
    if r.at[name] then parts[#parts + 1] = keys[j] .. ':' .. take(r, name) end
  end
  if #parts > 0 then append(r, into, key, '{' .. concat(parts, ',') .. '}') end
end

function interlock_lens.unnest(r, fields, keys, source)
  if not r.at[source] then return end
  local raw, inner = r.values[r.at[source]], nil
  if raw == 'null' then
    inner = {n = 0, keys = {}, values = {}, at = {}}
    for j, name in ipairs(fields) do append(inner, name, keys[j], 'null') end
  elseif is_object(raw) then
    local _
    _, inner = read_object(raw, 1, 1)
  else
    reject(source, 'is no object')
  end
  local names, is_known = {}, {}
  for _, name in ipairs(fields) do is_known[name] = true end
  for name, k in pairs(inner.at) do
    if not is_known[name] then reject(source, 'holds fields that the lens does not name') end
    names[k] = name
  end
  take(r, source)
  for k = 1, inner.n do
    if r.at[names[k]] then reject(names[k], 'is there already, so nothing can be moved to it') end
  end
  for k = 1, inner.n do append(r, names[k], inner.keys[k], inner.values[k]) end
end

function interlock_lens.wrap(r, field)
  local k = r.at[field]
  if k then r.values[k] = '[' .. r.values[k] .. ']' end
end

-- the raw texts of the elements of a list
local function elements(raw)
  local found = {}
  local i = skip_space(raw, 2)
  if byte(raw, i) == 93 then return found end
  while true do
    local after = read_value(raw, i, 1)
    found[#found + 1] = sub(raw, i, after - 1)
    i = skip_space(raw, after)
    if byte(raw, i) == 93 then return found end
    i = skip_space(raw, i + 1)
  end
end

function interlock_lens.head(r, field)
  local k = r.at[field]
  if not k or r.values[k] == 'null' then return end
  if byte(r.values[k]) ~= 91 then reject(field, 'is no list') end
  r.values[k] = elements(r.values[k])[1] or 'null'
end

function interlock_lens.fill(r, field, value)
  local k = r.at[field]
  if k and r.values[k] == 'null' then r.values[k] = value end
end

function interlock_lens.blank(r, field, named)
  local k = r.at[field]
  if not k then return end
  local raw = r.values[k]
  local key
  if byte(raw) == 34 then key = '"' .. meaning(raw) else key = number(raw) or raw end
  if named[key] then r.values[k] = 'null' end
end

local function inner_translated(raw, translate)
  local _, record = read_object(raw, 1, 1)
  translate(record)
  return write_record(record)
end

function interlock_lens.inside(r, field, translate)
  local k = r.at[field]
  if not k or r.values[k] == 'null' then return end
  if not is_object(r.values[k]) then reject(field, 'is no object') end
  local outer = around
  around = outer .. field .. '.'
  r.values[k] = inner_translated(r.values[k], translate)
  around = outer
end

function interlock_lens.each(r, field, translate)
  local k = r.at[field]
  if not k or r.values[k] == 'null' then return end
  local found = byte(r.values[k]) == 91 and elements(r.values[k])
  if not found then reject(field, 'is no list of objects') end
  for _, raw in ipairs(found) do
    if raw ~= 'null' and not is_object(raw) then reject(field, 'is no list of objects') end
  end
  local outer = around
  around = outer .. field .. '.'
  for j, raw in ipairs(found) do
    if raw ~= 'null' then found[j] = inner_translated(raw, translate) end
  end
  around = outer
  r.values[k] = '[' .. concat(found, ',') .. ']'
end

-- each cast returns the raw text of the counterpart, or nil and why there is none
local casts = {}

function casts.integer_to_string(raw)
  local x = whole(raw)
  if not x then return nil, 'is no integer' end
  if x <= -1e@TEXT_DIGITS@ or x >= 1e@TEXT_DIGITS@ then return nil, 'has more than @TEXT_DIGITS@ digits' end
  return '"' .. integer_text(x) .. '"'
end

function casts.string_to_integer(raw)
  local text = byte(raw) == 34 and meaning(raw)
  local digits = text and find(text, '^[+-]?%d+$') and gsub(text, '^[+-]', '')
  if not digits or #digits > @TEXT_DIGITS@ then
    return nil, 'is no text of an integer of at most @TEXT_DIGITS@ digits'
  end
  return integer_text(byte(text) == 45 and -tonumber(digits, 10) or tonumber(digits, 10))
end

function casts.integer_to_number(raw)
  if whole(raw) then return raw end
  return nil, 'is no integer'
end

function casts.number_to_integer(raw)
  local x = whole(raw)
  if not x then return nil, 'is no integer' end
  if x <= -@EXACT_LIMIT@ or x >= @EXACT_LIMIT@ then return nil, 'is beyond 2**53' end
  return integer_text(x)
end

function casts.boolean_to_string(raw)
  if raw == 'true' or raw == 'false' then return '"' .. raw .. '"' end
  return nil, 'is no boolean'
end

function casts.string_to_boolean(raw)
  local text = byte(raw) == 34 and meaning(raw)
  if text == 'true' or text == 'false' then return text end
  return nil, 'is neither the text true nor false'
end

function casts.boolean_to_integer(raw)
  if raw == 'true' then return '1' elseif raw == 'false' then return '0' end
  return nil, 'is no boolean'
end

function casts.integer_to_boolean(raw)
  local x = number(raw)
  if x == 1 then return 'true' elseif x == 0 then return 'false' end
  return nil, 'is neither 0 nor 1'
end

function interlock_lens.cast(r, field, name)
  local k = r.at[field]
  if not k or r.values[k] == 'null' then return end
  local cast = casts[name]
  if not cast then reject(field, 'has no exact counterpart in the other type') end
  local text, why = cast(r.values[k])
  if not text then reject(field, why) end
  r.values[k] = text
end
end
"""

RUNTIME: str = (
    _RUNTIME.lstrip()
    .replace("@MAX_DEPTH@", str(MAX_DEPTH))
    .replace("@EXACT_LIMIT@", str(EXACT_LIMIT))
    .replace("@TEXT_DIGITS@", str(TEXT_DIGITS))
)
"""Lua that every translator needs, once before them; it defines the one local `interlock_lens`."""

_LUA_WORDS = (
    "and|break|do|else|elseif|end|false|for|function|goto|if|in|local|nil|not|or|repeat|return|then|true|until"
    "|while|interlock_lens"
)
_LUA_NAME = re.compile(rf"(?!(?:{_LUA_WORDS})$)[A-Za-z_][A-Za-z0-9_]*")
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ .-")


class LuaLacks(Invalid):
    """A lens computes what the proxy cannot; the plan says so before anything is done."""

    code = "lens.lua_lacks"


def translator(name: str, program: Program) -> str:
    """Lua that defines the local function `name(text)`: the translated text, or nil and the reason.

    It must come after RUNTIME in the same chunk. ValueError when `name` is no Lua name that is free.
    """
    if not _LUA_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no Lua name")
    tables: list[str] = []
    lines = [_call(op, tables) for op in program if not _is_idle(op)]
    return "\n".join(
        (
            f"local {name} = (function()",
            "  local lens = interlock_lens",
            "  local tables = {",
            *(f"    {table}," for table in tables),
            "  }",
            "  local function translate(r)",
            *(f"    {line}" for line in lines),
            "  end",
            "  return function(text) return lens.run(text, translate) end",
            "end)()",
            "",
        )
    )


def _call(op: Op, tables: list[str]) -> str:
    """The Lua statement for one op; the table of a map goes to `tables`."""
    match op:
        case Rename(source, target):
            return f"lens.rename(r, {_text(source)}, {_text(target)}, {_json(target)})"
        case Add(field, default, value):
            if value is not None:
                raise LuaLacks(lua_lacks((op,))[0])
            return f"lens.add(r, {_text(field)}, {_json(field)}, {_json(default)})"
        case Drop(field):
            return f"lens.drop(r, {_text(field)})"
        case Cast(field, source, target):
            known = f"{source}_to_{target}" if (source, target) in CASTS else ""
            return f"lens.cast(r, {_text(field)}, {_text(known)})"
        case Unit(field, numerator, denominator, offset, integer):
            numbers = ", ".join(_number(float(n)) for n in (numerator, denominator, offset))
            return f"lens.unit(r, {_text(field)}, {numbers}, {'true' if integer else 'false'})"
        case Map(field, _, fallback):
            tables.append(_table(op))
            other = _json(fallback[0]) if fallback else "nil"
            return f"lens.map(r, {_text(field)}, tables[{len(tables)}], {other})"
        case Fill(field, value):
            return f"lens.fill(r, {_text(field)}, {_json(value)})"
        case Blank(field, value):
            return f"lens.blank(r, {_text(field)}, {{[{_key(value)}] = true}})"
        case Wrap(field):
            return f"lens.wrap(r, {_text(field)})"
        case Head(field):
            return f"lens.head(r, {_text(field)})"
        case Nest(fields, into):
            return f"lens.nest(r, {_names(fields)}, {_text(into)}, {_json(into)})"
        case Unnest(fields, source):
            return f"lens.unnest(r, {_names(fields)}, {_text(source)})"
        case Inside(field, ops):
            return f"lens.inside(r, {_text(field)}, {_inner(ops, tables)})"
        case Each(field, ops):
            return f"lens.each(r, {_text(field)}, {_inner(ops, tables)})"
        case Recombine():
            raise LuaLacks(lua_lacks((op,))[0])
        case _:
            assert_never(op)


def _inner(ops: Program, tables: list[str]) -> str:
    return f"function(r) {' '.join(f'{_call(op, tables)};' for op in ops if not _is_idle(op))} end"


def _is_idle(op: Op) -> bool:
    return isinstance(op, Rename) and op.source == op.target


def _names(fields: tuple[str, ...]) -> str:
    """The names as two Lua lists: as bytes, and as JSON."""
    return f"{{{', '.join(map(_text, fields))}}}, {{{', '.join(map(_json, fields))}}}"


def _table(op: Map) -> str:
    """Keys: a text after a quotation mark, a number as itself, the words true, false and null."""
    return "{" + ", ".join(f"[{_key(source)}] = {_json(target)}" for source, target in first_pairs(op)) + "}"


def _key(value: Scalar) -> str:
    match value:
        case str():
            return _text('"' + value)
        case None | bool():
            return _json(value)
        case _:
            return _number(float(value))


def _json(value: Scalar) -> str:
    """A Lua literal that holds the JSON text of `value`."""
    return _text(json.dumps(value, allow_nan=False))


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "1/0" if value > 0 else "-1/0"


def _text(text: str) -> str:
    """A Lua literal: every byte that is not plainly harmless is written as its number."""
    encoded = text.encode("utf-8", "surrogatepass")
    return "'" + "".join(chr(b) if b in _PLAIN else f"\\{b:03d}" for b in encoded) + "'"
