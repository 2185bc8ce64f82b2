"""A few functions in Lua, each with what it has to give. They may stand wherever expressions do."""
import math

from evaluate import Call
from expressions import Expr, Overflow, PRIMARY

MOST = 2**53


def checked(value):
    if value is not None and abs(value) > MOST:
        raise Overflow
    return value


def half(x):
    return None if x is None else math.floor(x / 2)


def plus(x, y):
    return None if x is None or y is None else checked(x + y)


def mirrored(s):
    if s is None:
        return None
    try:
        return s.encode()[::-1].decode()
    except UnicodeDecodeError:
        raise Overflow from None


def sizes(s, n):
    return None if s is None else [len(s.encode()), n]


def picky(b):
    if b is None:
        raise Overflow
    return not b


def longest(values):
    best = None
    for v in values:
        if best is None or (len(v.encode()), v.encode()) > (len(best.encode()), best.encode()):
            best = v
    return best


FUNCTIONS = {  # name: arguments, result, function, text
    "half": (["int"], "int", half,
             "function(x) if x == nil then return nil end return math.floor(x / 2) end"),
    "plus": (["int", "int"], "int", plus,
             "function(x, y) if x == nil or y == nil then return nil end return x + y end"),
    "mirrored": (["string"], "string", mirrored,
                 "function(s) if s == nil then return nil end return s:reverse() end"),
    "sizes": (["string", "int"], "list<int>", sizes,
              "function(s, n) if s == nil then return nil end return { n = 2, #s, n } end"),
    "picky": (["bool"], "bool", picky,
              "function(b) if b == nil then error('no bool') end return not b end"),
}

AGGREGATES = {  # of one string
    "longest": ("string", longest, """local m = {}
function m.init() return nil end
local function better(a, b)
  if a == nil then return b elseif b == nil then return a end
  if #a ~= #b then return #a > #b and a or b end
  return a > b and a or b
end
m.update, m.merge = better, better
return m"""),
}


def json():
    """The `functions` of an app."""
    made = {name: {"lua": text, "args": args, "returns": returns}
            for name, (args, returns, _, text) in FUNCTIONS.items()}
    for name, (returns, _, text) in AGGREGATES.items():
        made[name] = {"lua": text, "args": ["string"], "returns": returns, "aggregate": True}
    return made


def fitting(type):
    return [name for name, function in FUNCTIONS.items() if function[1] == type]


def call(name, parts):
    args, returns, function, _ = FUNCTIONS[name]
    def value(env):
        values = [part.value(env) for part in parts]
        return function(*[checked(v) if type == "int" else v for v, type in zip(values, args)])
    text = "%s(%s)" % (name, ", ".join(part.text for part in parts))
    return Expr(returns, text, PRIMARY, value, all(part.exact for part in parts))


def aggregate(name, arg):
    returns, function, _ = AGGREGATES[name]
    return Call(returns, "%s(%s)" % (name, arg.text), [arg], None, function, exact=arg.exact)
