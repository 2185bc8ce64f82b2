"""State by key: over executors and partitions, batch by batch against an oracle; time-outs in real
time; what is lost with an executor; checkpoints."""
import os
import random

import scenario

STEP = 100  # ms: the interval of the queue's app


class Remembered:
    """What a stream with state gives: a plain loop over batches."""

    def __init__(self, emit="changed", timeout=None, removes=None, initial=None):
        self.emit, self.timeout, self.removes = emit, timeout, removes
        self.state = {k: {"n": n, "last": None, "seen": 0} for k, n in (initial or {}).items()}

    def step(self, at, rows):
        """The rows of the batch at `at` ms after zero; the state after it is self.state."""
        came, out = {}, []
        for row in rows:
            came.setdefault(row["k"], []).append(row["n"])
        for k in list(came) + [k for k in self.state if k not in came]:
            old, mine = self.state.get(k), came.get(k)
            due = (mine is None and self.timeout is not None
                   and at > old["seen"] + self.timeout)
            if mine is None and not due and self.emit != "all":
                continue
            numbers = [n for n in mine or [] if n is not None]
            new = {"n": (old["n"] if old else 0) + len(mine or []),
                   "last": numbers[-1] if numbers else old["last"] if old else None,
                   "seen": at if mine is not None else old["seen"]}
            removed = self.removes is not None and new["n"] % self.removes == 0
            if removed or due:
                self.state.pop(k, None)
            else:
                self.state[k] = new
            if not removed and (not due or self.emit == "changed"):
                out.append({"k": k, "n": new["n"], "last": new["last"], "out": due})
        return out


class OverExecutors(scenario.Scenario):
    @staticmethod
    def stream(**clauses):
        return {"from": "q", "state": {"key": ["k"], "set": {
            "n": "coalesce(state.n, 0) + count()", "last": "coalesce(last(n), state.last)",
            "out": "timed_out()"}, **clauses}}

    def make(self, seed, n_batches=14):
        generator = random.Random(seed)
        keys = ["a", "b", "c", "d", "", None, "a key that is longer than a view holds"]
        batches = [[{"k": generator.choice(keys), "n": generator.choice([None, *range(9)])}
                    for _ in range(generator.choice([0, 0, 1, 3, 20]))] for _ in range(n_batches)]
        return [[{"k": "first", "n": 0}]] + batches  # the first folder tells the time

    def test_against_a_plain_loop(self):
        initial = {"a": 5, "x": 1, "y": 2}
        kinds = {
            "plain": ({}, {}),
            "timed": ({"timeout": "250ms"}, {"timeout": 250}),
            "removed": ({"remove_when": "n % 3 = 0"}, {"removes": 3}),
            "all": ({"emit": "all", "timeout": "300ms"}, {"emit": "all", "timeout": 300}),
            "begun": ({"initial": [{"k": k, "n": n} for k, n in initial.items()],
                       "timeout": "500ms", "remove_when": "n % 7 = 0"},
                      {"initial": initial, "timeout": 500, "removes": 7})}
        streams = {name: self.stream(**clauses) for name, (clauses, _) in kinds.items()}
        for name in kinds:
            streams["snap_" + name] = {"from": name, "snapshot": True,
                                       "select": {"k": "k", "n": "n"}}
        batches = self.make(1)
        names = list(streams) + ["q"]
        for executors, partitions in (("1", 1), ("2", 7), ("4", 3)):
            where = "out-%s" % executors
            app = self.app({"q": {"type": "queue", "schema": {"k": "string", "n": "int"},
                                  "batches": batches}}, streams,
                           {name: {"from": name, "type": "file", "dir": where + "/" + name}
                            for name in names}, interval="%dms" % STEP,
                           executors={"count": 2, "key_partitions": partitions})
            run = self.run_now(app, "--executors", executors)
            self.assertEqual(run.last()["retries"], 0)
            zero = self.folders(where + "/q")[0] - STEP
            given = {name: self.collect(where + "/" + name) for name in names}
            for name, (_, options) in kinds.items():
                oracle = Remembered(**options)
                for i, rows in enumerate(batches):
                    at = STEP * (i + 1)
                    self.assertRows(given[name].get(zero + at, []), oracle.step(at, rows))
                    self.assertRows(given["snap_" + name].get(zero + at, []),
                                    [{"k": k, "n": v["n"]} for k, v in oracle.state.items()])


class TimePasses(scenario.Scenario):
    def test_time_outs_without_input(self):
        # Keys time out though nothing comes any more; the app runs until it is stopped.
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port}},
                       {"t": {"from": "in", "state": {"key": ["line"], "timeout": "300ms",
                                                      "set": {"n": "count()",
                                                              "out": "timed_out()"}}}},
                       {"out": {"from": "t", "type": "file", "dir": "out"}}, interval="50ms")
        run = self.start(app)
        run.until_log("listening")
        client = self.connect(port)
        client.sendall(b"a\nb\na\n")
        run.until(lambda: sum(row["out"] for row in self.collect_rows()) == 2, "both timed out")
        run.stop()
        client.close()
        out = self.collect()
        came = {row["line"]: t for t, rows in out.items() for row in rows if not row["out"]}
        went = {row["line"]: t for t, rows in out.items() for row in rows if row["out"]}
        self.assertEqual(set(came), {"a", "b"})
        for line in "ab":  # the first batch that is later than 300 ms after its last row
            self.assertEqual(went[line] - came[line], 350)

    def test_the_drain_does_not_wait_for_them(self):
        app = self.app({"in": {"type": "stdin"}},
                       {"t": {"from": "in", "state": {"key": ["line"], "timeout": "1h",
                                                      "set": {"n": "count()"}}}})
        run = self.run_now(app, text="a\nb\na\n")
        self.assertRows(run.rows(), [{"line": "a", "n": 2}, {"line": "b", "n": 1}])


class Lost(scenario.Scenario):
    LINES = 500

    def add_file(self, i):
        self.write("in/%05d" % i, "".join("%d\n" % (n % 50) for n in range(self.LINES)))

    def test_state_of_a_killed_executor(self):
        # Others begin with what was saved of it, and apply what came since then again.
        app = self.app({"in": {"type": "files", "dir": "in", "format": "csv",
                               "schema": {"k": "int"}}},
                       {"t": {"from": "in", "state": {"key": ["k"], "set": {
                           "n": "coalesce(state.n, 0) + count()"}}}},
                       {"t": {"from": "t", "type": "file", "dir": "out"},
                        "in": {"from": "in", "type": "file", "dir": "rows"}}, interval="50ms",
                       checkpoint={"every": "200ms"})
        os.mkdir(self.path("in"))
        run = self.start(app, "--executors", "2")
        files = 0
        for _ in range(5):
            self.add_file(files)
            files += 1
        run.until_rows_in(files * self.LINES)
        executors = run.until_executors(2)
        self.kill(executors[0])
        run.until_log("begin with what was saved of them")
        for _ in range(5):
            self.add_file(files)
            files += 1
        run.until_rows_in(files * self.LINES)
        run.stop()
        self.assertEqual(run.last()["panes_lost"], 0)
        self.assertEqual(run.last()["failed_batches"], 0)
        self.assertEqual(len(self.collect_rows("rows")), files * self.LINES)
        last = {}
        for _, rows in sorted(self.collect().items()):
            for row in rows:
                last[row["k"]] = row["n"]
        self.assertEqual(last, {k: files * self.LINES // 50 for k in range(50)})


class Checkpoints(scenario.Scenario):
    STREAMS = {"t": {"from": "in", "state": {"key": ["line"],
                                             "set": {"n": "coalesce(state.n, 0) + count()"}}}}

    def test_state_goes_on(self):
        os.mkdir(self.path("in"))
        app = self.app({"in": {"type": "files", "dir": "in"}}, self.STREAMS,
                       {"t": {"from": "t", "type": "file", "dir": "out"}},
                       checkpoint={"dir": "kept"})
        for i in range(1, 4):
            self.write("in/%d" % i, "a\nb\na\n")
            self.run_now(app)
            newest = self.folders()[-1]
            self.assertEqual({row["line"]: row["n"] for row in self.collect()[newest]},
                             {"a": 2 * i, "b": i})

    def test_a_warning_without_one(self):
        app = self.app({"in": {"type": "stdin"}}, self.STREAMS)
        run = self.command("validate", app)
        self.assertIn("streams.t.state: state is lost at a restart", run.err())
        app = self.app({"in": {"type": "stdin"}}, self.STREAMS, checkpoint={"dir": "kept"})
        self.assertNotIn("lost", self.command("validate", app).err())


class Told(scenario.Scenario):
    def test_explain(self):
        app = self.app({"in": {"type": "stdin"}},
                       {"t": {"from": "in", "state": {
                           "key": ["line"], "timeout": "30m", "remove_when": "n = 9",
                           "set": {"n": "coalesce(state.n, 0) + count()"}}},
                        "s": {"from": "t", "snapshot": True, "having": "n > 1"}})
        text = self.command("explain", app).out()
        for words in ("keep state by line: n", "aggregates count",
                      "until 30m after its last row or remove_when holds", "bytes a key and its text",
                      "emit what changed", "compute s: snapshot of the state of t"):
            self.assertIn(words, text)

    def test_set(self):
        # Values of a state may be replaced, as any other.
        app = self.app({"in": {"type": "stdin"}},
                       {"t": {"from": "in", "state": {
                           "key": ["line"], "timeout": "1h", "emit": "changed",
                           "set": {"n": "coalesce(state.n, 0) + count()"}}}})
        run = self.run_now(app, "--set", "streams.t.state.emit=all",
                           "--set", "streams.t.state.set.n=count() * 10", text="a\na\n")
        self.assertEqual({row["n"] for row in run.rows()[:1]}, {20})

    def test_many_keys_in_little_memory(self):
        # A million keys, some of them touched in each batch.
        app = self.app({"in": {"type": "rate", "rows_per_second": 2000000}},
                       {"t": {"from": "in", "select": {"k": "value % 1000000"},
                              "state": {"key": ["k"], "set": {
                                  "n": "coalesce(state.n, 0) + count()"}}},
                        "c": {"from": "t", "snapshot": True, "aggregate": {
                            "keys": "count()", "n": "sum(n)"}}},
                       {"c": {"from": "c", "type": "file", "dir": "out"}}, interval="500ms")
        if scenario.SANITIZED:
            self.skipTest("too much for it")
        run = self.start(app)
        run.until(lambda: any(row["keys"] == 1000000 for row in self.collect_rows()), "all keys")
        run.stop()
        for row in self.collect_rows():
            self.assertGreaterEqual(row["n"], row["keys"])


if __name__ == "__main__":
    scenario.main()
