"""A plain evaluation of streams: no partitions, no tasks, no partial results. All rows of a window
are put together anew at every due time, and every clause is a loop.

Time is counted in batches: number k has the time zero + k * interval.
"""
import functools
import math
import statistics
from fractions import Fraction

from expressions import Env, Overflow, fit


class Column:
    """of: the sources' rows are distinguishable by it. See expressions.py for exact and grid."""
    __slots__ = ("name", "type", "exact", "grid")

    def __init__(self, name, type, exact=True, grid=False):
        self.name, self.type, self.exact, self.grid = name, type, exact, grid

    def is_list(self):
        return self.type.startswith("list<")


class Source:
    """Given rows; batches[k - 1] are those of batch k. format: None for a queue; for files (see
    records.py) all rows are in the first batch."""

    def __init__(self, name, columns, batches):
        self.name, self.columns, self.batches = name, columns, batches
        self.slide, self.sources, self.ordered = 1, {name}, True
        self.format, self.files, self.bad = None, [], 0


class Table(Source):
    """Its rows (batches[0]) are there in every batch, whatever the slide of who reads them."""


class Join:
    """on: pairs of a left and a right column. names: of the right columns that are no keys, and
    their names in the result. floats: which keys are ints on one side and floats on the other.
    left: the names of the left columns."""

    def __init__(self, other, on, kind, left, names, floats):
        self.other, self.on, self.kind, self.left = other, on, kind, left
        self.names, self.floats = names, floats


class State:
    """set: (name, expression, calls used); timeout: microseconds or None; initial: rows."""

    def __init__(self, key):
        self.key, self.set, self.columns = key, [], []
        self.remove_when = self.timeout = None
        self.emit, self.initial = "changed", []


class Stream:
    """One stream; clauses that it does not have are None."""

    def __init__(self, name, parents):
        self.name, self.parents = name, parents
        self.columns = self.slide = None
        self.sources = set()
        self.in_order = self.ordered = True  # does the order of rows count, before and after?
        self.flat_map = self.where = self.select = self.window = None
        self.group_by = self.aggregate = self.distinct = self.having = None
        self.order_by = self.limit = self.repartition = None
        self.join = self.state = None
        self.snapshot = self.cache = False
        self.calls = []


class Call:
    """One aggregate call: values are those of its arguments, in the order of rows."""

    def __init__(self, type, text, args, filter, function, ordered=False, exact=True):
        self.type, self.text, self.args, self.filter = type, text, args, filter
        self.function, self.ordered, self.exact = function, ordered, exact


# ---- aggregates ----


class Overflowed:
    """In the place of a value that did not fit."""


def sum_of(values):
    if not values:
        return None
    if isinstance(values[0], int):
        return fit(sum(values))
    total = math.fsum(values)
    return total if math.isfinite(total) else None


def average(values):
    if not values:
        return None
    if isinstance(values[0], int):
        return float(Fraction(sum(values), len(values)))
    return math.fsum(values) / len(values)


def variance(values):
    return float(statistics.variance([Fraction(v) for v in values])) if len(values) > 1 else None


def stddev(values):
    return math.sqrt(variance(values)) if len(values) > 1 else None


def quantile(q):
    def function(values):
        if not values:
            return None
        ordered = sorted(float(v) for v in values)
        at = (len(ordered) - 1) * q
        low = math.floor(at)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (at - low) * (ordered[high] - ordered[low])
    return function


def list_of(values):
    return values or None


def top(k):
    def function(values):
        counts = {}
        for v in values:
            counts[v] = counts.get(v, 0) + 1
        return sorted(counts, key=lambda v: (-counts[v], v))[:k] or None
    return function


def extreme_by(greatest):
    def function(pairs):
        best = None
        for x, y in pairs:
            if best is None or (y > best[1] if greatest else y < best[1]):
                best = (x, y)
        return best[0] if best else None
    return function


FUNCTIONS = {
    "count": len, "count_distinct": lambda v: len(set(v)),
    "approx_count_distinct": lambda v: len(set(v)),
    "sum": sum_of, "min": lambda v: min(v) if v else None, "max": lambda v: max(v) if v else None,
    "avg": average, "variance": variance, "stddev": stddev, "median": quantile(0.5),
    "first": lambda v: v[0] if v else None, "last": lambda v: v[-1] if v else None,
    "collect_list": list_of, "collect_set": lambda v: sorted(set(v)) or None,
    "bool_and": lambda v: all(v) if v else None, "bool_or": lambda v: any(v) if v else None,
    "min_by": extreme_by(False), "max_by": extreme_by(True),
}


def call_value(call, envs):
    values = []
    try:
        for env in envs:
            if call.filter is not None and call.filter.value(env) is not True:
                continue
            args = [arg.value(env) for arg in call.args]
            if None not in args:
                values.append(args[0] if len(args) == 1 else tuple(args))
        return call.function(values)
    except Overflow:
        return Overflowed


# ---- keys and order ----


def plain(value):
    """-0.0 is 0.0 as a key."""
    return value + 0.0 if isinstance(value, float) else value


def sort_rows(rows, items, columns, env_of):
    """By (expression, descending, nulls first), then by the columns that are no lists."""
    def value(expr, env):
        try:
            return expr.value(env)
        except Overflow:
            return None
    def key(row):
        env = env_of(row)
        return ([value(expr, env) for expr, _, _ in items] +
                [env.row[c.name] for c in columns if not c.is_list()])
    ways = [(descending, nulls_first) for _, descending, nulls_first in items]
    ways += [(False, False)] * len(columns)
    def compare(x, y):
        for a, b, (descending, nulls_first) in zip(x[0], y[0], ways):
            if a is None or b is None:
                if a is not b:
                    return -1 if (a is None) == nulls_first else 1
            elif a != b:
                return -1 if (a < b) != descending else 1
        return 0
    keyed = [(key(row), row) for row in rows]
    return [row for _, row in sorted(keyed, key=functools.cmp_to_key(compare))]


# ---- streams ----


class Memory:
    """What a state knows, and what it gave."""

    def __init__(self, state, zero):
        self.last, self.emitted, self.live_rows = 0, {}, {}
        self.live = {tuple(plain(row[name]) for name in state.key): (row, zero)
                     for row in state.initial}


class Evaluation:
    """All datasets of an app; rows are lists of (position or None, row)."""

    def __init__(self, datasets, zero, interval):
        self.datasets = {dataset.name: dataset for dataset in datasets}
        self.zero, self.interval = zero, interval  # microseconds
        self.known, self.inputs, self.states = {}, {}, {}
        self.dropped = {}  # rows that overflowed, by stream and batch

    def time(self, k):
        return self.zero + k * self.interval

    def due(self, dataset, k):
        return k >= 1 and (isinstance(dataset, Table) or
                           self.time(k) // self.interval % dataset.slide == 0)

    def rows(self, name, k):
        """The rows of a dataset at batch k, in order if it has one; None if it is not due."""
        dataset = self.datasets[name]
        if not self.due(dataset, k):
            return None
        if (name, k) not in self.known:
            if isinstance(dataset, Table):
                self.known[name, k] = [(None, row) for row in dataset.batches[0]]
            elif isinstance(dataset, Source):
                batch = dataset.batches[k - 1] if k <= len(dataset.batches) else []
                self.known[name, k] = [((k, name, i), row) for i, row in enumerate(batch)]
            else:
                self.known[name, k] = self.compute(dataset, k)
        return self.known[name, k]

    # Clauses before the window: once for each batch of the parents.

    def input(self, stream, k):
        if (stream.name, k) not in self.inputs:
            self.inputs[stream.name, k] = self.compute_input(stream, k)
        return self.inputs[stream.name, k]

    def compute_input(self, stream, k):
        if self.rows(stream.parents[0], k) is None:
            return []
        if stream.snapshot:
            rows = [(None, row) for row in self.snapshot(stream.parents[0], k)]
        else:
            names = [c.name for c in self.datasets[stream.parents[0]].columns]
            rows = [(position, {name: row[name] for name in names})
                    for parent in stream.parents for position, row in self.rows(parent, k)]
        if stream.join:
            rows = list(self.joined(stream.join, rows, self.rows(stream.join.other, k)))
        if stream.in_order:
            rows.sort(key=lambda row: row[0])
        result = []
        for position, row in rows:
            try:
                result += self.pieces(stream, k, position, row)
            except Overflow:
                self.dropped[stream.name, k] = self.dropped.get((stream.name, k), 0) + 1
        return result

    @staticmethod
    def joined(join, left, right):
        """Nested loops, with a dictionary of the right keys."""
        def key(row, side):
            values = [row[pair[side]] for pair in join.on]
            values = [float(v) if f and v is not None else plain(v)
                      for v, f in zip(values, join.floats)]
            return None if None in values else tuple(values)
        def result(row, other, values):
            made = dict(row or {})
            made.update(zip([pair[0] for pair in join.on], values))
            made.update((name, other and other[old]) for old, name in join.names)
            return None, made
        def values_of(row, side):
            return [float(v) if f and v is not None else v for v, f in
                    zip([row[pair[side]] for pair in join.on], join.floats)]
        by_key, matched = {}, set()
        for i, (_, row) in enumerate(right):
            by_key.setdefault(key(row, 1), []).append((i, row))
        for _, row in left:
            wanted = key(row, 0)
            partners = by_key.get(wanted, []) if wanted is not None else []
            for i, other in partners:
                matched.add(i)
                yield result(row, other, values_of(row, 0))
            if not partners and join.kind in ("left", "full"):
                yield result(row, None, values_of(row, 0))
        if join.kind in ("right", "full"):
            nothing = dict.fromkeys(join.left)
            for i, (_, row) in enumerate(right):
                if i not in matched:
                    yield result(nothing, row, values_of(row, 1))

    def pieces(self, stream, k, position, row):
        """What becomes of one row: an overflow anywhere drops all of it."""
        rows = [row]
        if stream.flat_map:
            name, expr = stream.flat_map
            rows = [dict(row, **{name: element})
                    for element in expr.value(Env(row, self.time(k))) or []]
        result = []
        for i, piece in enumerate(rows):
            env = Env(piece, self.time(k))
            if stream.where is not None and stream.where.value(env) is not True:
                continue
            if stream.select is not None:
                piece = {name: expr.value(env) for name, expr in stream.select}
            result.append((position and position + (i,), piece))
        return result

    # The others: once for each due time.

    def compute(self, stream, k):
        first = k - stream.window[0] + 1 if stream.window else k
        span = (self.time(first - 1), self.time(k)) if stream.window else (None, None)
        batches = range(max(1, first), k + 1)
        if stream.group_by is not None or stream.aggregate is not None:
            envs = [Env(row, self.time(j), *span)
                    for j in batches for _, row in self.input(stream, j)]
            rows = [(None, row) for row in self.groups(stream, k, envs, span)]
        elif stream.state:
            rows = [(None, row) for row in self.state(stream, k).emitted[k]]
        else:
            rows = [row for j in batches for row in self.input(stream, j)]
        if stream.distinct:
            seen = {tuple(plain(v) for v in row.values()): row for _, row in rows}
            rows = [(None, row) for row in seen.values()]
        if stream.having is not None:
            rows = [row for row in rows
                    if self.holds(stream.having, Env(row[1], self.time(k), *span))]
        if stream.order_by is not None or stream.limit is not None:
            rows = sort_rows(rows, stream.order_by or [], stream.columns,
                             lambda row: Env(row[1], self.time(k), *span))
            rows = rows[:stream.limit]
        return rows

    # State: batch after batch.

    def state(self, stream, k):
        memory = self.states.setdefault(stream.name, Memory(stream.state, self.zero))
        while memory.last < k:
            memory.last += 1
            if self.due(stream, memory.last):
                self.step(stream, memory, memory.last)
        return memory

    def snapshot(self, name, k):
        return self.state(self.datasets[name], k).live_rows[k]

    def step(self, stream, memory, k):
        state, now = stream.state, self.time(k)
        groups, emitted = {}, []
        for _, row in self.input(stream, k):
            key = tuple(plain(row[name]) for name in state.key)
            groups.setdefault(key, []).append(Env(row, now))
        def set_(key, envs, timed_out):
            """The new state; None if it is removed."""
            values = [call_value(call, envs) for call in stream.calls]
            old = memory.live.get(key, ({}, None))[0]
            env = Env(dict(zip(state.key, key)), now)
            env.row["timed out"] = timed_out
            env.row.update(("#%d" % i, value) for i, value in enumerate(values))
            env.row.update(("state." + name, old.get(name)) for name, _, _ in state.set)
            row = dict(zip(state.key, key))
            for name, expr, used in state.set:
                row[name] = self.column(expr, env, [values[i] for i in used])
            if state.remove_when is not None and self.holds(state.remove_when, Env(row, now)):
                return None
            return row
        for key in list(memory.live) + [key for key in groups if key not in memory.live]:
            last = memory.live[key][1] if key in memory.live else now
            late = state.timeout is not None and key not in groups and now > last + state.timeout
            if key not in groups and not late and state.emit == "changed":
                continue
            row = set_(key, groups.get(key, []), late)
            if row is None or late:
                memory.live.pop(key, None)
            else:
                memory.live[key] = (row, now if key in groups else last)
            if row is not None and not (late and state.emit == "all"):
                emitted.append(row)
        memory.emitted[k] = emitted
        memory.live_rows[k] = [row for row, _ in memory.live.values()]

    @staticmethod
    def holds(condition, env):
        try:
            return condition.value(env) is True
        except Overflow:
            return False

    def groups(self, stream, k, envs, span):
        """batch_time() within an aggregate is that of the row's batch, elsewhere the window's."""
        keys = stream.group_by or []
        found = {} if keys else {(): []}
        for env in envs:
            found.setdefault(tuple(plain(env.row[name]) for name in keys), []).append(env)
        for key, envs in found.items():
            values = [call_value(call, envs) for call in stream.calls]
            env = Env(dict(zip(keys, key)), self.time(k), *span)
            env.row.update(("#%d" % i, value) for i, value in enumerate(values))
            row = dict(zip(keys, key))
            for name, expr, used in stream.aggregate or []:
                row[name] = self.column(expr, env, [values[i] for i in used])
            yield row

    @staticmethod
    def column(expr, env, used):
        """One value of an aggregate column: null if anything in it does not fit."""
        if Overflowed in used:
            return None
        try:
            return expr.value(env)
        except Overflow:
            return None
