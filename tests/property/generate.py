"""Random small apps: sources with rows, streams of all clauses, expressions of all types.

Everything follows from one seed. An app is built with what evaluate.py needs to know (expressions
that can be evaluated), and written as an app file by App.json.
"""
import expressions as ex
import records
from evaluate import FUNCTIONS, Call, Column, Evaluation, Source, Stream, quantile, top

SCALARS = ("bool", "int", "float", "string", "timestamp")
STRINGS = ["", "a", "b", "ab", "A b", "a,b", "  x ", "tab\there", "É", "naïve café", "日本語", "😀 x",
           "it's", "%_%", "twelve bytes", "thirteen byte", "a text that is longer than any inline one",
           "a text that is longer than any inlined", "12", "-7", "3.5", "true", "NULL", "two words",
           "one two  three", "\u0301e", "z" * 70]
WILD_INTS = [ex.INT_MAX, ex.INT_MIN, ex.INT_MAX - 1, 2**53 + 1, -2**40, 4 * 10**18, 0, 1, -1, 7]
WILD_FLOATS = [1e308, -1.7e308, 5e-324, 0.1, 1 / 3, 123456.789, 1e16, 1e-5, 2.5, 0.0, -9.2e18]
NAMES = ["odd name", "ключ", "and", "Count", "x.y", "a\"b"]
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
                other = r.choice([lambda: ex.literal("int", r.randrange(1, 60)),
                                  lambda: self.call()])()
                if other.exact and other.type in ("int", "float"):
                    expr = ex.arithmetic(r.choice("+-*/"), expr, other)
            elif expr.type == "string":
                expr = ex.joined(expr, self.make("string", 1))
            elif not expr.type.startswith("list<"):
                expr = ex.is_null(expr, True)
        elif r.random() < 0.1:
            expr = self.make(r.choice(SCALARS), 1)
            self.used = []
        return expr, list(self.used)


class App:
    """Sources, streams, and how they are written down."""

    def __init__(self, sources, streams, interval_ms):
        self.sources, self.streams, self.interval_ms = sources, streams, interval_ms

    def datasets(self):
        return self.sources + self.streams

    def n_batches(self):
        return max(len(source.batches) for source in self.sources)

    @staticmethod
    def json_row(source, row):
        return {c.name: records.json_value(c.type, row[c.name]) for c in source.columns
                if row[c.name] is not None or len(c.name) % 2}

    def json_source(self, source):
        if source.format is None:
            return {"type": "queue", "schema": {c.name: c.type for c in source.columns},
                    "batches": [[self.json_row(source, row) for row in batch]
                                for batch in source.batches]}
        schema = source.format.schema()
        return {"type": "files", "dir": "in/" + source.name, "format": source.format.name,
                **({"schema": schema} if schema else {}), **source.format.options()}

    def duration(self, batches):
        return "%dms" % (batches * self.interval_ms)

    def json_stream(self, stream):
        parents = stream.parents
        clauses = {"from": parents if len(parents) > 1 else parents[0]}
        if stream.flat_map:
            clauses["flat_map"] = {stream.flat_map[0]: stream.flat_map[1].text}
        if stream.where is not None:
            clauses["where"] = stream.where.text
        if stream.select is not None:
            clauses["select"] = {name: expr.text for name, expr in stream.select}
        if stream.window:
            size, slide = stream.window
            clauses["window"] = {"size": self.duration(size), "slide": self.duration(slide)}
            if size == slide:
                clauses["window"] = self.duration(size)
        if stream.group_by is not None:
            clauses["group_by"] = stream.group_by
        if stream.aggregate is not None:
            clauses["aggregate"] = {name: expr.text for name, expr, _ in stream.aggregate}
        if stream.distinct:
            clauses["distinct"] = True
        if stream.having is not None:
            clauses["having"] = stream.having.text
        if stream.order_by is not None:
            clauses["order_by"] = ", ".join(
                "%s%s%s" % (expr.text, " desc" if descending else "",
                            "" if nulls_first == descending else
                            " nulls first" if nulls_first else " nulls last")
                for expr, descending, nulls_first in stream.order_by)
        if stream.limit is not None:
            clauses["limit"] = stream.limit
        return clauses

    def json(self, sinks=True):
        app = {"version": 1, "name": "random", "batch": {"interval": self.duration(1)},
               "limits": {"record": "1KiB", "block": "1KiB"},
               "sources": {source.name: self.json_source(source) for source in self.sources},
               "streams": {stream.name: self.json_stream(stream) for stream in self.streams}}
        if sinks:
            app["sinks"] = {dataset.name: {"from": dataset.name, "type": "file",
                                           "dir": "out/" + dataset.name}
                            for dataset in self.datasets()}
        return app


class Apps:
    """Makes an app from a seeded generator of random numbers."""

    def __init__(self, random):
        self.random = random
        self.names = 0
        self.pool = []

    def app(self):
        r = self.random
        n_batches = r.choice([1, 3, 5, 8, 12])
        sources = [self.source("s%d" % i, n_batches) for i in range(r.choice([1, 1, 2, 2, 3]))]
        clock = Source("clock", [Column("tick", "int")],
                       [[{"tick": k}] for k in range(1, n_batches + 1)])
        self.pool = list(sources)
        for _ in range(r.randrange(2, 7)):
            self.stream()
        streams = [d for d in self.pool if isinstance(d, Stream)]
        return App([clock, *sources], streams, r.choice([10, 100, 1000, 60000]))

    # ---- sources ----

    def fresh(self):
        self.names += 1
        if self.random.random() < 0.03:
            return "%s %d" % (self.random.choice(NAMES), self.names)
        return "c%d" % self.names

    def source(self, name, n_batches):
        r = self.random
        types = [r.choice(SCALARS) for _ in range(r.randrange(1, 6))]
        if r.random() < 0.3:
            types.append(r.choice(["list<string>", "list<int>"]))
        columns, makers = [], []
        for type in ["string", "int", *types]:
            grid = type in ("int", "float") and r.random() < 0.75
            column = Column(self.fresh(), type, True, grid)
            columns.append(column)
            makers.append(self.maker(type, grid))
        names = [c.name for c in columns]
        if len(set(names)) < len(names):
            return self.source(name, n_batches)
        row = lambda: {n: make() for n, make in zip(names, makers)}
        if r.random() < 0.35:
            return self.files(name, columns, row)
        sizes = r.choice([[0, 1, 3], [1, 5, 20], [0, 3, 40], [5, 20, 200]])
        if r.random() < 0.02:
            sizes = [5000]  # more than a chunk
        batches = [[row() for _ in range(r.randrange(r.choice(sizes) + 1))]
                   for _ in range(r.randrange(1, n_batches + 1))]
        return Source(name, columns, batches)

    def files(self, name, columns, row):
        """All in the first batch, cut in pieces by a small limits.block."""
        r = self.random
        kinds = [records.Json]
        if not any(c.is_list() for c in columns):
            kinds.append(records.Csv)
        if r.random() < 0.15:
            kinds, columns = [records.Text], [Column("line", "string")]
            row = lambda: {"line": r.choice(STRINGS)}
        format = r.choice(kinds)(r, columns)
        source = Source(name, columns, [[]])
        source.format, source.files, source.bad = format, [], 0
        for _ in range(r.choice([1, 1, 2, 4])):
            rows = [row() for _ in range(r.randrange(r.choice([1, 10, 100, 300])))]
            lines, bad = records.write(format, rows, format.name != "text")
            source.files.append(lines)
            source.batches[0] += rows
            source.bad += bad
        return source

    def maker(self, type, grid):
        """A function that makes values of a column: how many nulls, how skewed, how wild."""
        r = self.random
        if type.startswith("list<"):
            inner = self.maker(ex.element_type(type), True)
            return lambda: (None if r.random() < 0.1 else
                            [inner() for _ in range(r.randrange(4))])
        domain = {
            "bool": lambda: [True, False],
            "int": lambda: list(range(-5, r.choice([0, 5, 50]))) if grid else WILD_INTS,
            "float": lambda: [n / 4 for n in range(-20, r.choice([0, 20, 400]))] if grid
                             else WILD_FLOATS,
            "string": lambda: r.sample(STRINGS, r.choice([2, 5, len(STRINGS)])),
            "timestamp": lambda: [BASE_TIME + r.randrange(10**r.choice([6, 9, 13]))
                                  for _ in range(r.choice([3, 30]))],
        }[type]()
        skew, nulls = r.choice([1, 1, 3, 8]), r.choice([0, 0.05, 0.3])
        def make():
            if r.random() < nulls:
                return None
            return domain[int(len(domain) * r.random() ** skew)]
        return make

    # ---- streams ----

    def stream(self):
        r = self.random
        parents = self.union() if r.random() < 0.2 else [r.choice(self.pool)]
        stream = self.new_stream(parents)
        columns = list(parents[0].columns)
        if r.random() < 0.2:
            columns = self.flat_map(stream, columns)
        if r.random() < 0.35:
            stream.where = Expressions(r, columns).make("bool")
        if r.random() < 0.4:
            columns = self.select(stream, columns)
        if r.random() < 0.35:
            self.window(stream)
        if r.random() < 0.45:
            columns = self.group(stream, columns)
        elif r.random() < 0.15 and all(c.exact and not c.is_list() for c in columns):
            stream.distinct, stream.ordered = True, False
        self.finish(stream, columns)

    def new_stream(self, parents):
        stream = Stream("t%d" % len(self.pool), [parent.name for parent in parents])
        stream.slide = parents[0].slide
        total = 0
        for parent in parents:
            stream.sources |= parent.sources
            total += len(parent.sources)
            stream.ordered &= parent.ordered
        stream.ordered &= total == len(stream.sources)
        return stream

    def finish(self, stream, columns):
        r = self.random
        stream.columns = columns
        windowed = stream.window is not None
        self.fill(stream)
        if r.random() < 0.2:
            stream.having = Expressions(r, columns, windowed).make("bool")
        if r.random() < 0.25 and all(c.exact and not c.is_list() for c in columns):
            stream.ordered = False
            if r.random() < 0.7:
                makers = Expressions(r, columns, windowed, 1)
                stream.order_by = []
                for _ in range(r.randrange(1, 4)):
                    descending = r.random() < 0.5
                    nulls_first = descending if r.random() < 0.7 else r.random() < 0.5
                    stream.order_by.append((makers.make(r.choice(SCALARS), r.choice([0, 1])),
                                            descending, nulls_first))
            if stream.order_by is None or r.random() < 0.6:
                stream.limit = r.choice([0, 1, 3, 10])
        self.fill(stream)
        self.pool.append(stream)

    def fill(self, stream):
        """Most conditions that no row meets are taken out: nothing comes from nothing."""
        if (stream.where is None and stream.having is None) or self.random.random() < 0.2:
            return
        evaluation = Evaluation(self.pool + [stream], 0, 10**6)
        if not any(evaluation.rows(stream.name, k) for k in range(1, 16)):
            stream.where = stream.having = None

    def union(self):
        """Two or three parents of one slide, brought to the same columns first."""
        r = self.random
        first = r.choice(self.pool)
        fitting = [d for d in self.pool if d.slide == first.slide]
        others = [r.choice(fitting) for _ in range(r.choice([1, 1, 2]))]
        columns = [Column(self.fresh(), r.choice(SCALARS)) for _ in range(r.randrange(1, 4))]
        found = []
        for parent in [first, *others]:
            stream = self.new_stream([parent])
            shuffled = r.sample(columns, len(columns))
            maker = Expressions(r, parent.columns, depth=1)
            stream.select = [(c.name, maker.make(c.type)) for c in shuffled]
            stream.columns = [Column(c.name, c.type) for c in shuffled]
            self.pool.append(stream)
            found.append(stream)
        return found

    def flat_map(self, stream, columns):
        r = self.random
        type = r.choice(["list<string>", "list<string>", "list<int>"])
        name = r.choice(columns).name if r.random() < 0.3 else self.fresh()
        stream.flat_map = (name, Expressions(r, columns).list(type, 2))
        made = Column(name, ex.element_type(type))
        if any(c.name == name for c in columns):
            return [made if c.name == name else c for c in columns]
        return columns + [made]

    def select(self, stream, columns):
        r = self.random
        maker = Expressions(r, columns)
        chosen = []
        for c in columns:
            if r.random() < 0.6:
                chosen.append((c.name if r.random() < 0.6 else self.fresh(), ex.column(c)))
        for _ in range(r.randrange(0 if chosen else 1, 3)):
            chosen.append((self.fresh(), maker.make(r.choice(SCALARS))))
        if r.random() < 0.15:
            chosen.append((self.fresh(), maker.list("list<string>", 1)))
        stream.select = chosen
        return [Column(name, e.type, e.exact, e.grid) for name, e in chosen]

    def window(self, stream):
        r = self.random
        slide = stream.slide * r.choice([1, 1, 2, 3])
        size = stream.slide * r.randrange(1, 7)
        if r.random() < 0.3:
            size = slide
        if slide > 6:
            return
        stream.window = (size, slide)
        stream.slide = slide

    def group(self, stream, columns):
        r = self.random
        usable = [c for c in columns if c.exact and not c.is_list()]
        keys = r.sample(usable, min(len(usable), r.choice([0, 1, 1, 1, 2, 3])))
        stream.group_by = [c.name for c in keys] if keys else None
        made = []
        if not keys or r.random() < 0.9:
            maker = Aggregates(r, keys, columns, stream.ordered, stream.window is not None,
                               stream.calls)
            stream.aggregate = []
            for _ in range(r.randrange(1, 6)):
                expr, used = maker.column()
                name = self.fresh()
                stream.aggregate.append((name, expr, used))
                made.append(Column(name, expr.type, expr.exact, expr.grid))
        stream.ordered = False
        return [Column(c.name, c.type) for c in keys] + made
