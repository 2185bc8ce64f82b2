"""Every clause of a stream, over 1, 2 and 4 executors and several batches, against an oracle of
a few lines; then the sinks, to the byte."""
import json
import math
import glob
import os
import random
import statistics

import scenario

EXECUTORS = ("1", "2", "4")
STEP = 100  # ms: the interval of all apps here


def value(text):
    """A key for sorting that takes null: after every value."""
    return (text is None, text)


class Clauses(scenario.Scenario):
    """All batches of a queue go through streams; what each stream gave is known by time."""

    schema = {"k": "string", "n": "int", "f": "float", "s": "string"}

    def make(self, n_batches=6, seed=1):
        generator = random.Random(seed)
        def row():
            return {"k": generator.choice(["a", "b", "c", "d", "", None]),
                    "n": generator.choice([None, *range(-5, 20)]),
                    "f": generator.choice([None, -1.5, 0.25, 3.0, 1e10]),
                    "s": generator.choice([None, "", "one", "two words", " and\tthree  more "])}
        return [[row() for _ in range(generator.randrange(5, 40))] for _ in range(n_batches)]

    def run_streams(self, streams, batches, names=None):
        """{stream: {time: rows}} and the times of the batches; equal for all executors."""
        names = names or list(streams)
        sinks = {name: {"from": name, "type": "file", "dir": "out/" + name} for name in names}
        sinks["source"] = {"from": "q", "type": "file", "dir": "out/source"}
        app = self.app({"q": {"type": "queue", "schema": self.schema, "batches": batches}},
                       streams, sinks, interval="%dms" % STEP)
        results = []
        for executors in EXECUTORS:
            # Outputs that are there already make batch times later: one folder for each run.
            where = "run-%d-%s" % (len(self.runs), executors)
            options = []
            for name in sinks:
                options += ["--set", "sinks.%s.dir=%s/%s" % (name, where, name)]
            run = self.run_now(app, "--executors", executors, *options)
            self.assertEqual(run.last()["retries"], 0)
            given = self.folders(where + "/source")  # there is no folder without rows
            times = [given[0] + STEP * i for i in range(len(batches))]
            self.assertEqual(given, [t for t, batch in zip(times, batches) if batch])
            results.append((times, {name: self.collect(where + "/" + name) for name in names}))
        return results

    def each_batch(self, streams, batches, oracle, names=None, ordered=False):
        """Compares all streams, batch by batch, with oracle(name, rows of the batch)."""
        for times, streams_out in self.run_streams(streams, batches, names):
            for name, out in streams_out.items():
                for time_ms, batch in zip(times, batches):
                    expected = oracle(name, [dict.fromkeys(self.schema) | row for row in batch])
                    got = out.pop(time_ms, [])
                    if ordered:
                        self.assertEqual(got, expected, name)
                    else:
                        self.assertRows(got, expected)
                self.assertEqual(out, {}, name)

    # ---- row by row ----

    def test_from(self):
        self.each_batch({"a": {"from": "q"}, "b": {"from": "a"}}, self.make(),
                        lambda name, rows: rows)

    def test_union(self):
        streams = {
            "x": {"from": "q", "select": {"k": "k", "n": "n"}},
            "y": {"from": "q", "where": "n > 5", "select": {"n": "n * 10", "k": "k"}},
            "u": {"from": ["x", "y", "x"]},
            "g": {"from": ["y", "x"], "group_by": ["k"], "aggregate": {"s": "sum(n)"}}}
        def oracle(name, rows):
            x = [{"k": r["k"], "n": r["n"]} for r in rows]
            y = [{"k": r["k"], "n": r["n"] * 10} for r in rows if r["n"] is not None and r["n"] > 5]
            if name == "u":
                return x + y + x
            return [{"k": k, "s": total([r["n"] for r in x + y if r["k"] == k])}
                    for k in {r["k"] for r in x + y}]
        self.each_batch(streams, self.make(), oracle, ["u", "g"])

    def test_flat_map(self):
        streams = {"words": {"from": "q", "flat_map": {"word": "split(s)"}},
                   "same": {"from": "q", "flat_map": {"s": "split(s)"}, "where": "s <> 'one'",
                            "select": {"s": "upper(s)", "n": "n"}},
                   "lists": {"from": "q", "flat_map": {"e": "array(n, null, n + 1)"},
                             "select": {"e": "e"}}}
        def oracle(name, rows):
            if name == "lists":
                return [{"e": e} for r in rows
                        for e in (r["n"], None, None if r["n"] is None else r["n"] + 1)]
            words = [(r, word) for r in rows for word in (r["s"] or "").split()]
            if name == "words":
                return [r | {"word": word} for r, word in words]
            return [{"s": word.upper(), "n": r["n"]} for r, word in words if word != "one"]
        self.each_batch(streams, self.make(), oracle)

    def test_where(self):
        streams = {
            "a": {"from": "q", "where": "n > 3"},
            "b": {"from": "q", "where": "not (n > 3)"},  # null is not true either way
            "c": {"from": "q", "where": "n > 3 or k = 'a'"},
            "d": {"from": "q", "where": "k in ('a', 'b') and n between 0 and 10"},
            "e": {"from": "q", "where": "k is not distinct from null"},
            "f": {"from": "q", "where": "null"}}
        conditions = {
            "a": lambda r: r["n"] is not None and r["n"] > 3,
            "b": lambda r: r["n"] is not None and r["n"] <= 3,
            "c": lambda r: (r["n"] is not None and r["n"] > 3) or r["k"] == "a",
            "d": lambda r: r["k"] in ("a", "b") and r["n"] is not None and 0 <= r["n"] <= 10,
            "e": lambda r: r["k"] is None,
            "f": lambda r: False}
        self.each_batch(streams, self.make(),
                        lambda name, rows: [r for r in rows if conditions[name](r)])

    def test_select(self):
        streams = {
            "star": {"from": "q", "select": {"*": True, "n": "coalesce(n, 0)", "x": "length(s)"}},
            "some": {"from": "q", "select": {"x": "n * 2", "k": "k", "same": "n"}}}
        def oracle(name, rows):
            if name == "star":
                return [r | {"n": r["n"] or 0, "x": None if r["s"] is None else len(r["s"])}
                        for r in rows]
            return [{"x": None if r["n"] is None else 2 * r["n"], "k": r["k"], "same": r["n"]}
                    for r in rows]
        self.each_batch(streams, self.make(), oracle)

    def test_order_of_columns(self):
        app = self.app(
            {"q": {"type": "queue", "schema": self.schema, "batches": [[{"k": "x", "n": 1}]]}},
            {"a": {"from": "q", "select": {"*": True, "z": "1", "n": "'new'"}},
             "b": {"from": "q", "select": {"z": "1", "a": "2"}},
             "c": {"from": "q", "group_by": ["n", "k"], "aggregate": {"z": "count()", "a": "1"}},
             "d": {"from": "q", "flat_map": {"k": "split(k)"}},
             "e": {"from": "q", "flat_map": {"w": "split(k)"}},
             "u": {"from": ["b", "b2"]}, "b2": {"from": "q", "select": {"a": "1", "z": "2"}}},
            {name: {"from": name, "type": "file", "dir": name} for name in "abcdeu"})
        self.run_now(app)
        for name, columns in (("a", "k n f s z"), ("b", "z a"), ("c", "n k z a"),
                              ("d", "k n f s"), ("e", "k n f s w"), ("u", "z a")):
            self.assertEqual(list(self.collect_rows(name)[0]), columns.split(), name)

    # ---- groups ----

    def test_group_by_and_distinct(self):
        streams = {"g": {"from": "q", "group_by": ["k", "f"]},
                   "d": {"from": "q", "select": {"f": "f", "k": "k"}, "distinct": True},
                   "dd": {"from": "q", "distinct": True}}
        def oracle(name, rows):
            columns = ("k", "f") if name != "dd" else tuple(self.schema)
            return [dict(zip(columns, key)) for key in {tuple(r[c] for c in columns) for r in rows}]
        self.each_batch(streams, self.make() + [[]], oracle)

    def test_aggregates_of_groups(self):
        aggregates = {
            "n0": "count()", "n1": "count(n)", "nd": "count_distinct(n)", "s": "sum(n)",
            "lo": "min(n)", "hi": "max(s)", "fs": "sum(f)", "av": "avg(n)", "med": "median(n)",
            "q": "quantile(n, 0.25)", "sd": "stddev(n)", "fi": "first(s)", "la": "last(n)",
            "li": "collect_list(n)", "set": "collect_set(n)", "agg": "string_agg(s, '|')",
            "mb": "min_by(s, n)", "xb": "max_by(s, n)", "all": "bool_and(n > 0)",
            "any": "bool_or(n > 0)", "filtered": "sum(n) filter (where f > 0)",
            "expr": "count() * 10 + coalesce(max(n), 0)", "at": "batch_time()"}
        streams = {"g": {"from": "q", "group_by": ["k"], "aggregate": aggregates},
                   "t": {"from": "q", "aggregate": aggregates}}
        batches = self.make(8) + [[]]
        for times, out in self.run_streams(streams, batches):
            for time_ms, batch in zip(times, batches):
                keys = {r["k"] for r in batch}
                expected = [{"k": k} | summary([r for r in batch if r["k"] == k]) for k in keys]
                self.assertSummaries(out["g"].get(time_ms, []), expected, time_ms)
                self.assertSummaries(out["t"][time_ms], [summary(batch)], time_ms)

    def assertSummaries(self, got, expected, time_ms):
        self.assertEqual(len(got), len(expected))
        by_key = {row.get("k"): row for row in got}
        for row in expected:
            other = by_key[row.get("k")]
            self.assertEqual(scenario.ms(other.pop("at")), time_ms)
            self.assertEqual(set(row), set(other))
            for name, x in row.items():
                y = other[name]
                if isinstance(x, float) and y is not None:
                    self.assertTrue(math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12), (name, x, y))
                else:
                    self.assertEqual(x, y, name)

    def test_having(self):
        streams = {"g": {"from": "q", "group_by": ["k"], "aggregate": {"n": "count()"},
                         "having": "n > 3 and k is not null"},
                   "rows": {"from": "q", "select": {"x": "n"}, "having": "x = 7"}}
        def oracle(name, rows):
            if name == "rows":
                return [{"x": 7} for r in rows if r["n"] == 7]
            counts = [{"k": k, "n": sum(r["k"] == k for r in rows)} for k in {r["k"] for r in rows}]
            return [row for row in counts if row["n"] > 3 and row["k"] is not None]
        self.each_batch(streams, self.make(), oracle)

    # ---- order ----

    def test_order_and_limit(self):
        streams = {
            "a": {"from": "q", "order_by": "n desc, k"},
            "b": {"from": "q", "order_by": "k desc nulls last, n nulls first"},
            "c": {"from": "q", "order_by": "n", "limit": 5},
            "d": {"from": "q", "limit": 4},  # by the columns from left to right
            "e": {"from": "q", "order_by": "length(s) desc, n", "limit": 1000},
            "f": {"from": "q", "limit": 0}}
        def up(name, nulls_first=False):
            return lambda r: (not nulls_first if r[name] is None else nulls_first,
                              r[name] if r[name] is not None else 0)
        def in_order(rows, *keys):
            """keys: (key, descending); all columns break ties."""
            rest = [(up(c), False) for c in self.schema]
            for key, descending in reversed([*keys, *rest]):
                rows = sorted(rows, key=lambda r: by_type(key(r)), reverse=descending)
            return rows
        def by_type(key):
            return (key[0], str(key[1]) if isinstance(key[1], str) else "",
                    key[1] if not isinstance(key[1], str) else 0)
        length = lambda r: (r["s"] is None, 0 if r["s"] is None else len(r["s"]))
        def oracle(name, rows):
            return {
                "a": lambda: in_order(rows, (up("n"), True), (up("k"), False)),
                "b": lambda: in_order(rows, (up("k", True), True), (up("n", True), False)),
                "c": lambda: in_order(rows, (up("n"), False))[:5],
                "d": lambda: in_order(rows)[:4],
                "e": lambda: in_order(rows, (length, True), (up("n"), False)),
                "f": lambda: []}[name]()
        self.each_batch(streams, self.make(), oracle, ordered=True)

    def test_an_ordered_sink_is_one_part(self):
        rows = [{"n": n} for n in range(5000)]
        app = self.app({"q": {"type": "queue", "schema": {"n": "int"}, "batches": [rows]}},
                       {"o": {"from": "q", "order_by": "n desc"},
                        "g": {"from": "q", "group_by": ["n"], "limit": 3000}},
                       {"o": {"from": "o", "type": "file", "dir": "o"},
                        "g": {"from": "g", "type": "file", "dir": "g"}})
        self.run_now(app, "--executors", "4")
        for dir, expected in (("o", list(range(4999, -1, -1))), ("g", list(range(3000)))):
            (time_ms,) = self.folders(dir)
            self.assertEqual(self.parts(time_ms, dir), ["part-00000.json"])
            self.assertEqual([row["n"] for row in self.collect_rows(dir)], expected)

    # ---- windows ----

    def windows(self, size, slide, times, last):
        """Due times, each with the indexes of its batches."""
        first = (times[0] - STEP) // slide * slide + slide
        for t in range(first, last + 1, slide):
            yield t, [i for i, b in enumerate(times) if t - size < b <= t]

    def check_windows(self, spec, size, slide, make_row, aggregate, batches=None):
        batches = batches or self.make(20, seed=size)
        streams = {"g": {"from": "q", "window": spec, "group_by": ["k"], "aggregate": aggregate},
                   "t": {"from": "q", "window": spec, "aggregate": aggregate}}
        for times, out in self.run_streams(streams, batches):
            last = -(-times[-1] // slide) * slide
            for t, inside in self.windows(size, slide, times, last):
                rows = [r for i in inside for r in batches[i]]
                keys = {r["k"] for r in rows}
                self.assertRows(out["g"].pop(t, []), [
                    {"k": k} | make_row(t, [r for r in rows if r["k"] == k]) for k in keys])
                self.assertRows(out["t"].pop(t), [make_row(t, rows)])
            self.assertEqual(out, {"g": {}, "t": {}})

    def test_windows(self):
        def make_row(t, rows):
            ns = [r["n"] for r in rows if r["n"] is not None]
            return {"n": len(rows), "s": sum(ns) if ns else None, "lo": min(ns, default=None),
                    "hi": max(ns, default=None), "d": len(set(ns)),
                    "med": float(statistics.median(ns)) if ns else None,
                    "l": ns or None, "to": text(t)}
        aggregate = {"n": "count()", "s": "sum(n)", "lo": "min(n)", "hi": "max(n)",
                     "d": "count_distinct(n)", "med": "median(n)", "l": "collect_list(n)",
                     "to": "window_end()"}
        for spec, size, slide in (("200ms", 200, 200),
                                  ({"size": "500ms", "slide": "100ms"}, 500, 100),
                                  ({"size": "500ms", "slide": "200ms"}, 500, 200),
                                  ({"size": "100ms", "slide": "300ms"}, 100, 300),
                                  ("1700ms", 1700, 1700)):
            self.check_windows(spec, size, slide, make_row, aggregate)

    def test_windows_with_silence(self):
        batches = self.make(3) + [[]] * 9 + self.make(2, 9) + [[]] * 3 + self.make(1, 3)
        self.check_windows({"size": "400ms", "slide": "100ms"}, 400, 100,
                           lambda t, rows: {"n": len(rows), "f": sum(
                               r["f"] for r in rows if r["f"] is not None)
                               if any(r["f"] is not None for r in rows) else None},
                           {"n": "count()", "f": "sum(f)"}, batches)

    def test_clauses_around_a_window(self):
        # where, select and batch_time() belong to the batch; having and order_by to the window.
        batches = self.make(12, 5)
        streams = {"w": {"from": "q", "where": "n > 0", "flat_map": {"word": "split(s)"},
                         "select": {"word": "upper(word)", "n": "n", "at": "batch_time()"},
                         "window": {"size": "300ms", "slide": "100ms"},
                         "group_by": ["word"],
                         "aggregate": {"n": "sum(n)", "early": "min(at)", "late": "max(at)"},
                         "having": "n > 20", "order_by": "n desc", "limit": 3}}
        for times, out in self.run_streams(streams, batches):
            for t, inside in self.windows(300, 100, times, times[-1]):
                total = {}
                for i in inside:
                    for r in batches[i]:
                        if r["n"] is not None and r["n"] > 0:
                            for word in (r["s"] or "").upper().split():
                                sums = total.setdefault(word, [0, times[i], times[i]])
                                sums[0] += r["n"]
                                sums[2] = times[i]
                rows = [{"word": w, "n": n, "early": text(a), "late": text(b)}
                        for w, (n, a, b) in total.items() if n > 20]
                rows.sort(key=lambda row: (-row["n"], row["word"]))
                self.assertEqual(out["w"].get(t, []), rows[:3])

    def test_distinct_and_rows_of_a_window(self):
        batches = self.make(12, 6)
        spec = {"size": "300ms", "slide": "200ms"}
        streams = {"d": {"from": "q", "select": {"k": "k"}, "window": spec, "distinct": True},
                   "r": {"from": "q", "select": {"n": "n"}, "window": spec},
                   "o": {"from": "q", "select": {"n": "n"}, "window": spec, "order_by": "n desc",
                         "limit": 3},
                   "c": {"from": "r", "aggregate": {"n": "count()"}}}
        for times, out in self.run_streams(streams, batches):
            last = -(-times[-1] // 200) * 200
            for t, inside in self.windows(300, 200, times, last):
                rows = [r for i in inside for r in batches[i]]
                self.assertRows(out["d"].get(t, []), [{"k": k} for k in {r["k"] for r in rows}])
                self.assertRows(out["r"].get(t, []), [{"n": r["n"]} for r in rows])
                top = sorted((r["n"] for r in rows), key=value, reverse=True)[:3]
                self.assertEqual(out["o"].get(t, []), [{"n": n} for n in top])
                self.assertEqual(out["c"][t], [{"n": len(rows)}])

    def test_streams_of_streams(self):
        streams = {"a": {"from": "q", "group_by": ["k"], "aggregate": {"n": "count()"}},
                   "b": {"from": "a", "aggregate": {"keys": "count()", "rows": "sum(n)"}},
                   "c": {"from": "a", "where": "k is not null", "select": {"n": "n"},
                         "group_by": ["n"], "aggregate": {"keys": "count()"}},
                   "top": {"from": "c", "order_by": "keys desc", "limit": 2}}
        def oracle(name, rows):
            a = [sum(r["k"] == k for r in rows) for k in {r["k"] for r in rows} if k is not None]
            if name == "b":
                return [{"keys": len({r["k"] for r in rows}), "rows": len(rows)}]
            c = [{"n": n, "keys": a.count(n)} for n in sorted(set(a))]
            return c if name == "c" else sorted(c, key=lambda r: -r["keys"])[:2]
        self.each_batch(streams, self.make(), oracle, ["b", "c", "top"])

    def test_order_in_the_file_means_nothing(self):
        clauses = {"from": "q", "flat_map": {"word": "split(s)"}, "where": "word <> 'one'",
                   "select": {"word": "word", "n": "n"}, "group_by": ["word"],
                   "aggregate": {"n": "sum(n)"}, "having": "n > 0", "order_by": "n", "limit": 2}
        batches = self.make(2)
        outputs = []
        for names in (list(clauses), list(reversed(clauses)), sorted(clauses)):
            app = self.app({"q": {"type": "queue", "schema": self.schema, "batches": batches}},
                           {"s": {name: clauses[name] for name in names}})
            outputs.append(self.run_now(app).out())
        self.assertEqual(outputs, outputs[:1] * 3)
        self.assertEqual(len(outputs[0].splitlines()), 4)


def text(time_ms):
    """A batch time as JSON rows have it."""
    import datetime
    moment = datetime.datetime.fromtimestamp(time_ms // 1000, datetime.timezone.utc)
    fraction = ("%03d" % (time_ms % 1000)).rstrip("0")
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + ("." + fraction if fraction else "") + "Z"


def total(values):
    values = [v for v in values if v is not None]
    return sum(values) if values else None


def summary(rows):
    """What the aggregates of test_aggregates_of_groups are for some rows in order."""
    ns = [r["n"] for r in rows if r["n"] is not None]
    ss = [r["s"] for r in rows if r["s"] is not None]
    fs = [r["f"] for r in rows if r["f"] is not None]
    both = [r for r in rows if r["n"] is not None and r["s"] is not None]
    def quantile(q):
        if not ns:
            return None
        place = q * (len(ns) - 1)
        low, values = int(place), sorted(ns)
        high = min(low + 1, len(ns) - 1)
        return values[low] + (values[high] - values[low]) * (place - low)
    return {
        "n0": len(rows), "n1": len(ns), "nd": len(set(ns)), "s": total(ns),
        "lo": min(ns, default=None), "hi": max(ss, default=None), "fs": total(fs),
        "av": sum(ns) / len(ns) if ns else None,
        "med": float(statistics.median(ns)) if ns else None, "q": quantile(0.25),
        "sd": statistics.stdev(ns) if len(ns) > 1 else None,
        "fi": ss[0] if ss else None, "la": ns[-1] if ns else None, "li": ns or None,
        "set": sorted(set(ns)) or None, "agg": "|".join(ss) if ss else None,
        "mb": min(both, key=lambda r: r["n"])["s"] if both else None,
        "xb": max(both, key=lambda r: r["n"])["s"] if both else None,
        "all": all(n > 0 for n in ns) if ns else None,
        "any": any(n > 0 for n in ns) if ns else None,
        "filtered": total([r["n"] for r in rows if r["f"] is not None and r["f"] > 0]),
        "expr": len(rows) * 10 + max(ns, default=0)}


class Sinks(scenario.Scenario):
    schema = {"b": "bool", "i": "int", "f": "float", "s": "string", "t": "timestamp",
              "l": "list<float>"}
    rows = [
        {"b": True, "i": -5, "f": 2, "s": "plain", "t": "2026-01-01T00:00:10Z", "l": [1, None]},
        {},
        {"b": False, "i": 9223372036854775807, "f": 1e16, "s": "", "t":
         "2026-01-01T00:00:10.250000Z", "l": []},
        {"f": 0.1, "s": 'a "quote", \u00e4\u20ac\U0001f600', "t": "1969-12-31T23:59:59.999999Z"},
        {"f": -0.0, "s": "tab\tnew\nline\r\\ \x01\x7f", "t": "0001-01-01T00:00:00Z"},
        {"f": 1e-7, "s": " ", "t": "9999-12-31T23:59:59.5Z", "l": [0.5, 1e300]},
        {"f": 123456789.125, "s": "null"},
        {"f": 1e-4, "s": "1"}]
    # Columns that make JSON and CSV by rule.
    json_lines = [
        '{"b":true,"i":-5,"f":2.0,"s":"plain","t":"2026-01-01T00:00:10Z","l":[1.0,null]}',
        '{"b":null,"i":null,"f":null,"s":null,"t":null,"l":null}',
        '{"b":false,"i":9223372036854775807,"f":1e+16,"s":"","t":"2026-01-01T00:00:10.25Z","l":[]}',
        '{"b":null,"i":null,"f":0.1,"s":"a \\"quote\\", \u00e4\u20ac\U0001f600",'
        '"t":"1969-12-31T23:59:59.999999Z","l":null}',
        '{"b":null,"i":null,"f":-0.0,"s":"tab\\tnew\\nline\\r\\\\ \\u0001\x7f",'
        '"t":"0001-01-01T00:00:00Z","l":null}',
        '{"b":null,"i":null,"f":1e-07,"s":" ","t":"9999-12-31T23:59:59.5Z","l":[0.5,1e+300]}',
        '{"b":null,"i":null,"f":123456789.125,"s":"null","t":null,"l":null}',
        '{"b":null,"i":null,"f":0.0001,"s":"1","t":null,"l":null}']
    csv_lines = [
        'true,-5,2.0,plain,2026-01-01T00:00:10Z,"[1.0,null]"',
        ',,,,,',
        'false,9223372036854775807,1e+16,"",2026-01-01T00:00:10.25Z,[]',
        ',,0.1,"a ""quote"", \u00e4\u20ac\U0001f600",1969-12-31T23:59:59.999999Z,',
        ',,-0.0,"tab\tnew\nline\r\\ \x01\x7f",0001-01-01T00:00:00Z,',
        ',,1e-07," ",9999-12-31T23:59:59.5Z,"[0.5,1e+300]"',
        ',,123456789.125,null,,',
        ',,0.0001,1,,']

    def queue_app(self, sinks, streams=None, batches=None):
        return self.app({"q": {"type": "queue", "schema": self.schema,
                               "batches": batches or [self.rows]}}, streams, sinks)

    def test_bytes(self):
        sinks = {"c": {"from": "q", "type": "console"},
                 "j": {"from": "q", "type": "file", "dir": "j"},
                 "v": {"from": "q", "type": "file", "dir": "v", "format": "csv"}}
        for executors in EXECUTORS:
            run = self.run_now(self.queue_app(sinks), "--executors", executors)
            self.assertEqual(run.out(), "\n".join(self.json_lines) + "\n")
            self.assertEqual(self.text_of(self.folders("j")[-1], "j"),
                             "\n".join(self.json_lines) + "\n")
            self.assertEqual(self.text_of(self.folders("v")[-1], "v").replace("\r\n", "\n"),
                             "\n".join(self.csv_lines) + "\n")
        self.assertEqual(self.parts(self.folders("v")[0], "v"), ["part-00000.csv"])
        run = self.run_now(self.queue_app({"c": {"from": "q", "type": "console",
                                                 "format": "csv"}}))
        self.assertEqual(run.out().replace("\r\n", "\n"), "\n".join(self.csv_lines) + "\n")

    def test_what_was_written_can_be_read(self):
        # JSON and CSV outputs are inputs of another app, with the same rows.
        schema = {name: kind for name, kind in self.schema.items() if name != "l"}
        rows = [{k: v for k, v in row.items() if k != "l"} for row in self.rows]
        rows[4]["s"] = "no line breaks in csv"
        for form in ("json", "csv"):
            app = self.app({"q": {"type": "queue", "schema": schema, "batches": [rows]}}, None,
                           {"o": {"from": "q", "type": "file", "dir": "o-" + form,
                                  "format": form}})
            self.run_now(app)
            dir = "o-%s/%d" % (form, self.folders("o-" + form)[0])
            app = self.app({"in": {"type": "files", "dir": dir, "format": form, "schema": schema,
                                   "pattern": "part-*"}})
            run = self.run_now(app)
            self.assertEqual(run.last()["bad_records"], 0, run.log())
            expected = [json.loads(line) for line in self.json_lines]
            for row in expected:
                del row["l"]
            expected[4]["s"] = rows[4]["s"]
            self.assertRows(run.rows(), expected)

    def test_table(self):
        run = self.run_now(self.queue_app({"c": {"from": "q", "type": "console",
                                                 "format": "table"}}))
        lines = run.out().splitlines()
        self.assertEqual(lines[0].split(), ["b", "i", "f", "s", "t", "l"])
        self.assertEqual(len(lines), 2 + len(self.rows))
        self.assertIn("9223372036854775807", lines[4])
        for character in "\x01\x7f\r\t":
            self.assertNotIn(character, run.out())
        self.assertEqual(run.out().count('a "quote", \u00e4\u20ac\U0001f600'), 1)

    def test_console_limit(self):
        batches = [[{"i": k} for k in range(10)], [{"i": 100}], [{"i": k} for k in range(5, 20)]]
        for form in ("json", "csv", "table"):
            for limit, counts in ((3, (3, 1, 3)), (0, (0, 0, 0)), (100, (10, 1, 15))):
                run = self.run_now(self.queue_app(
                    {"c": {"from": "x", "type": "console", "limit": limit, "format": form}},
                    {"x": {"from": "q", "select": {"i": "i"}}}, batches))
                lines = [line for line in run.out().splitlines() if any(map(str.isdigit, line))]
                self.assertEqual(len(lines), sum(counts), (form, limit, run.out()))

    def test_several_console_sinks(self):
        run = self.run_now(self.queue_app({
            "a": {"from": "x", "type": "console"}, "b": {"from": "x", "type": "console"},
            "c": {"from": "y", "type": "console", "format": "csv"}},
            {"x": {"from": "q", "select": {"x": "i"}}, "y": {"from": "q", "select": {"y": "i"}}}))
        lines = run.out().splitlines()
        self.assertEqual(lines.count('{"x":-5}'), 2)
        self.assertEqual(lines.count("-5"), 1)

    def test_folders(self):
        # No folder for a time without rows, though windows and totals are due.
        batches = [[{"i": 1}], [], [{"i": 7}], []]
        app = self.queue_app({"rows": {"from": "q", "type": "file", "dir": "deep/rows"},
                              "some": {"from": "some", "type": "file", "dir": "some"},
                              "all": {"from": "all", "type": "file", "dir": "all"},
                              "none": {"from": "none", "type": "file", "dir": "none"}},
                             {"some": {"from": "q", "group_by": ["i"]},
                              "all": {"from": "q", "aggregate": {"n": "count()"}},
                              "none": {"from": "q", "where": "i > 10"}}, batches)
        self.run_now(app)
        first = self.folders("deep/rows")[0]
        self.assertEqual(self.folders("deep/rows"), [first, first + 200])
        self.assertEqual(self.folders("some"), [first, first + 200])
        self.assertEqual(self.folders("all"), [first, first + 100, first + 200, first + 300])
        self.assertEqual(sorted(os.listdir(self.dir)), ["all", "app.json", "deep", "some"])
        for dir in ("deep/rows", "some", "all"):
            for name in os.listdir(self.path(dir)):
                self.assertTrue(name.isdigit(), name)  # nothing staged stays
                self.assertIn("_SUCCESS", os.listdir(self.path(dir, name)))
                self.assertEqual(os.path.getsize(self.path(dir, name, "_SUCCESS")), 0)

    def test_parts(self):
        batches = [[{"i": k} for k in range(1000)]]
        app = self.queue_app({"g": {"from": "g", "type": "file", "dir": "g"}},
                             {"g": {"from": "q", "group_by": ["i"]}}, batches)
        run = self.run_now(app, "--executors", "4")
        (time_ms,) = self.folders("g")
        parts = self.parts(time_ms, "g")
        self.assertGreater(len(parts), 1)
        self.assertEqual(sorted(row["i"] for row in self.collect_rows("g")), list(range(1000)))
        self.assertEqual(run.last()["driver_bytes"], 0)

    def test_two_sinks_of_one_folder(self):
        app = self.queue_app({"a": {"from": "q", "type": "file", "dir": "out"},
                              "b": {"from": "q", "type": "file", "dir": "out"}})
        run = self.start(app)
        run.wait(scenario.WRONG_APP)

    def test_a_folder_that_cannot_be_made(self):
        # At the start nothing is begun that could never be kept.
        self.write("out", "a file in the way")
        app = self.queue_app({"a": {"from": "q", "type": "file", "dir": "out"}})
        run = self.start(app)
        run.wait(74)
        self.assertIn("Not a directory", run.log())
        os.remove(self.path("out"))
        # Later, the batch waits, says so, and goes on when it can.
        self.write("in/1", "one\n")
        run = self.start(self.app({"in": {"type": "files", "dir": "in"}}, None,
                                  {"a": {"from": "in", "type": "file", "dir": "out"}}))
        run.until(lambda: glob.glob(self.path("out/*/_SUCCESS")), "the first batch's folder")
        os.rename(self.path("out"), self.path("aside"))
        self.write("out", "a file in the way")
        self.write("in/2", "two\n")
        run.until_log("Not a directory")
        os.remove(self.path("out"))
        os.rename(self.path("aside"), self.path("out"))
        run.until(lambda: len(self.folders()) == 2, "the second batch's folder")
        run.stop()
        self.assertRows(self.collect_rows(), [{"line": "one"}, {"line": "two"}])


if __name__ == "__main__":
    scenario.main()
