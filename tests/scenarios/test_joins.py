"""Joins of streams over 1, 2 and 4 executors, batch by batch, against a nested loop; with windows,
with executors that are killed, and where memory cannot be shared."""
import json
import os
import random
import time

import scenario

EXECUTORS = ("1", "2", "4")
STEP = 100  # ms
OFF = {"DSTREAM_SHARED_MEMORY": "off"}


def joined(left, right, on, kind, name, left_columns, right_columns):
    """The rows of a join; right columns that the left side has, too, are called name.column."""
    rename = {c: name + "." + c if c in left_columns else c
              for c in right_columns if c not in on.values()}
    rows, met = [], set()

    def add(a, b):
        row = {c: a[c] if a else None for c in left_columns}
        row.update({to: b[c] if b else None for c, to in rename.items()})
        for l, r in on.items():
            row[l] = a[l] if a else b[r]
        rows.append(row)

    by_key = {}
    for i, b in enumerate(right):
        by_key.setdefault(tuple(b[r] for r in on.values()), []).append(i)
    for a in left:
        key = tuple(a[l] for l in on)
        partners = [] if None in key else by_key.get(key, [])
        for i in partners:
            met.add(i)
            add(a, right[i])
        if not partners and kind in ("left", "full"):
            add(a, None)
    for i, b in enumerate(right):
        if i not in met and kind in ("right", "full"):
            add(None, b)
    return rows


def counted(rows, key, name):
    """group_by key with count() as name."""
    counts = {}
    for row in rows:
        counts[row[key]] = counts.get(row[key], 0) + 1
    return [{key: k, name: n} for k, n in counts.items()]


A, B = ["k", "n", "s"], ["k", "n", "x"]  # columns


class Queues(scenario.Scenario):
    """Two queues; what every stream gave is known by time."""

    def make(self, seed, n_batches=6, n_keys=8):
        generator = random.Random(seed)

        def row(columns):
            values = {"k": generator.choice([None, *("key %d" % i for i in range(n_keys))]),
                      "n": generator.choice([None, *range(5)]),
                      "s": generator.choice(["", "one", "two words that are long"]),
                      "x": generator.choice([None, 0.5, 1.0])}
            return {c: values[c] for c in columns}

        def batch(columns):
            return [row(columns) for _ in range(generator.choice((0, 3, 25)))]
        return [batch(A) for _ in range(n_batches)], [batch(B) for _ in range(n_batches)]

    def run_streams(self, streams, a, b, env=None):
        """For each number of executors: the times of the batches, and {stream: {time: rows}}."""
        streams = {**streams, "every": {"from": "a", "aggregate": {"n": "count()"}}}
        sinks = {name: {"from": name, "type": "file", "dir": "out/" + name} for name in streams}
        app = self.app({"a": {"type": "queue", "batches": a,
                              "schema": {"k": "string", "n": "int", "s": "string"}},
                        "b": {"type": "queue", "batches": b,
                              "schema": {"k": "string", "n": "int", "x": "float"}}},
                       streams, sinks, interval="%dms" % STEP)
        for executors in EXECUTORS:
            where = "run-%d-%s" % (len(self.runs), executors)
            options = []
            for name in sinks:
                options += ["--set", "sinks.%s.dir=%s/%s" % (name, where, name)]
            run = self.run_now(app, "--executors", executors, *options, env=env)
            self.assertEqual(run.last()["retries"], 0)
            out = {name: self.collect(where + "/" + name) for name in streams}
            times = sorted(out.pop("every"))
            self.assertEqual(times, list(range(times[0], times[0] + STEP * len(times), STEP)))
            self.assertGreaterEqual(len(times), len(a))
            yield times, out

    def each_time(self, streams, a, b, oracle, env=None):
        """oracle(name, i): the rows of a stream at the time of batch i, beyond the last, too."""
        for times, out in self.run_streams(streams, a, b, env):
            for name, rows in out.items():
                for i, at in enumerate(times):
                    self.assertRows(rows.pop(at, []), oracle(name, i))
                self.assertEqual(rows, {}, name)


class Kinds(Queues):
    def check(self, seed, env=None):
        a, b = self.make(seed)
        streams = {kind: {"from": "a", "join": {"with": "b", "on": ["k"], "type": kind}}
                   for kind in ("left", "right", "full")}
        streams["inner"] = {"from": "a", "join": {"with": "b", "on": ["k"]}}
        streams["pairs"] = {"from": "a", "join": {"with": "b", "on": {"k": "k", "n": "n"},
                                                  "type": "full"}}
        streams["self"] = {"from": "a", "join": {"with": "a", "on": ["n"]}, "where": "a.s = s",
                           "select": {"n": "n", "k": "k", "other": "a.k"}}

        def oracle(name, i):
            left, right = (x[i] if i < len(x) else [] for x in (a, b))
            if name == "self":
                rows = joined(left, left, {"n": "n"}, "inner", "a", A, A)
                return [{"n": r["n"], "k": r["k"], "other": r["a.k"]} for r in rows
                        if r["s"] == r["a.s"]]
            on = {"k": "k", "n": "n"} if name == "pairs" else {"k": "k"}
            kind = "full" if name == "pairs" else name
            return joined(left, right, on, kind, "b", A, B)
        self.each_time(streams, a, b, oracle, env)

    def test_all_kinds(self):
        for seed in (1, 2):
            self.check(seed)

    def test_where_memory_cannot_be_shared(self):
        self.check(3, OFF)


class KeyedAlike(Queues):
    """Sides that need no shuffle."""

    def test_groups_and_joins_of_joins(self):
        a, b = self.make(11)
        streams = {
            "ga": {"from": "a", "group_by": ["k"], "aggregate": {"na": "count()"}},
            "gb": {"from": "b", "group_by": ["k"], "aggregate": {"nb": "count()"}},
            "both": {"from": "ga", "join": {"with": "gb", "on": ["k"], "type": "full"}},
            "rows": {"from": "b", "join": {"with": "both", "on": ["k"], "type": "left"},
                     "where": "x > 0.6"},
        }

        def oracle(name, i):
            left, right = (x[i] if i < len(x) else [] for x in (a, b))
            ga, gb = counted(left, "k", "na"), counted(right, "k", "nb")
            both = joined(ga, gb, {"k": "k"}, "full", "gb", ["k", "na"], ["k", "nb"])
            if name == "rows":
                rows = joined(right, both, {"k": "k"}, "left", "both", B, ["k", "na", "nb"])
                return [r for r in rows if r["x"] == 1.0]
            return {"ga": ga, "gb": gb, "both": both}[name]
        self.each_time(streams, a, b, oracle)

    def window(self, batches, i, size):
        return [row for batch in batches[max(0, i + 1 - size):i + 1] for row in batch]

    def test_windows_on_both_sides(self):
        a, b = self.make(12)
        streams = {
            # Of counts, and of whole rows.
            "ca": {"from": "a", "window": {"size": "300ms", "slide": "100ms"},
                   "group_by": ["k"], "aggregate": {"na": "count()"}},
            "cb": {"from": "b", "window": {"size": "200ms", "slide": "100ms"},
                   "group_by": ["k"], "aggregate": {"nb": "count()"}},
            "counts": {"from": "ca", "join": {"with": "cb", "on": ["k"], "type": "left"}},
            "wa": {"from": "a", "window": {"size": "200ms", "slide": "100ms"}},
            "wb": {"from": "b", "window": {"size": "300ms", "slide": "100ms"}},
            "rows": {"from": "wa", "join": {"with": "wb", "on": ["k"], "type": "right"}},
        }

        def oracle(name, i):
            ca = counted(self.window(a, i, 3), "k", "na")
            cb = counted(self.window(b, i, 2), "k", "nb")
            wa, wb = self.window(a, i, 2), self.window(b, i, 3)
            return {"ca": ca, "cb": cb, "wa": wa, "wb": wb,
                    "counts": joined(ca, cb, {"k": "k"}, "left", "cb", ["k", "na"], ["k", "nb"]),
                    "rows": joined(wa, wb, {"k": "k"}, "right", "wb", A, B)}[name]
        self.each_time(streams, a, b, oracle)


class KilledExecutors(scenario.Scenario):
    """Joins of what came together stay exact, whoever is killed in the middle of a batch."""

    def add_file(self, dir, i):
        lines = ("%d,%d\n" % (i * 500 + n, (i * 500 + n) * 7919 % 997) for n in range(500))
        self.write("%s/%05d" % (dir, i), "".join(lines))

    def check(self, env, executors, seed):
        source = {"type": "files", "format": "csv", "schema": {"n": "int", "k": "int"}}
        streams = {
            "g": {"from": "b", "group_by": ["k"], "aggregate": {"m": "count()"}},
            "j": {"from": "a", "join": {"with": "g", "on": ["k"], "type": "left"},
                  "repartition": 3},
            "r": {"from": "a", "join": {"with": "b", "on": ["k"]}, "where": "b.n % 50 = 0"},
        }
        app = self.app({"a": dict(source, dir="a"), "b": dict(source, dir="b")}, streams,
                       {name: {"from": name, "type": "file", "dir": "out/" + name}
                        for name in ("a", "b", "j", "r")}, interval="20ms",
                       limits={"record": "1KiB", "block": "4KiB"})
        for dir in ("a", "b"):
            os.mkdir(self.path(dir))
        generator = random.Random(seed)
        run = self.start(app, "--executors", executors, env=env)
        for dir in ("a", "b"):
            self.add_file(dir, 0)
        run.until_rows_in(1000)
        files = 1
        while run.last()["executors_lost"] < (2 if scenario.SANITIZED else 4):
            for dir in ("a", "b"):
                self.add_file(dir, files)
            files += 1
            run.until_rows_in((files - 2) * 1000)
            time.sleep(generator.uniform(0, 0.02))
            pids = run.executors()
            if pids and files % 8 == 0:
                self.kill(generator.choice(pids))
        run.until_rows_in(files * 1000)
        run.stop()
        self.assertEqual(run.last()["failed_batches"], 0)
        out = {name: self.collect("out/" + name) for name in ("a", "b", "j", "r")}
        for name in ("a", "b"):
            numbers = sorted(row["n"] for rows in out[name].values() for row in rows)
            self.assertEqual(numbers, list(range(files * 500)))
        for at in set().union(*out.values()):
            a, b = out["a"].get(at, []), out["b"].get(at, [])
            g = counted(b, "k", "m")
            self.assertRows(out["j"].get(at, []),
                            joined(a, g, {"k": "k"}, "left", "g", ["n", "k"], ["k", "m"]))
            some = [row for row in b if row["n"] % 50 == 0]
            self.assertRows(out["r"].get(at, []),
                            joined(a, some, {"k": "k"}, "inner", "b", ["n", "k"], ["n", "k"]))

    def test_exact(self):
        self.check(None, "2", 1)

    def test_exact_where_memory_cannot_be_shared(self):
        self.check(OFF, "3", 2)


class Repartition(scenario.Scenario):
    def test_parts(self):
        rows = [{"n": n} for n in range(100)]
        app = self.app({"q": {"type": "queue", "schema": {"n": "int"}, "batches": [rows, [], rows]}},
                       {"r": {"from": "q", "repartition": 7, "cache": True},
                        "one": {"from": "r", "where": "n >= 0", "repartition": 1}},
                       {name: {"from": name, "type": "file", "dir": "out/" + name}
                        for name in ("r", "one")})
        for executors in EXECUTORS:
            where = "run-" + executors
            self.run_now(app, "--executors", executors, "--set", "sinks.r.dir=%s/r" % where,
                         "--set", "sinks.one.dir=%s/one" % where)
            for name, parts in (("r", 7), ("one", 1)):
                folders = self.folders(where + "/" + name)
                self.assertEqual(len(folders), 2)
                for time_ms in folders:
                    self.assertEqual(len(self.parts(time_ms, where + "/" + name)), parts)
                    self.assertRows([json.loads(line) for line in self.text_of(
                        time_ms, where + "/" + name).splitlines()], rows)


class Told(scenario.Scenario):
    """What is said of joins before anything runs."""

    def clicks(self, on, **more):
        return self.app({"shown": {"type": "queue", "batches": [], "schema": {
            "ad": "int", "site": "string"}}, "clicks": {"type": "queue", "batches": [], "schema": {
                "ad": "string", "id": "int"}}},
            {"sites": {"from": "shown", "group_by": ["ad"], "aggregate": {"n": "count()"}},
             "j": {"from": "sites", "join": {"with": "clicks", "on": on}, **more}})

    def test_types_that_differ(self):
        run = self.command("validate", self.clicks(["ad"]), status=scenario.WRONG_APP)
        self.assertIn('streams.j.join.on[0]: keys of different types never meet: "ad" is int in '
                      '"sites", and "ad" is string in "clicks"', run.err())

    def test_explain(self):
        text = self.command("explain", self.clicks({"ad": "id"}, cache=True)).out()
        for part in ("shuffle to stage 2: partial aggregates by key, 8 partitions, 16 bytes a row",
                     "shuffle to stage 2: whole rows by id for the right side of join j, 8 "
                     "partitions, 24 bytes a row and its text",
                     "to the left side of join j, in partitions by ad already: no shuffle",
                     "take the right side of join j, brought together by id",
                     "join j: inner, on ad = id; holds the smaller side for the batch: left 16 "
                     "bytes a row, right 24 bytes a row and its text",
                     "(cache: as for every stream, its rows are made once a batch)"):
            self.assertIn(part, text)

    def test_in_a_file(self):
        file = self.app({"shown": {"type": "queue", "batches": [], "schema": {"ad": "int"}},
                         "clicks": {"type": "stdin", "format": "csv", "schema": {"id": "float"}}},
                        {"j": {"from": "shown", "join": {"with": "clicks", "on": {"ad": "id"},
                                                         "type": "full"}, "repartition": 3}},
                        tests=[{"name": "an int meets a float", "input": [
                            {"shown": [{"ad": 1}, {"ad": 2}, {}], "clicks": ["2.0", "0.5"]}, {}],
                            "expect": {"j": [[{"ad": 1.0}, {"ad": 2.0}, {"ad": None},
                                              {"ad": 0.5}], []]}}])
        self.command("test", file)


if __name__ == "__main__":
    scenario.main()
