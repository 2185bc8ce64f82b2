"""Expressions that know both their text and their value.

An Expr is made by the functions below from other ones. Its text is what stands in an app file; its
value is computed here, a row at a time, from the description of the language alone. Timestamps are
ints (microseconds since 1970), null is None. What cannot be told to the last digit from outside
(the order in which floats are added) is avoided by marks:

    exact   the value has the same bits however it is computed
    grid    a float that is a small multiple of 1/4, so that sums of it are exact in any order
"""
import datetime
import hashlib
import math
import re
from fractions import Fraction

INT_MIN, INT_MAX = -2**63, 2**63 - 1
EPOCH = datetime.datetime(1970, 1, 1)
FIRST_TIME = -62135596800 * 10**6  # 0001-01-01
LAST_TIME = 253402300800 * 10**6 - 1  # the last of 9999
WHITE = " \t\n\v\f\r"

OR, AND, NOT, COMPARE, JOIN, ADD, MULTIPLY, NEGATE, PRIMARY = range(1, 10)


class Overflow(Exception):
    """The value does not fit: an error of the record."""


class Env:
    """What an expression is evaluated over: a row, the batch's time, the window's. Times in us."""
    __slots__ = ("row", "time", "start", "end")

    def __init__(self, row, time, start=None, end=None):
        self.row, self.time, self.start, self.end = row, time, start, end


class Expr:
    __slots__ = ("type", "text", "level", "value", "exact", "grid")

    def __init__(self, type, text, level, value, exact=True, grid=False):
        self.type, self.text, self.level, self.value = type, text, level, value
        self.exact, self.grid = exact, grid

    def within(self, level):
        """The text, in parentheses where its operator is weaker than level."""
        return self.text if self.level >= level else "(%s)" % self.text


# ---- values ----


def fit(value):
    if not INT_MIN <= value <= INT_MAX:
        raise Overflow
    return value


def fit_time(value):
    if not FIRST_TIME <= value <= LAST_TIME:
        raise Overflow
    return value


def finite(value):
    return value if math.isfinite(value) else None


def quotient(a, b):
    """Rounded towards zero."""
    q = abs(a) // abs(b)
    return q if (a < 0) == (b < 0) else -q


def half_away(value):
    """The nearest int of an exact fraction."""
    q = math.floor(abs(value) + Fraction(1, 2))
    return q if value >= 0 else -q


def moment(us):
    return EPOCH + datetime.timedelta(microseconds=us)


def microseconds(when):
    return (when - EPOCH) // datetime.timedelta(microseconds=1)


def time_text(us):
    when = moment(us)
    text = "%04d-%02d-%02dT%02d:%02d:%02d" % (when.year, when.month, when.day, when.hour,
                                              when.minute, when.second)
    if when.microsecond:
        text += (".%06d" % when.microsecond).rstrip("0")
    return text + "Z"


def string_literal(text):
    return "'" + text.replace("'", "''") + "'"


def to_text(type, value):
    if type == "bool":
        return "true" if value else "false"
    if type == "timestamp":
        return time_text(value)
    return repr(value) if type == "float" else str(value)


# ---- leaves ----


def name_text(name):
    return name if re.fullmatch(r"[A-Za-z]\w*", name, re.A) else '"%s"' % name.replace('"', '""')


def column(col):
    return Expr(col.type, name_text(col.name), PRIMARY, lambda env: env.row[col.name], col.exact,
                col.grid)


def literal(type, value):
    level = PRIMARY
    if value is None:
        text = "cast(null as %s)" % type
    elif type == "string":
        text = string_literal(value)
    elif type == "timestamp":
        text = "cast(%s as timestamp)" % string_literal(time_text(value))
    elif value == INT_MIN and type == "int":
        text, level = "-9223372036854775807 - 1", ADD
    else:
        text = to_text(type, value)
        level = NEGATE if text.startswith("-") else PRIMARY
    small = type == "float" and value is not None and abs(value) < 1000 and \
        value * 4 == int(value * 4)
    return Expr(type, text, level, lambda env: value, True, small)


def batch_time():
    return Expr("timestamp", "batch_time()", PRIMARY, lambda env: env.time)


def window_end():
    return Expr("timestamp", "window_end()", PRIMARY, lambda env: env.end)


def window_start():
    return Expr("timestamp", "window_start()", PRIMARY, lambda env: env.start)


# ---- building ----


def all_exact(parts):
    return all(part.exact for part in parts)


def strict(type, text, level, parts, function, grid=False):
    """Null if a part is null. All parts are evaluated first."""
    def value(env):
        values = [part.value(env) for part in parts]
        return None if None in values else function(*values)
    return Expr(type, text, level, value, all_exact(parts), grid)


def call(type, name, parts, function, grid=False):
    return strict(type, "%s(%s)" % (name, ", ".join(part.text for part in parts)), PRIMARY, parts,
                  function, grid)


def binary(type, sign, level, a, b, function, grid=False):
    above = level + (level == COMPARE)
    text = "%s %s %s" % (a.within(above), sign, b.within(level + 1))
    return strict(type, text, level, [a, b], function, grid)


def widened(parts):
    """Parts of one type; ints among floats become floats."""
    types = {part.type for part in parts}
    if types == {"int", "float"}:
        return "float", [to_float(part) if part.type == "int" else part for part in parts]
    assert len(types) == 1, types
    return types.pop(), list(parts)


def to_float(part):
    """The same text, read as a float."""
    def value(env):
        v = part.value(env)
        return None if v is None else float(v)
    return Expr("float", part.text, part.level, value, part.exact, False)


def as_list(type, texts_of, parts, function):
    """Not strict: function takes functions that evaluate."""
    return Expr(type, texts_of, PRIMARY,
                lambda env: function(*[lambda part=part: part.value(env) for part in parts]),
                all_exact(parts), all(part.grid for part in parts) and type == "float")


# ---- numbers ----

ARITHMETIC = {
    "+": (ADD, lambda a, b: a + b), "-": (ADD, lambda a, b: a - b),
    "*": (MULTIPLY, lambda a, b: a * b),
    "/": (MULTIPLY, lambda a, b: None if b == 0 else
          quotient(a, b) if isinstance(a, int) else a / b),
    "%": (MULTIPLY, lambda a, b: None if b == 0 else
          a - b * quotient(a, b) if isinstance(a, int) else math.fmod(a, b)),
}


def guarded(function):
    """Floats that Python refuses are null."""
    def value(*values):
        try:
            return finite(function(*values))
        except (OverflowError, ValueError):
            return None
    return value


def arithmetic(sign, a, b):
    level, function = ARITHMETIC[sign]
    type, (x, y) = widened([a, b])
    if type == "int":
        def checked(p, q):
            result = function(p, q)
            return None if result is None else fit(result)
        return binary("int", sign, level, x, y, checked)
    def checked(p, q):
        result = function(p, q)
        return None if result is None else finite(result)
    return binary("float", sign, level, x, y, checked, sign in "+-" and a.grid and b.grid)


def negative(a):
    text = "-" + a.within(PRIMARY)
    return strict(a.type, text, NEGATE, [a], (lambda v: fit(-v)) if a.type == "int" else
                  (lambda v: -v), a.grid)


def absolute(a):
    return call(a.type, "abs", [a], (lambda v: fit(abs(v))) if a.type == "int" else abs, a.grid)


def sign_of(a):
    return call(a.type, "sign", [a], lambda v: type(v)((v > 0) - (v < 0)))


def rounded(name, a):
    function = {"round": lambda v: half_away(Fraction(v)), "floor": math.floor,
                "ceil": math.ceil}[name]
    return call("int", name, [a], lambda v: fit(function(v)))


def rounded_to(a, n):
    def function(v):
        exact = Fraction(v) * Fraction(10) ** n
        return float(Fraction(half_away(exact)) / Fraction(10) ** n)
    e = strict("float", "round(%s, %d)" % (a.text, n), PRIMARY, [a], function)
    return e


def of_floats(name, parts):
    """Functions of floats whose last digit is the library's."""
    functions = {"sqrt": math.sqrt, "ln": math.log, "log10": math.log10, "exp": math.exp,
                 "power": math.pow}
    e = call("float", name, [to_float(p) if p.type == "int" else p for p in parts],
             guarded(functions[name]))
    e.exact = e.exact and name == "sqrt"
    return e


# ---- conditions ----

COMPARISONS = {"=": lambda a, b: a == b, "<>": lambda a, b: a != b, "!=": lambda a, b: a != b,
               "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
               ">=": lambda a, b: a >= b}


def compare(sign, a, b):
    _, (x, y) = widened([a, b])
    return binary("bool", sign, COMPARE, x, y, COMPARISONS[sign])


def distinct_from(a, b, negated):
    _, (x, y) = widened([a, b])
    text = "%s is %sdistinct from %s" % (a.within(JOIN), "not " if negated else "", b.within(JOIN))
    return Expr("bool", text, COMPARE, lambda env: (x.value(env) != y.value(env)) != negated,
                all_exact([a, b]))


def is_null(a, negated):
    text = "%s is %snull" % (a.within(JOIN), "not " if negated else "")
    return Expr("bool", text, COMPARE, lambda env: (a.value(env) is None) != negated, a.exact)


def one_of(a, options, negated):
    _, parts = widened([a, *options])
    def value(env):
        wanted, *values = [part.value(env) for part in parts]
        if wanted is None:
            return None
        if wanted in [v for v in values if v is not None]:
            return not negated
        return None if None in values else negated
    text = "%s %sin (%s)" % (a.within(JOIN), "not " if negated else "",
                             ", ".join(o.text for o in options))
    return Expr("bool", text, COMPARE, value, all_exact(parts))


def both(p, q):
    if p is False or q is False:
        return False
    return None if p is None or q is None else True


def between(a, low, high, negated):
    _, (x, y, z) = widened([a, low, high])
    def value(env):
        v, l = x.value(env), y.value(env)
        result = None if v is None or l is None else l <= v
        if result is not False:  # as `a >= low and a <= high`
            h = z.value(env)
            result = both(result, None if v is None or h is None else v <= h)
        return None if result is None else result != negated
    text = "%s %sbetween %s and %s" % (a.within(JOIN), "not " if negated else "",
                                       low.within(JOIN), high.within(JOIN))
    return Expr("bool", text, COMPARE, value, all_exact([a, low, high]))


def like(a, pattern, negated):
    regex = re.compile("".join("." if c == "_" else ".*" if c == "%" else re.escape(c)
                               for c in pattern), re.S)
    text = "%s %slike %s" % (a.within(JOIN), "not " if negated else "", string_literal(pattern))
    return strict("bool", text, COMPARE, [a],
                  lambda v: (regex.fullmatch(v) is not None) != negated)


def and_(a, b):
    def value(env):
        p = a.value(env)
        return False if p is False else both(p, b.value(env))
    return Expr("bool", "%s and %s" % (a.within(AND), b.within(NOT)), AND, value,
                all_exact([a, b]))


def or_(a, b):
    def value(env):
        p = a.value(env)
        if p is True:
            return True
        q = b.value(env)
        return True if q is True else None if p is None or q is None else False
    return Expr("bool", "%s or %s" % (a.within(OR), b.within(AND)), OR, value, all_exact([a, b]))


def not_(a):
    return strict("bool", "not " + a.within(NOT), NOT, [a], lambda v: not v)


# ---- choices ----


def coalesce(parts):
    type, wide = widened(parts)
    def value(env):
        for part in wide:
            v = part.value(env)
            if v is not None:
                return v
        return None
    return Expr(type, "coalesce(%s)" % ", ".join(p.text for p in parts), PRIMARY, value,
                all_exact(parts), all(p.grid for p in parts))


def if_(condition, a, b):
    type, (x, y) = widened([a, b])
    return Expr(type, "if(%s, %s, %s)" % (condition.text, a.text, b.text), PRIMARY,
                lambda env: (x if condition.value(env) else y).value(env),
                all_exact([condition, a, b]), a.grid and b.grid)


def case(pairs, otherwise):
    results = [result for _, result in pairs] + ([otherwise] if otherwise else [])
    type, wide = widened(results)
    def value(env):
        for (condition, _), result in zip(pairs, wide):
            if condition.value(env):
                return result.value(env)
        return wide[-1].value(env) if otherwise else None
    text = "case %s%s end" % (" ".join("when %s then %s" % (c.text, r.text) for c, r in pairs),
                              " else " + otherwise.text if otherwise else "")
    return Expr(type, text, PRIMARY, value, all_exact(results + [c for c, _ in pairs]),
                all(r.grid for r in results))


def nullif(a, b):
    type, (x, y) = widened([a, b])
    def value(env):
        v, w = x.value(env), y.value(env)
        return None if v is not None and v == w else v
    return Expr(type, "nullif(%s, %s)" % (a.text, b.text), PRIMARY, value, all_exact([a, b]),
                a.grid)


def extreme(name, parts):
    """greatest and least pass over nulls."""
    type, wide = widened(parts)
    choose = max if name == "greatest" else min
    def value(env):
        values = [v for v in [part.value(env) for part in wide] if v is not None]
        return choose(values) if values else None
    return Expr(type, "%s(%s)" % (name, ", ".join(p.text for p in parts)), PRIMARY, value,
                all_exact(parts), all(p.grid for p in parts))


# ---- text ----


def ascii_case(text, upper):
    return "".join((c.upper() if upper else c.lower()) if c.isascii() else c for c in text)


def substring(text, start, count):
    end = start + max(count, 0)
    return text[max(start, 1) - 1:max(end, 1) - 1]


def padded(text, n, pad, left):
    n = max(n, 0)
    if len(text) >= n or pad == "":
        return text[:n]
    more = (pad * n)[:n - len(text)]
    return more + text if left else text + more


def split(text, separator=None):
    if separator is None:
        return [part for part in re.split("[%s]+" % re.escape(WHITE), text) if part]
    return list(text) if separator == "" else text.split(separator)


def part_of(text, separator, n):
    parts = split(text, separator)
    return parts[n - 1] if 1 <= n <= len(parts) else None


TEXT_FUNCTIONS = {  # name: (type of the result, types of the arguments, function)
    "length": ("int", "s", len),
    "lower": ("string", "s", lambda s: ascii_case(s, False)),
    "upper": ("string", "s", lambda s: ascii_case(s, True)),
    "trim": ("string", "s", lambda s: s.strip(WHITE)),
    "ltrim": ("string", "s", lambda s: s.lstrip(WHITE)),
    "rtrim": ("string", "s", lambda s: s.rstrip(WHITE)),
    "substr": ("string", "sii", substring),
    "left": ("string", "si", lambda s, n: s[:max(n, 0)]),
    "right": ("string", "si", lambda s, n: s[-n:] if n > 0 else ""),
    "lpad": ("string", "sis", lambda s, n, p: padded(s, n, p, True)),
    "rpad": ("string", "sis", lambda s, n, p: padded(s, n, p, False)),
    "replace": ("string", "sss", lambda s, a, b: s.replace(a, b) if a else s),
    "concat": ("string", "sss", lambda *parts: "".join(parts)),
    "starts_with": ("bool", "ss", lambda s, t: s.startswith(t)),
    "ends_with": ("bool", "ss", lambda s, t: s.endswith(t)),
    "contains": ("bool", "ss", lambda s, t: t in s),
    "position": ("int", "ss", lambda s, t: s.find(t) + 1),
    "split_part": ("string", "ssi", part_of),
    "split": ("list<string>", "s", split),
    "md5": ("string", "s", lambda s: hashlib.md5(s.encode()).hexdigest()),
}


def text_call(name, parts):
    type, _, function = TEXT_FUNCTIONS[name]
    return call(type, name, parts, function)


def split_at(a, separator):
    return strict("list<string>", "split(%s, %s)" % (a.text, string_literal(separator)), PRIMARY,
                  [a], lambda v: split(v, separator))


def joined(a, b):
    return binary(a.type, "||", JOIN, a, b, lambda v, w: v + w)


def matches(a, pattern):
    regex = re.compile(pattern, re.A)
    return strict("bool", "regexp_like(%s, %s)" % (a.text, string_literal(pattern)), PRIMARY, [a],
                  lambda v: regex.search(v) is not None)


def extracted(a, pattern, group):
    regex = re.compile(pattern, re.A)
    def function(v):
        found = regex.search(v)
        return found.group(group) if found else None
    return strict("string", "regexp_extract(%s, %s, %d)" % (a.text, string_literal(pattern), group),
                  PRIMARY, [a], function)


# ---- casts ----

INT_TEXT = re.compile(r"[+-]?[0-9]+")
FLOAT_TEXT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def int_of_text(text):
    if not INT_TEXT.fullmatch(text):
        return None
    value = int(text)
    return value if INT_MIN <= value <= INT_MAX else None


def float_of_text(text):
    return finite(float(text)) if FLOAT_TEXT.fullmatch(text) else None


def bool_of_text(text):
    return {"true": True, "false": False}.get(text.lower() if text.isascii() else "")


CASTS = {
    ("int", "float"): float, ("float", "int"): lambda v: fit(math.trunc(v)),
    ("int", "bool"): lambda v: v != 0, ("bool", "int"): int,
    ("int", "timestamp"): fit_time, ("timestamp", "int"): int,
    ("string", "int"): int_of_text, ("string", "float"): float_of_text,
    ("string", "bool"): bool_of_text,
}


def cast(a, to):
    if a.type == to:
        function = lambda v: v
    elif to == "string":
        function = lambda v: to_text(a.type, v)
    else:
        function = CASTS[a.type, to]
    return strict(to, "cast(%s as %s)" % (a.text, to), PRIMARY, [a], function,
                  a.grid and to == "float")


# ---- times ----

UNITS = {"s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}


def shifted(a, sign, count, unit):
    by = count * UNITS[unit] * (1 if sign == "+" else -1)
    text = "%s %s interval '%d%s'" % (a.within(ADD), sign, count, unit)
    return strict("timestamp", text, ADD, [a], lambda v: fit_time(v + by))


def seconds_between(a, b):
    return binary("float", "-", ADD, a, b, lambda v, w: (v - w) / 10**6)


def truncated(unit, us):
    when = moment(us)
    whole = {"microsecond": 0}
    for name, start in (("second", 0), ("minute", 0), ("hour", 0), ("day", 1), ("month", 1)):
        if unit == name:
            break
        if unit == "week" and name == "day":
            break
        whole[name] = start
        if unit == "quarter" and name == "day":
            break
    when = when.replace(**whole)
    if unit == "week":
        when -= datetime.timedelta(days=when.isoweekday() - 1)
    elif unit == "quarter":
        when = when.replace(month=when.month - (when.month - 1) % 3)
    return microseconds(when)


def extract_part(unit, us):
    when = moment(us)
    if unit == "epoch":
        return us // 10**6
    if unit == "week":
        return when.isocalendar()[1]
    return {"dow": when.isoweekday, "doy": lambda: when.timetuple().tm_yday,
            "quarter": lambda: (when.month + 2) // 3}.get(unit, lambda: getattr(when, unit))()


def date_trunc(unit, a):
    return strict("timestamp", "date_trunc('%s', %s)" % (unit, a.text), PRIMARY, [a],
                  lambda v: truncated(unit, v))


def extract(unit, a, spelled):
    text = ("extract(%s from %s)" % (unit, a.text) if spelled else
            "extract('%s', %s)" % (unit, a.text))
    return strict("int", text, PRIMARY, [a], lambda v: extract_part(unit, v))


# ---- lists ----


def element_type(type):
    return type[len("list<"):-1]


def array(parts):
    type, wide = widened(parts)
    return Expr("list<%s>" % type, "array(%s)" % ", ".join(p.text for p in parts), PRIMARY,
                lambda env: [part.value(env) for part in wide], all_exact(parts))


def element(a, n):
    return strict(element_type(a.type), "element(%s, %s)" % (a.text, n.text), PRIMARY, [a, n],
                  lambda v, i: v[i - 1] if 1 <= i <= len(v) else None)


def size(a):
    return call("int", "size", [a], len)


def array_sort(a):
    return call(a.type, "array_sort", [a],
                lambda v: sorted(v, key=lambda x: (x is None, x if x is not None else 0)))


def array_join(a, separator):
    return strict("string", "array_join(%s, %s)" % (a.text, string_literal(separator)), PRIMARY,
                  [a], lambda v: separator.join(x for x in v if x is not None))
