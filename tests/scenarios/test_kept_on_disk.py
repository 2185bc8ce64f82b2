"""More state and longer windows than memory: what is kept from batch to batch goes to disk beyond
its share, comes back, and the app stays within limits.memory."""
import os
import signal
import unittest

import scenario
from scenario import BUG
from test_spill import FEW, MIB, Spilling


class Kept(Spilling):
    def keep(self, streams, n, **more):
        """An app over numbers, with a key for each of n of them."""
        keys = {"from": "in", "select": {
            "k": "cast(value %% %d as string) || ' is a key'" % n, "v": "value"}}
        return self.app({"in": {"type": "rate", "rows_per_second": more.pop("rate", n)}},
                        dict(streams, keys=keys),
                        {"out": {"from": "total", "type": "file", "dir": "out"}}, interval="1s",
                        **more)

    def expect_all(self, run, n):
        """Each key was there once, and is what it should be."""
        self.assertRows(self.collect_rows(), [
            {"keys": n, "rows": n, "least": "0 is a key",
             "most": max("%d is a key" % i for i in (n - 1, n // 10 * 10 - 1, 99999)), "wrong": 0}])
        self.assertEqual(run.last()["failed_batches"], 0)
        self.assertEqual(run.last()["executors_lost"], 0)
        if not FEW:
            self.assertGreater(run.last()["spilled_bytes"], 100 * MIB)

    @staticmethod
    def total(n):
        return {"keys": "count()", "rows": "sum(n)", "least": "min(k)", "most": "max(k)",
                "wrong": "count() filter (where k <> cast(v %% %d as string) || ' is a key')" % n}


class ManyKeys(Kept):
    N = 200000 if FEW else 10000000
    LIMITS = {"memory": "256MiB", "block": "1MiB"}

    def test_in_a_state(self):
        tmp = self.path("tmp")
        os.mkdir(tmp)
        app = self.keep({"st": {"from": "keys", "state": {"key": ["k"], "set": {
                             "n": "coalesce(state.n, 0) + count()", "v": "max(v)"}}},
                         "total": {"from": "st", "aggregate": self.total(self.N)}},
                        self.N, limits=self.LIMITS, checkpoint={"dir": "state"})
        run = self.run_within(app, 256 * MIB)
        self.expect_all(run, self.N)
        for folder, _, files in os.walk(self.path("state")):
            self.assertFalse([name for name in files if "spill" in name], folder)

    def test_in_a_window(self):
        app = self.keep({"w": {"from": "keys", "window": {"size": "3s", "slide": "1s"},
                               "group_by": ["k"], "aggregate": {"n": "count()", "v": "sum(v)"}},
                         "total": {"from": "w", "aggregate": self.total(self.N)}},
                        self.N, limits=self.LIMITS)
        run = self.run_within(app, 256 * MIB)
        self.expect_all(run, self.N)


class Batches(Kept):
    """Keys that come again, in little memory."""
    KEYS, RATE = 40000 if FEW else 100000, 30000 if FEW else 80000
    LITTLE = {"executors": {"count": 1, "memory": "16MiB"},
              "limits": {"memory": "48MiB", "block": "256KiB"}}

    def run_some(self, streams, **more):
        """Runs some batches; returns the app's run, and how many rows each batch time brought."""
        app = self.app({"in": {"type": "rate", "rows_per_second": self.RATE}},
                       dict(streams, b={"from": "in", "aggregate": {"n": "count()"}},
                            keys={"from": "in", "select": {
                                "k": "cast(value * 7919 %% %d as string) || ' as a longer key'"
                                     % self.KEYS, "v": "value"}}),
                       {"out": {"from": "total", "type": "file", "dir": "out"},
                        "rows": {"from": "b", "type": "file", "dir": "rows"}}, interval="1s",
                       **dict(self.LITTLE, **more))
        run = self.start(app)
        run.until(lambda: len(self.folders("rows")) >= 7, "seven batches", 8 * scenario.PATIENCE)
        run.signal(signal.SIGTERM)
        run.wait(seconds=8 * scenario.PATIENCE)  # what waits is done first
        rows = {time_ms: row["n"] for time_ms, (row,) in self.collect("rows").items()}
        self.assertEqual(run.last()["failed_batches"], 0)
        if not FEW:
            self.assertGreater(run.last()["spilled_bytes"], MIB)
        return rows

    def test_a_state(self):
        rows = self.run_some({
            "st": {"from": "keys", "state": {"key": ["k"], "timeout": "1h", "set": {
                "n": "coalesce(state.n, 0) + count()", "v": "max(v)"}}},
            "all": {"from": "st", "snapshot": True},
            "total": {"from": "all", "aggregate": {"keys": "count()", "n": "sum(n)",
                                                   "v": "max(v)"}}})
        self.check_totals(rows, lambda t, start: True)

    def test_a_window(self):
        rows = self.run_some({
            "w": {"from": "keys", "window": {"size": "3s", "slide": "1s"}, "group_by": ["k"],
                  "aggregate": {"n": "count()", "v": "max(v)"}},
            "total": {"from": "w", "aggregate": {"keys": "count()", "n": "sum(n)",
                                                 "v": "max(v)"}}})
        self.check_totals(rows, lambda t, start: t > start - 3000)

    def test_a_window_of_rows(self):
        rows = self.run_some({
            "w": {"from": "keys", "window": {"size": "3s", "slide": "1s"}},
            "g": {"from": "w", "group_by": ["k"], "aggregate": {"n": "count()", "v": "max(v)"}},
            "total": {"from": "g", "aggregate": {"keys": "count()", "n": "sum(n)",
                                                 "v": "max(v)"}}})
        self.check_totals(rows, lambda t, start: t > start - 3000)

    def check_totals(self, rows, held):
        """Each output is of the rows of the batches that are held then."""
        found = 0
        for time_ms, (total,) in self.collect().items():
            times = [t for t in rows if t <= time_ms]
            end = sum(rows[t] for t in times)
            n = sum(rows[t] for t in times if held(t, time_ms))
            if n == 0:
                continue
            self.assertEqual(total, {"keys": min(n, self.KEYS), "n": n, "v": end - 1})
            found += 1
        self.assertGreater(found, 3)


class Little(Kept):
    """Windows that slide in 32 MiB, several executors: memory is short at all times, and nothing
    may be lost for it."""
    ROWS, KEYS = 20000 if FEW else 150000, 75000

    def slide(self, count, aggregate, total):
        """Runs the app; returns what each window gives, and its rows (numbers, in order)."""
        self.write("in/a", "".join("%d is a key,%d\n" % (i * 7919 % self.KEYS, i)
                                   for i in range(self.ROWS)))
        app = self.app(
            {"in": {"type": "files", "dir": "in", "format": "csv", "max_rate": self.ROWS * 5 // 4,
                    "schema": {"k": "string", "v": "int"}}},
            {"w": {"from": "in", "window": {"size": "1s", "slide": "400ms"}, "group_by": ["k"],
                   "aggregate": aggregate},
             "total": {"from": "w", "aggregate": total},
             "b": {"from": "in", "aggregate": {"n": "count()"}}},
            {"out": {"from": "total", "type": "file", "dir": "out"},
             "rows": {"from": "b", "type": "file", "dir": "rows"}}, interval="200ms",
            checkpoint={"dir": "state", "every": "1s"},
            executors={"count": count}, limits={"memory": "32MiB", "block": "1MiB"})
        run = self.run_within(app, 32 * MIB)
        self.assertEqual(run.last()["failed_batches"], 0)
        if not FEW:
            self.assertGreater(run.last()["spilled_bytes"], MIB)
        batches, end = {}, 0
        for time_ms, (row,) in sorted(self.collect("rows").items()):
            batches[time_ms] = range(end, end + row["n"])
            end += row["n"]
        self.assertEqual(end, self.ROWS)
        for time_ms, (row,) in self.collect().items():
            held = [i for t, rows in batches.items() if time_ms - 1000 < t <= time_ms for i in rows]
            if held:
                yield row, held

    def test_wide_aggregates(self):
        found = 0
        for row, held in self.slide(
                2, {"m": "median(v)", "c": "count_distinct(v)", "l": "collect_list(v)"},
                {"keys": "count()", "c": "sum(c)", "n": "sum(size(l))", "m": "sum(m)"}):
            self.assertEqual([row["c"], row["n"]], [len(held)] * 2)
            self.assertEqual(row["keys"], len({i % self.KEYS for i in held}))
            middles = {}
            for i in held:
                middles.setdefault(i % self.KEYS, []).append(i)
            self.assertEqual(row["m"], sum(sum(of) / len(of) for of in middles.values()))
            found += 1
        self.assertGreater(found, 2)

    def test_in_four_executors(self):
        found = 0
        for row, held in self.slide(
                4, {"n": "count()", "s": "sum(v)", "least": "min(v)", "most": "max(v)",
                    "mean": "avg(v)"},
                {"n": "sum(n)", "s": "sum(s)", "least": "min(least)", "most": "max(most)"}):
            self.assertEqual(row, {"n": len(held), "s": sum(held), "least": held[0],
                                   "most": held[-1]})
            found += 1
        self.assertGreater(found, 2)


class Limits(Kept):
    @unittest.skipIf(FEW, "there is less than memory")
    def test_a_limit_that_is_reached(self):
        n = 1000000
        app = self.keep({"st": {"from": "keys", "state": {"key": ["k"], "set": {"n": "count()",
                                                                                "v": "max(v)"}}},
                         "total": {"from": "st", "aggregate": self.total(n)}}, n,
                        executors={"count": 1, "memory": "32MiB"},
                        limits={"memory": "64MiB", "block": "1MiB", "spill": "30MiB"})
        run = self.run_now(app, status=BUG)
        self.assertIn("limits.spill", run.log())
        self.assertIn("was given up", run.log())


if __name__ == "__main__":
    scenario.main()
