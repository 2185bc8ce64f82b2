"""Random expressions of every type, and aggregate calls, over given columns."""
import expressions as ex
import lua_functions as lua
from evaluate import FUNCTIONS, Call, quantile, top

SCALARS = ("bool", "int", "float", "string", "timestamp")
STRINGS = ["", "a", "b", "ab", "A b", "a,b", "  x ", "tab\there", "É", "naïve café", "日本語", "😀 x",
           "it's", "%_%", "twelve bytes", "thirteen byte", "a text that is longer than any inline one",
           "a text that is longer than any inlined", "12", "-7", "3.5", "true", "NULL", "two words",
           "one two  three", "\u0301e", "z" * 70]
WILD_INTS = [ex.INT_MAX, ex.INT_MIN, ex.INT_MAX - 1, 2**53 + 1, -2**40, 4 * 10**18, 0, 1, -1, 7]
WILD_FLOATS = [1e308, -1.7e308, 5e-324, 0.1, 1 / 3, 123456.789, 1e16, 1e-5, 2.5, 0.0, -9.2e18]
PATTERNS = ["%", "a%", "%b%", "_", "%_b", "", "%e%e%", "É"]
REGEXES = [("a", 0), ("^[a-z]+$", 0), (r"(\w)\s+(\w)", 2), (r"\d", 0), ("([ab])|x", 1)]
UNITS = ["second", "minute", "hour", "day", "week", "month", "quarter", "year"]
BASE_TIME = 1790000000 * 10**6


def typed(columns, type):
    return [c for c in columns if c.type == type]


class Expressions:
    """Makes expressions over columns."""

    def __init__(self, random, columns, windowed=False, depth=2):
        self.random, self.windowed = random, windowed
        self.columns = [c for c in columns if c.exact]
        self.depth = depth

    def make(self, type, depth=None):
        depth = self.depth if depth is None else depth
        if depth <= 0 or self.random.random() < 0.25:
            return self.leaf(type)
        if self.random.random() < 0.2:
            return self.choice(type, depth)
        if self.random.lua and self.random.random() < 0.2 and lua.fitting(type):
            name = self.random.choice(lua.fitting(type))
            return lua.call(name, [self.make(t, depth - 1) for t in lua.FUNCTIONS[name][0]])
        if type.startswith("list<"):
            return self.list(type, depth)
        return getattr(self, type)(depth)

    def leaf(self, type):
        fitting = typed(self.columns, type)
        if fitting and self.random.random() < 0.75:
            return ex.column(self.random.choice(fitting))
        return self.literal(type)

    def literal(self, type):
        r = self.random
        if type.startswith("list<"):
            inner = ex.element_type(type)
            return ex.array([self.literal(inner) for _ in range(r.randrange(1, 4))])
        value = {
            "bool": lambda: r.random() < 0.5,
            "int": lambda: r.choice([0, 1, 2, -1, 3, 10, r.choice(WILD_INTS)]),
            "float": lambda: r.choice([0.0, 0.5, -1.25, 2.0, 10.0, r.choice(WILD_FLOATS)]),
            "string": lambda: r.choice(STRINGS),
            "timestamp": lambda: BASE_TIME + r.randrange(10**12),
        }[type]()
        return ex.literal(type, None if r.random() < 0.06 else value)

    def choice(self, type, depth):
        """What there is for every type."""
        part = lambda: self.make(type, depth - 1)
        kind = self.random.randrange(6)
        if kind == 0:
            return ex.coalesce([part() for _ in range(self.random.randrange(2, 4))])
        if kind == 1:
            return ex.if_(self.make("bool", depth - 1), part(), part())
        if kind == 2:
            pairs = [(self.make("bool", depth - 1), part())
                     for _ in range(self.random.randrange(1, 3))]
            return ex.case(pairs, part() if self.random.random() < 0.6 else None)
        if type.startswith("list<"):
            return part()
        if kind == 3:
            return ex.nullif(part(), part())
        return ex.extreme(self.random.choice(["greatest", "least"]),
                          [part() for _ in range(self.random.randrange(2, 4))])

    def number(self, depth):
        return self.make(self.random.choice(["int", "float"]), depth)

    def int(self, depth):
        r, d = self.random, depth - 1
        return r.choice([
            lambda: ex.arithmetic(r.choice("+-*/%"), self.make("int", d), self.make("int", d)),
            lambda: ex.arithmetic(r.choice("+-*"), self.make("int", d),
                                  ex.literal("int", r.randrange(1, 5))),
            lambda: ex.absolute(self.make("int", d)),
            lambda: ex.sign_of(self.make("int", d)),
            lambda: ex.negative(self.make("int", d)),
            lambda: ex.rounded(r.choice(["round", "floor", "ceil"]), self.make("float", d)),
            lambda: ex.text_call("length", [self.make("string", d)]),
            lambda: ex.text_call("position", [self.make("string", d), self.make("string", d)]),
            lambda: ex.cast(self.make(r.choice(["float", "bool", "string", "timestamp"]), d),
                            "int"),
            lambda: ex.size(self.list("list<string>", d)),
            lambda: ex.extract(r.choice(UNITS + ["dow", "doy", "epoch"]),
                               self.make("timestamp", d), r.random() < 0.5),
        ])()

    def float(self, depth):
        r, d = self.random, depth - 1
        return r.choice([
            lambda: ex.arithmetic(r.choice("+-*/"), self.make("float", d), self.number(d)),
            lambda: ex.arithmetic(r.choice("+-"), self.make("float", 0),
                                  ex.literal("float", r.randrange(-8, 8) / 4)),
            lambda: ex.arithmetic("%", self.make("float", d), self.make("float", d)),
            lambda: ex.absolute(self.make("float", d)),
            lambda: ex.negative(self.make("float", d)),
            lambda: ex.sign_of(self.make("float", d)),
            lambda: ex.of_floats("sqrt", [self.number(d)]),
            lambda: ex.rounded_to(self.make("float", d), r.randrange(0, 3)),
            lambda: ex.cast(self.make(r.choice(["int", "string"]), d), "float"),
            lambda: ex.seconds_between(self.make("timestamp", d), self.make("timestamp", d)),
        ])()

    def bool(self, depth):
        r, d = self.random, depth - 1
        type = r.choice(SCALARS)
        part = lambda: self.make(type, d)
        return r.choice([
            lambda: ex.compare(r.choice(list(ex.COMPARISONS)), part(), part()),
            lambda: ex.compare(r.choice(list(ex.COMPARISONS)), self.number(d), self.number(d)),
            lambda: ex.is_null(part(), r.random() < 0.5),
            lambda: ex.distinct_from(part(), part(), r.random() < 0.5),
            lambda: ex.one_of(part(), [self.leaf(type) for _ in range(r.randrange(1, 4))],
                              r.random() < 0.3),
            lambda: ex.between(part(), part(), part(), r.random() < 0.3),
            lambda: ex.like(self.make("string", d), r.choice(PATTERNS), r.random() < 0.3),
            lambda: ex.matches(self.make("string", d), r.choice(REGEXES)[0]),
            lambda: ex.text_call(r.choice(["starts_with", "ends_with", "contains"]),
                                 [self.make("string", d), self.make("string", d)]),
            lambda: ex.and_(self.make("bool", d), self.make("bool", d)),
            lambda: ex.or_(self.make("bool", d), self.make("bool", d)),
            lambda: ex.not_(self.make("bool", d)),
            lambda: ex.cast(self.make(r.choice(["int", "string"]), d), "bool"),
        ])()

    def string(self, depth):
        r, d = self.random, depth - 1
        def text_call():
            name = r.choice([n for n, f in ex.TEXT_FUNCTIONS.items() if f[0] == "string"])
            parts = [self.make("string", d) if kind == "s" else
                     ex.literal("int", r.randrange(-2, 8)) for kind in ex.TEXT_FUNCTIONS[name][1]]
            return ex.text_call(name, parts)
        return r.choice([
            text_call, text_call,
            lambda: ex.joined(self.make("string", d), self.make("string", d)),
            lambda: ex.cast(self.make(r.choice(["int", "bool", "timestamp"]), d), "string"),
            lambda: ex.extracted(self.make("string", d), *r.choice(REGEXES)),
            lambda: ex.element(self.list("list<string>", d),
                               ex.literal("int", r.randrange(-1, 4))),
            lambda: ex.array_join(self.list("list<string>", d), r.choice([",", "", "é"])),
        ])()

    def timestamp(self, depth):
        r, d = self.random, depth - 1
        options = [
            lambda: ex.shifted(self.make("timestamp", d), r.choice("+-"), r.randrange(0, 100),
                               r.choice(list(ex.UNITS))),
            lambda: ex.date_trunc(r.choice(UNITS), self.make("timestamp", d)),
            ex.batch_time,
        ]
        if self.windowed:
            options += [ex.window_start, ex.window_end]
        return r.choice(options)()

    def list(self, type, depth):
        r, d = self.random, depth - 1
        options = [
            lambda: self.leaf(type),
            lambda: ex.array([self.make(ex.element_type(type), d)
                              for _ in range(r.randrange(1, 4))]),
            lambda: ex.array_sort(self.leaf(type)),
            lambda: ex.joined(self.leaf(type), self.leaf(type)),
        ]
        if type == "list<string>":
            options += [lambda: ex.text_call("split", [self.make("string", d)]),
                        lambda: ex.split_at(self.make("string", d), r.choice([",", " ", "a"]))]
        return r.choice(options)()


class Aggregates(Expressions):
    """Makes the expressions of an aggregate clause: over calls, keys and times."""

    def __init__(self, random, keys, rows, ordered, windowed, calls):
        super().__init__(random, keys, windowed, 1)
        self.rows = Expressions(random, rows, False, 1)
        self.row_columns = rows
        self.ordered, self.calls = ordered, calls
        self.used = []

    def argument(self, *types):
        return self.rows.make(self.random.choice(types), self.random.choice([0, 0, 0, 1]))

    def call(self):
        """A call, as an expression over the row that has its value as #n."""
        call = self.random_call()
        if self.random.random() < 0.2:
            call.filter = self.rows.make("bool", 1)
            call.text += " filter (where %s)" % call.filter.text
        number = len(self.calls)
        self.calls.append(call)
        self.used.append(number)
        grid = call.grid if hasattr(call, "grid") else False
        return ex.Expr(call.type, call.text, ex.PRIMARY, lambda env: env.row["#%d" % number],
                       call.exact, grid)

    def random_call(self):
        r = self.random
        kinds = [self.count, self.count, self.sum, self.sum, self.scalar, self.scalar,
                 self.moment, self.quantile, self.flags, self.sketch, self.set]
        if self.ordered:
            kinds += [self.in_order, self.lists, self.by]
        if r.lua:
            kinds += [lambda: lua.aggregate("longest", self.argument("string"))]
        return r.choice(kinds)()

    def simple(self, name, type, args, function=None, exact=True, text=None):
        text = text or "%s(%s)" % (name, ", ".join(a.text for a in args))
        return Call(type, text, args, None, function or FUNCTIONS[name],
                    exact=exact and ex.all_exact(args))

    def count(self):
        kind = self.random.randrange(4)
        if kind == 0:
            # A call without arguments counts rows: an argument that is never null.
            always = ex.Expr("bool", "", ex.PRIMARY, lambda env: True)
            return self.simple("count", "int", [always],
                               text=self.random.choice(["count()", "count(*)"]))
        name = ["count", "count_distinct", "approx_count_distinct"][kind - 1]
        return self.simple(name, "int", [self.argument(*SCALARS)])

    def sum(self):
        name = self.random.choice(["sum", "avg"])
        arg = self.argument("int", "float")
        if arg.type == "float" and not arg.grid:
            grids = [c for c in self.row_columns if c.grid and c.type == "float"]
            arg = (ex.column(self.random.choice(grids)) if grids else self.argument("int"))
            if arg.type == "int":
                name = "sum"
        if name == "sum":
            return self.simple("sum", arg.type, [arg])
        return self.simple("avg", "float", [arg], exact=arg.grid)

    def scalar(self):
        arg = self.argument(*SCALARS)
        return self.simple(self.random.choice(["min", "max"]), arg.type, [arg])

    def grid_argument(self):
        grids = [c for c in self.row_columns if c.grid]
        return ex.column(self.random.choice(grids)) if grids else ex.literal("float", 1.5)

    def moment(self):
        name = self.random.choice(["variance", "stddev"])
        return self.simple(name, "float", [self.grid_argument()], exact=False)

    def quantile(self):
        q = self.random.choice([0, 0.25, 0.5, 0.9, 1])
        arg = self.grid_argument()
        if self.random.random() < 0.4:
            return self.simple("median", "float", [arg], exact=False)
        name = "quantile"
        if q in (0, 1) and self.random.random() < 0.5:
            name = "approx_quantile"  # the ends are exact
        return self.simple(name, "float", [arg], quantile(q), False,
                           "%s(%s, %r)" % (name, arg.text, q))

    def flags(self):
        return self.simple(self.random.choice(["bool_and", "bool_or"]), "bool",
                           [self.argument("bool")])

    def set(self):
        arg = self.argument(*SCALARS)
        return self.simple("collect_set", "list<%s>" % arg.type, [arg])

    def sketch(self):
        k, arg = self.random.randrange(1, 5), self.argument(*SCALARS)
        return self.simple("approx_top_k", "list<%s>" % arg.type, [arg], top(k),
                           text="approx_top_k(%s, %d)" % (arg.text, k))

    def in_order(self):
        arg = self.argument(*SCALARS)
        return self.simple(self.random.choice(["first", "last"]), arg.type, [arg])

    def lists(self):
        if self.random.random() < 0.5:
            arg = self.argument(*SCALARS)
            return self.simple("collect_list", "list<%s>" % arg.type, [arg])
        arg, separator = self.argument("string"), self.random.choice([",", "", " é "])
        return self.simple("string_agg", "string", [arg],
                           lambda values: separator.join(values) if values else None,
                           text="string_agg(%s, %s)" % (arg.text, ex.string_literal(separator)))

    def by(self):
        x, y = self.argument(*SCALARS), self.argument(*SCALARS)
        return self.simple(self.random.choice(["min_by", "max_by"]), x.type, [x, y])

    def column(self):
        """One aggregate column: a call, alone or in an expression. (expression, calls used)"""
        self.used = []
        expr = self.call()
        r = self.random
        if expr.exact and r.random() < 0.35:
            if expr.type in ("int", "float"):
                before = list(self.used)
                other = r.choice([lambda: ex.literal("int", r.randrange(1, 60)),
                                  lambda: self.call()])()
                if other.exact and other.type in ("int", "float"):
                    expr = ex.arithmetic(r.choice("+-*/"), expr, other)
                else:
                    self.used = before
            elif expr.type == "string":
                expr = ex.joined(expr, self.make("string", 1))
            elif not expr.type.startswith("list<"):
                expr = ex.is_null(expr, True)
        elif r.random() < 0.1:
            expr = self.make(r.choice(SCALARS), 1)
            self.used = []
        return expr, list(self.used)


class StateColumns(Aggregates):
    """Makes the columns of a state: what was, with what came."""

    def __init__(self, random, keys, rows, ordered, calls):
        super().__init__(random, keys, rows, ordered, False, calls)

    @staticmethod
    def old(name, type, grid=False):
        return ex.Expr(type, "state." + name, ex.PRIMARY, lambda env: env.row["state." + name],
                       True, grid)

    def counted(self, call):
        """An expression for a call of just this kind."""
        number = len(self.calls)
        self.calls.append(call)
        self.used.append(number)
        return ex.Expr(call.type, call.text, ex.PRIMARY, lambda env: env.row["#%d" % number],
                       call.exact)

    def state_column(self, name):
        r = self.random
        self.used = []
        zero = ex.literal("int", 0)
        type = r.choice(SCALARS)
        def count():
            return ex.arithmetic("+", ex.coalesce([self.old(name, "int"), zero]),
                                 self.counted(self.count()))
        def total():
            arg = self.argument("int")
            call = self.counted(self.simple("sum", "int", [arg]))
            return ex.arithmetic("+", ex.coalesce([self.old(name, "int"), zero]),
                                 ex.coalesce([call, zero]))
        def extreme():
            call = self.simple(*r.choice([("max", type), ("min", type)]), [self.argument(type)])
            return ex.extreme(r.choice(["greatest", "least"]),
                              [self.old(name, type), self.counted(call)])
        def newest():
            call = self.simple(r.choice(["first", "last"] if self.ordered else ["max"]), type,
                               [self.argument(type)])
            return ex.coalesce([self.counted(call), self.old(name, type)])
        def text():
            call = self.simple("min", "string", [self.argument("string")])
            whole = ex.joined(ex.coalesce([self.old(name, "string"), ex.literal("string", "")]),
                              ex.coalesce([self.counted(call), ex.literal("string", "-")]))
            return ex.text_call("right", [whole, ex.literal("int", 20)])
        def late():
            return ex.Expr("bool", "timed_out()", ex.PRIMARY, lambda env: env.row["timed out"])
        def before():
            return ex.cast(self.old(name, type), type)
        def when():
            some = ex.compare(">", self.counted(self.count()), zero)
            return ex.if_(some, ex.batch_time(), self.old(name, "timestamp"))
        def any_():
            return self.column()[0]
        expr = r.choice([count, count, total, extreme, newest, text, late, before, when, any_])()
        return expr, list(self.used)
