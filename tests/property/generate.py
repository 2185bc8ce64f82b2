"""Random small apps: sources with rows, streams of all clauses, expressions of all types.

Everything follows from one seed. An app is built with what evaluate.py needs to know (expressions
that can be evaluated), and written as an app file by App.json.
"""
import collections

import expressions as ex
import records
from app_file import App
from evaluate import Column, Evaluation, Join, Source, State, Stream, Table
from random_expressions import (BASE_TIME, SCALARS, STRINGS, WILD_FLOATS, WILD_INTS, Aggregates,
                                Expressions, StateColumns)

NAMES = ["odd name", "ключ", "and", "Count", "x.y", "a\"b"]


class Apps:
    """Makes an app from a seeded generator of random numbers."""

    MOST_JOINED = 1000  # rows

    def __init__(self, random):
        self.random = random
        self.names = 0
        self.pool, self.tables, self.interval_us = [], [], 0

    def app(self):
        r = self.random
        n_batches = r.choice([1, 3, 5, 8, 12, 5, 8, 12, 40])
        interval_ms = r.choice([10, 100, 1000, 60000])
        self.interval_us = interval_ms * 1000
        r.lua = r.random() < 0.3  # are functions in Lua wanted?
        sources = [self.source("s%d" % i, n_batches) for i in range(r.choice([1, 1, 2, 2, 3]))]
        clock = Source("clock", [Column("tick", "int")],
                       [[{"tick": k}] for k in range(1, n_batches + 1)])
        self.pool = list(sources)
        self.tables = [self.table("x%d" % i) for i in range(r.choice([0, 0, 1]))]
        for _ in range(r.randrange(2, 7)):
            self.stream()
        streams = [d for d in self.pool if isinstance(d, Stream)]
        app = App([clock, *sources, *self.tables], streams, interval_ms, r.lua)
        app.csv_sinks = {d.name for d in app.datasets() if r.random() < 0.15}
        return app

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
            return self.files(Source(name, columns, [[]]), row, r.choice([1, 1, 2, 4]))
        sizes = r.choice([[0, 1, 3], [1, 5, 20], [0, 3, 40], [5, 20, 200]])
        if r.random() < 0.02:
            sizes = [5000]  # more than a chunk
        batches = [[row() for _ in range(r.randrange(r.choice(sizes) + 1))]
                   for _ in range(r.randrange(1, n_batches + 1))]
        return Source(name, columns, batches)

    def files(self, source, row, n_files):
        """All in the first batch, cut in pieces by a small limits.block."""
        r = self.random
        kinds = [records.Json]
        if not any(c.is_list() for c in source.columns):
            kinds.append(records.Csv)
        if r.random() < 0.15 and not isinstance(source, Table):
            kinds, source.columns = [records.Text], [Column("line", "string")]
            row = lambda: {"line": r.choice(STRINGS)}
        source.format = r.choice(kinds)(r, source.columns)
        files = []
        for _ in range(n_files):
            rows = [row() for _ in range(r.randrange(1, r.choice([2, 10, 100, 300])))]
            files.append(records.write(source.format, rows, source.format.name != "text"))
        records.take(source, files)
        return source

    def table(self, name):
        types = [self.random.choice(SCALARS) for _ in range(self.random.randrange(1, 4))]
        columns = [Column(self.fresh(), type, True, type in ("int", "float"))
                   for type in ["string", "int", *types]]
        if len({c.name for c in columns}) < len(columns):
            return self.table(name)
        makers = [(c.name, self.maker(c.type, c.grid)) for c in columns]
        source = Table(name, columns, [[]])
        source.ordered = False
        return self.files(source, lambda: {n: make() for n, make in makers}, 1)

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
        if r.random() < 0.08 and any(getattr(d, "state", None) for d in self.pool):
            parent = r.choice([d for d in self.pool if getattr(d, "state", None)])
            stream = self.new_stream([parent])
            stream.snapshot, stream.ordered, stream.in_order = True, False, False
            columns = list(parent.state.columns)
        else:
            parents = self.union() if r.random() < 0.2 else [r.choice(self.pool)]
            stream = self.new_stream(parents)
            columns = list(parents[0].columns)
        if r.random() < 0.25 and not stream.snapshot:
            columns = self.join(stream, columns)
        if r.random() < 0.2:
            columns = self.flat_map(stream, columns)
        if r.random() < 0.35:
            stream.where = Expressions(r, columns).make("bool")
        if r.random() < 0.4:
            columns = self.select(stream, columns)
        if r.random() < 0.15 and any(c.exact and not c.is_list() for c in columns):
            columns = self.state(stream, columns)
        else:
            columns = self.several(stream, columns)
        self.finish(stream, columns)

    def several(self, stream, columns):
        """Clauses over several rows."""
        r = self.random
        if r.random() < 0.4:
            self.window(stream)
        if r.random() < 0.5:
            return self.group(stream, columns)
        if r.random() < 0.15 and all(c.exact and not c.is_list() for c in columns):
            stream.distinct, stream.ordered = True, False
        return columns

    def new_stream(self, parents):
        stream = Stream("t%d" % len(self.pool), [parent.name for parent in parents])
        stream.slide = parents[0].slide
        total = 0
        for parent in parents:
            stream.sources |= parent.sources
            total += len(parent.sources)
            stream.ordered &= parent.ordered
        stream.ordered &= total == len(stream.sources)
        stream.in_order = stream.ordered
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
        if r.random() < 0.1:
            stream.repartition, stream.ordered = r.choice([1, 2, 5]), False
        stream.cache = r.random() < 0.05
        self.fill(stream)
        self.pool.append(stream)

    def fill(self, stream):
        """Most conditions that no row meets are taken out: nothing comes from nothing."""
        if (stream.where is None and stream.having is None) or self.random.random() < 0.2:
            return
        evaluation = Evaluation(self.pool + self.tables + [stream], 0, 10**6)
        if not any(evaluation.rows(stream.name, k) for k in range(1, 16)):
            stream.where = stream.having = None

    def join(self, stream, columns):
        """With a stream of the same slide or a table; many rows of few keys are left alone."""
        r = self.random
        others = [d for d in self.pool if d.slide == stream.slide] + self.tables * 2
        other = r.choice(others)
        numbers = ("int", "float")
        pairs = [(a, b) for a in columns for b in other.columns
                 if a.exact and b.exact and not a.is_list() and not b.is_list() and
                 (a.type == b.type or (a.type in numbers and b.type in numbers))]
        on = []
        for a, b in r.sample(pairs, min(len(pairs), r.choice([1, 1, 2]))):
            if a not in [p for p, _ in on] and b not in [q for _, q in on]:
                on.append((a, b))
        names = {c.name for c in columns}
        renamed = [(c, c.name if c.name not in names else "%s.%s" % (other.name, c.name))
                   for c in other.columns if c not in [b for _, b in on]]
        if not on or len(names | {n for _, n in renamed}) < len(names) + len(renamed):
            return columns
        stream.join = Join(other.name, [(a.name, b.name) for a, b in on],
                           r.choice(["inner", "left", "right", "full"]), [c.name for c in columns],
                           [(c.name, name) for c, name in renamed],
                           [a.type != b.type for a, b in on])
        ordered = stream.ordered
        stream.ordered = stream.in_order = False
        if self.too_many(stream):
            stream.join, stream.ordered, stream.in_order = None, ordered, ordered
            return columns
        stream.sources |= other.sources
        floats = {a.name for a, b in on if a.type != b.type}
        left = [Column(c.name, "float") if c.name in floats else c for c in columns]
        return left + [Column(name, c.type, c.exact, c.grid) for c, name in renamed]

    def too_many(self, stream):
        """Is the result of a join large? It is counted without making it."""
        evaluation = Evaluation(self.pool + self.tables + [stream], 0, 10**6)
        join = stream.join
        for k in range(1, 45):
            if not evaluation.due(stream, k):
                continue
            sides = [[row for parent in stream.parents for _, row in evaluation.rows(parent, k)],
                     [row for _, row in evaluation.rows(join.other, k)]]
            counts = [collections.Counter(tuple(row[pair[side]] for pair in join.on)
                                          for row in rows) for side, rows in enumerate(sides)]
            total = sum(n * counts[1][key] for key, n in counts[0].items())
            if total + len(sides[0]) + len(sides[1]) > self.MOST_JOINED:
                return True
        return False

    def state(self, stream, columns):
        r = self.random
        usable = [c for c in columns if c.exact and not c.is_list()]
        keys = r.sample(usable, min(len(usable), r.choice([1, 1, 2])))
        stream.state = state = State([c.name for c in keys])
        maker = StateColumns(r, keys, columns, stream.ordered, stream.calls)
        for _ in range(r.randrange(1, 5)):
            self.names += 1
            name = "v%d" % self.names
            expr, used = maker.state_column(name)
            state.set.append((name, expr, used))
        state.columns = [Column(c.name, c.type) for c in keys] + \
            [Column(name, e.type, e.exact, e.grid) for name, e, _ in state.set]
        if r.random() < 0.3:
            state.remove_when = Expressions(r, state.columns, depth=1).make("bool")
        if r.random() < 0.5:
            state.timeout = r.choice([1, 2, 3, 5]) * stream.slide * self.interval_us
            state.timeout -= r.choice([0, 0, self.interval_us // 2])
        state.emit = r.choice(["changed", "changed", "all"])
        if r.random() < 0.3:
            state.initial = self.initial(state)
        stream.ordered = False
        return list(state.columns)

    def initial(self, state):
        rows = {}
        for _ in range(self.random.randrange(1, 5)):
            row = {c.name: None if c.is_list() else self.maker(c.type, True)()
                   for c in state.columns}
            rows[tuple(row[name] for name in state.key)] = row
        return list(rows.values())

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
        return found + found[:1] if r.random() < 0.1 else found

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
        size = stream.slide * r.randrange(1, r.choice([7, 7, 7, 20]))
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


class WideApps(Apps):
    """Apps with more data than an executor with little memory holds: many keys, long texts."""

    MOST_JOINED = 100000

    def app(self):
        r = self.random
        r.lua, self.interval_us = False, 10**6
        sources = [self.wide_source("s%d" % i) for i in range(r.choice([1, 1, 2]))]
        clock = Source("clock", [Column("tick", "int")], [[{"tick": k}] for k in range(1, 4)])
        self.pool = list(sources)
        for _ in range(r.randrange(2, 4)):
            self.stream()
        streams = [d for d in self.pool if isinstance(d, Stream)]
        app = App([clock, *sources], streams, 1000, False)
        app.record, app.block = "4KiB", "256KiB"
        return app

    def wide_source(self, name):
        r = self.random
        n_keys, length = r.choice([10, 1000, 100000]), r.choice([5, 100, 400])
        columns = [Column(self.fresh(), "string"), Column(self.fresh(), "int", True, True),
                   Column(self.fresh(), "float", True, True), Column(self.fresh(), "string")]
        def row():
            values = ["key %d" % r.randrange(n_keys), r.randrange(n_keys), r.randrange(400) / 4,
                      r.choice("abcdefé") * r.randrange(length) + str(r.randrange(10**6))]
            return dict(zip([c.name for c in columns], values))
        source = Source(name, columns, [[]])
        source.format = r.choice([records.Json, records.Csv])(r, columns)
        files = [records.write(source.format, [row() for _ in range(r.randrange(2000, 20000))],
                               False) for _ in range(r.randrange(1, 4))]
        records.take(source, files)
        return source

    def fill(self, stream):
        pass
