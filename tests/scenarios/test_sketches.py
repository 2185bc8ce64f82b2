"""Sketches in whole apps: through shuffles, windows, filters and expressions, over 1, 2 and 4
executors, against exact answers of a few lines."""
import collections
import json
import random

import scenario

STEP = 100
EXECUTORS = ("1", "2", "4")


class Sketches(scenario.Scenario):
    schema = {"k": "string", "user": "string", "ms": "float", "n": "int"}

    def batches(self, sizes, n_users=30000, seed=3):
        generator = random.Random(seed)
        def row():
            user = min(int(generator.paretovariate(0.6)), n_users)
            return {"k": generator.choice("aaaabbc"), "user": "user number %d of all" % user,
                    "ms": generator.lognormvariate(3, 1.5), "n": generator.randrange(-50, 50)}
        rows = [[row() for _ in range(size)] for size in sizes]
        for batch in rows:
            for row in batch[::17]:
                row[generator.choice(["user", "ms", "n"])] = None
        return rows

    def run_all(self, streams, batches):
        """{stream: {batch number from 1: rows}} for each number of executors."""
        results = []
        for executors in EXECUTORS:
            where = "run-%s" % executors
            sinks = {name: {"from": name, "type": "file", "dir": "%s/%s" % (where, name)}
                     for name in [*streams, "q"]}
            app = self.app({"q": {"type": "queue", "schema": self.schema, "batches": batches}},
                           streams, sinks, interval="%dms" % STEP, limits={"block": "64KiB"})
            self.run_now(app, "--executors", executors)
            zero = self.folders(where + "/q")[0] - STEP
            results.append({name: {(t - zero) // STEP: rows for t, rows in
                                   self.collect("%s/%s" % (where, name)).items()}
                            for name in streams})
        for other in results[1:]:
            for name in streams:
                self.assertEqual(list(other[name]), list(results[0][name]))
                for t, rows in other[name].items():
                    self.assertRows(rows, results[0][name][t])
        return results[0]

    def check_group(self, got, rows):
        users = [row["user"] for row in rows if row["user"] is not None]
        times = sorted(row["ms"] for row in rows if row["ms"] is not None)
        distinct = len(set(users))
        allowed = 1 if distinct <= 1000 else distinct * 0.065
        self.assertLessEqual(abs(got["users"] - distinct), allowed)
        for name, q in (("p50", 0.5), ("p99", 0.99)):
            at = (len(times) - 1) * q
            low, part = times[int(at)], at - int(at)
            high = times[min(int(at) + 1, len(times) - 1)]
            exact = low + part * (high - low)
            self.assertLessEqual(abs(got[name] - exact), exact * 0.0078)
        counts = collections.Counter(users)
        bound = 0 if distinct <= 1024 else len(users) / 513
        top = got["top"]
        self.assertEqual(len(top), min(5, distinct))
        exact = sorted(counts, key=lambda user: (-counts[user], user))[:5]
        if bound == 0:
            self.assertEqual(top, exact)
        for one, other in zip(top, exact):
            self.assertLessEqual(abs(counts[one] - counts[other]), bound)

    aggregate = {"users": "approx_count_distinct(user)", "p50": "approx_quantile(ms, 0.5)",
                 "p99": "approx_quantile(ms, 0.99)", "top": "approx_top_k(user, 5)"}

    def test_groups_and_totals(self):
        batches = self.batches([6000, 0, 40, 3000])
        streams = {"by": {"from": "q", "group_by": ["k"], "aggregate": self.aggregate},
                   "all": {"from": "q", "aggregate": self.aggregate}}
        got = self.run_all(streams, batches)
        for i, batch in enumerate(batches, 1):
            by = {row["k"]: row for row in got["by"].get(i, [])}
            self.assertEqual(sorted(by), sorted({row["k"] for row in batch}))
            for key, row in by.items():
                self.check_group(row, [r for r in batch if r["k"] == key])
            (row,) = got["all"][i]
            if batch:
                self.check_group(row, batch)
            else:
                self.assertEqual(row, {"users": 0, "p50": None, "p99": None, "top": None})

    def test_windows(self):
        batches = self.batches([500, 3000, 0, 10, 2000, 0, 0, 0, 700, 5])
        streams = {"by": {"from": "q", "window": {"size": "400ms", "slide": "100ms"},
                          "group_by": ["k"], "aggregate": self.aggregate},
                   "all": {"from": "q", "window": {"size": "700ms", "slide": "100ms"},
                           "aggregate": self.aggregate}}
        got = self.run_all(streams, batches)
        def window(end, size):
            return [row for batch in batches[max(0, end - size):end] for row in batch]
        self.assertEqual(list(got["all"]), list(range(1, len(batches) + 1)))
        for i in range(1, len(batches) + 1):
            rows = window(i, 4)
            by = {row["k"]: row for row in got["by"].get(i, [])}
            self.assertEqual(sorted(by), sorted({row["k"] for row in rows}))
            for key, row in by.items():
                self.check_group(row, [r for r in rows if r["k"] == key])
            (row,) = got["all"][i]
            self.check_group(row, window(i, 7))

    def test_filters_expressions_and_types(self):
        batches = self.batches([300, 200], n_users=100)
        streams = {"x": {"from": "q", "group_by": ["k"], "aggregate": {
            "few": "approx_count_distinct(n) filter (where n > 0) * 1.0 / count()",
            "half": "approx_quantile(n, 0.5) / 2",
            "far": "approx_quantile(ms, 1) - approx_quantile(ms, 0)",
            "most": "element(approx_top_k(n, 3) filter (where n < 0), 1)",
            "flags": "approx_top_k(n > 0, 2)", "none": "approx_top_k(user, 1) filter (where false)",
            "float": "element(approx_top_k(n / 2.0, 1), 1)"}}}
        got = self.run_all(streams, batches)
        for i, batch in enumerate(batches, 1):
            for row in got["x"][i]:
                rows = [r for r in batch if r["k"] == row["k"]]
                ns = [r["n"] for r in rows if r["n"] is not None]
                times = [r["ms"] for r in rows if r["ms"] is not None]
                self.assertAlmostEqual(row["few"], len({n for n in ns if n > 0}) / len(rows))
                self.assertAlmostEqual(row["far"], max(times) - min(times))
                counts = collections.Counter(ns)
                below = sorted((n for n in counts if n < 0), key=lambda n: (-counts[n], n))
                self.assertEqual(row["most"], below[0])
                self.assertEqual(row["float"], min(ns, key=lambda n: (-counts[n], n)) / 2)
                flags = collections.Counter(n > 0 for n in ns)
                self.assertEqual(row["flags"], sorted(flags, key=lambda f: (-flags[f], f)))
                self.assertIsNone(row["none"])

    def test_literals_are_checked(self):
        for aggregate, message in (
                ("approx_quantile(ms, 1.5)", "from 0 to 1"),
                ("approx_quantile(user, 0.5)", "int or a float"),
                ("approx_quantile(ms, n)", "literal"),
                ("approx_top_k(user, 0)", "from 1 to 10000"),
                ("approx_top_k(user, 10001)", "from 1 to 10000"),
                ("approx_top_k(user, 1.0)", "int literal"),
                ("approx_top_k(split(user), 1)", "no list"),
                ("approx_count_distinct(split(user))", "no list")):
            app = self.app({"q": {"type": "queue", "schema": self.schema, "batches": [[]]}},
                           {"x": {"from": "q", "aggregate": {"a": aggregate}}})
            run = self.command("validate", app, status=scenario.WRONG_APP)
            self.assertIn(message, run.err())

    def test_in_a_test_of_the_file(self):
        rows = [{"k": "a", "n": n} for n in (3, 1, 2, 3)] + [{"k": "b", "user": "x"}]
        streams = {"s": {"from": "q", "window": {"size": "2s", "slide": "1s"}, "group_by": ["k"],
                         "aggregate": {"d": "approx_count_distinct(n)",
                                       "q": "approx_quantile(n, 0)",
                                       "t": "approx_top_k(n, 2)"}}}
        test = {"name": "slides", "input": [{"q": rows[:2]}, {"q": rows[2:]}], "batches": 4,
                "expect": {"s": [
                    [{"k": "a", "d": 2, "q": 1.0, "t": [1, 3]}],
                    [{"k": "a", "d": 3, "q": 1.0, "t": [3, 1]},
                     {"k": "b", "d": 0, "q": None, "t": None}],
                    [{"k": "a", "d": 2, "q": 2.0, "t": [2, 3]},
                     {"k": "b", "d": 0, "q": None, "t": None}],
                    []]}}
        app = self.app({"q": {"type": "queue", "schema": self.schema, "batches": []}}, streams,
                       interval="1s", tests=[test])
        self.command("test", app)
        test["expect"]["s"][0][0]["d"] = 3
        app = self.app({"q": {"type": "queue", "schema": self.schema, "batches": []}}, streams,
                       interval="1s", tests=[test])
        self.command("test", app, status=scenario.FAILED)


if __name__ == "__main__":
    scenario.main()
