"""Windows and state survive: kill -9 of executors and drivers at any moment, with saves in between;
what comes out is exact. Changes of the app between two runs are carried on, or refused."""
import glob
import json
import os
import random
import signal
import time

import scenario
from scenario import WRONG_APP

INTERVAL = 50
WINDOW = 400


class Recovery(scenario.Scenario):
    LINES = 60
    WINDOWED = {"from": "in", "window": {"size": "%dms" % WINDOW, "slide": "100ms"},
                "group_by": ["k"], "aggregate": {"n": "count()", "s": "sum(n)"}}
    STATE = {"from": "in", "state": {"key": ["k"], "set": {
        "n": "coalesce(state.n, 0) + count()", "s": "coalesce(state.s, 0) + sum(n)"}}}

    def kept_app(self, streams=None, every="200ms", sink="file", checkpoint=True, **more):
        streams = streams or {"w": self.WINDOWED, "t": self.STATE}
        streams = dict(streams, rows={"from": "in", "group_by": ["k"],
                                      "aggregate": {"n": "count()", "s": "sum(n)"}})
        sinks = {name: {"from": name, "type": "file", "dir": name} for name in streams}
        settings = {"every": every}
        if checkpoint:
            settings["dir"] = "state"
        return self.app({"in": {"type": "files", "dir": "in", "format": "csv",
                                "schema": {"n": "int", "k": "string"}}}, streams, sinks,
                        interval="%dms" % INTERVAL, checkpoint=settings, **more)

    def add_file(self, i):
        self.write("in/%04d" % i, "".join(
            "%d,%s\n" % (i * self.LINES + k, "abcdefg"[k % 7]) for k in range(self.LINES)))

    def records(self):
        """The newest journal's records, as far as they are whole."""
        names = glob.glob(self.path("state/metadata/*.jsonl"))
        if not names:
            return []
        with open(max(names), encoding="utf-8") as file:
            lines = file.read().split("\n")
        return [json.loads(line) for line in lines if line.endswith("}")]

    def saves(self):
        """The number of the last save that was finished; 0: none."""
        numbers = [0]
        for record in self.records():
            if record["record"] == "saved":
                numbers.append(record["save"])
            numbers.append(record.get("kept", {}).get("save", 0))
        return max(numbers)

    def check(self, n_files):
        """Whatever died: what has no windows has all records, and the rest follows from it."""
        given = self.collect("rows")
        self.assertEqual(sum(row["n"] for rows in given.values() for row in rows),
                         n_files * self.LINES)
        total = {}
        for t in sorted(set(given) | set(self.collect("t"))):
            for row in given.get(t, []):
                n, s = total.get(row["k"], (0, 0))
                total[row["k"]] = (n + row["n"], s + row["s"])
            got = {row["k"]: (row["n"], row["s"]) for row in self.collect("t").get(t, [])}
            changed = {row["k"] for row in given.get(t, [])}
            self.assertEqual(got, {k: total[k] for k in changed}, "state at %d" % t)
        windows = self.collect("w")
        for t in windows:
            expected = {}
            for at, batch in given.items():
                for row in batch if t - WINDOW < at <= t else []:
                    n, s = expected.get(row["k"], (0, 0))
                    expected[row["k"]] = (n + row["n"], s + row["s"])
            got = {row["k"]: (row["n"], row["s"]) for row in windows[t]}
            self.assertEqual(got, expected, "window at %d" % t)
        missing = [t for t in given if not any(
            t <= w < t + WINDOW for w in windows)]
        self.assertEqual(missing, [], "batches in no window")

    def test_drivers_are_killed(self):
        os.mkdir(self.path("in"))
        app = self.kept_app()
        generator = random.Random(11)
        files, saved = 0, 0
        for n in range(4 if scenario.SANITIZED else 7):
            run = self.start(app)
            begin = self.saves()
            for _ in range(generator.randrange(3, 25)):
                self.add_file(files)
                files += 1
                time.sleep(generator.uniform(0, 0.04))
            if n % 2 == 0:  # with a save in between
                run.until(lambda: self.saves() > begin, "something is saved")
            run.kill()
            saved = max(saved, self.saves())
        self.assertGreater(saved, 0)
        run = self.run_now(app)
        self.assertEqual(run.last()["panes_lost"], 0)
        self.check(files)
        self.assertLess(len(os.listdir(self.path("state/kept"))), 200)

    def test_executors_and_drivers_are_killed(self):
        os.mkdir(self.path("in"))
        app = self.kept_app(executors={"count": 3})
        generator = random.Random(12)
        files = 0
        for n in range(2 if scenario.SANITIZED else 4):
            run = self.start(app)
            run.until_executors(3)
            for _ in range(generator.randrange(2, 5)):
                for _ in range(generator.randrange(1, 10)):
                    self.add_file(files)
                    files += 1
                    time.sleep(generator.uniform(0, 0.04))
                self.kill_one(run, generator)
            if n % 2 == 0:
                run.kill()
            else:
                run.stop()
        run = self.run_now(app)
        self.check(files)

    def kill_one(self, run, generator):
        living = run.executors()
        if living:
            try:
                os.kill(generator.choice(living), signal.SIGKILL)
            except ProcessLookupError:
                pass  # it was gone already

    def test_without_a_checkpoint(self):
        # Executors save in their stores, which the driver holds.
        os.mkdir(self.path("in"))
        app = self.kept_app(checkpoint=False, executors={"count": 2})
        generator = random.Random(13)
        run = self.start(app)
        run.until_executors(2)
        files = 0
        for _ in range(3):
            for _ in range(15):
                self.add_file(files)
                files += 1
                time.sleep(0.03)
            self.kill_one(run, generator)
            run.until_executors(2)
        run.until_rows_in(files * self.LINES)
        run.stop()
        self.assertEqual(run.last()["panes_lost"], 0)
        self.check(files)

    def test_inputs_may_go(self):
        # The last batch is saved: nothing that was read is needed again.
        os.mkdir(self.path("in"))
        app = self.kept_app(every="1h")
        for i in range(3):
            self.add_file(i)
            if i == 1:
                run = self.start(app)
                run.until_rows_in(self.LINES)
                run.stop()
            else:
                run = self.run_now(app)
            self.assertEqual(self.saves(), i + 1)
            os.remove(self.path("in/%04d" % i))
        newest = sorted(self.collect("t"))[-1]
        self.assertEqual(sum(row["n"] for row in self.collect("t")[newest]), 3 * self.LINES)

    def test_inputs_that_are_gone_are_told(self):
        # Without a save the batch runs again, and cannot: that is never silent.
        os.mkdir(self.path("in"))
        app = self.kept_app(every="1h")
        self.add_file(0)
        run = self.start(app)
        run.until_rows_in(self.LINES)
        run.until_batches(1)
        run.kill()
        os.remove(self.path("in/0000"))
        self.add_file(1)
        run = self.run_now(app)
        self.assertIn("windows and state lack some of it", run.log())
        self.assertIn("in/0000", run.log())

    # ---- another app ----

    def first_run(self, **more):
        os.mkdir(self.path("in"))
        app = self.kept_app(**more)
        self.add_file(0)
        run = self.start(app)
        run.until(lambda: self.saves() > 0, "something is saved")
        run.stop()

    def test_another_window_is_refused(self):
        self.first_run()
        changed = dict(self.WINDOWED, window={"size": "800ms", "slide": "100ms"})
        run = self.start(self.kept_app({"w": changed, "t": self.STATE}))
        run.wait(WRONG_APP)
        for word in ("stream w", "keeps something else", "800", "400", "left as it is"):
            self.assertIn(word, run.log())

    def test_another_interval_or_partitions_are_refused(self):
        self.first_run(executors={"key_partitions": 4})
        run = self.start(self.kept_app(executors={"key_partitions": 8}))
        run.wait(WRONG_APP)
        self.assertIn("key partitions", run.log())
        app = self.kept_app(executors={"key_partitions": 4})
        run = self.start(app, "--set", "batch.interval=100ms")
        run.wait(WRONG_APP)
        self.assertIn("batch.interval", run.log())

    def test_other_numbers_of_executors(self):
        # The key partitions stay as many as they were at the first start.
        os.mkdir(self.path("in"))
        app = self.kept_app()
        for i, executors in enumerate(("1", "4", "2")):
            self.add_file(i)
            run = self.run_now(app, "--executors", executors)
            self.assertEqual(run.last()["panes_lost"], 0)
        self.command("checkpoint", "compat", app, "state")
        self.assertEqual({r["key_partitions"] for r in self.records() if "key_partitions" in r},
                         {4})
        self.check(3)

    def test_streams_come_and_go(self):
        self.first_run()
        self.add_file(1)
        run = self.run_now(self.kept_app({"t": self.STATE, "new": dict(self.WINDOWED)}))
        self.assertIn("stream new: nothing was saved of it", run.log())
        self.assertIn("stream w: the app has it no more", run.log())
        newest = sorted(self.collect("t"))[-1]
        n = sum(row["n"] for row in self.collect("t")[newest])
        self.assertEqual(n, 2 * self.LINES)


if __name__ == "__main__":
    scenario.main()
