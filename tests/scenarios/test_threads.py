"""Executors that are threads of the driver: the same results as with processes, over one
checkpoint in turn, and an end in order. Some classes of other files run here in this mode."""
import itertools
import os
import random
import time

import scenario
import test_append
import test_lifecycle
import test_recovery
import test_samples
from scenario import DATA, IO_ERROR, read


def only(*names):
    """A class that keeps no tests of its parents but these."""
    def change(cls):
        for name in dir(cls):
            if name.startswith("test") and name not in names and name not in vars(cls):
                setattr(cls, name, None)
        return cls
    return change


def threads(run):
    return len(os.listdir("/proc/%d/task" % run.pid))


def cpu_seconds(run):
    fields = read("/proc/%d/stat" % run.pid).rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Same(scenario.Scenario):
    """What comes out does not depend on the mode."""

    def rich_app(self):
        """Batches of a queue are the same in every run; so is all that follows from them."""
        choose = random.Random(5)
        batches = [[{"k": choose.choice("abcdefgh"), "n": choose.randrange(100), "t": "x y %d" % i}
                    for _ in range(choose.randrange(40))] for i in range(12)]
        self.write("names.csv", "".join("%s,name of %s\n" % (k, k) for k in "abcde"))
        streams = {
            "words": {"from": "in", "flat_map": {"word": "split(t)"}, "group_by": ["word"],
                      "aggregate": {"n": "count()", "sorted": "collect_set(k)"}},
            "named": {"from": "in", "join": {"with": "names", "on": ["k"], "type": "left"},
                      "select": {"name": "coalesce(name, '?')", "n": "twice(n)"}},
            "window": {"from": "in", "window": {"size": "80ms", "slide": "20ms"}, "group_by": ["k"],
                       "aggregate": {"n": "count()", "most": "max(n)", "middle": "median(n)"},
                       "having": "n > 1", "order_by": "n desc, k", "limit": 5},
            "state": {"from": "in", "state": {"key": ["k"], "timeout": "30ms", "set": {
                "n": "coalesce(state.n, 0) + count()", "over": "timed_out()"}}},
            "sums": {"from": "in", "group_by": ["k"], "aggregate": {"s": "sum(n)"}},
            "both": {"from": "sums", "join": {"with": "state", "on": ["k"], "type": "full"}},
            "spread": {"from": "in", "repartition": 3, "cache": True, "distinct": True},
        }
        return self.app(
            {"in": {"type": "queue", "schema": {"k": "string", "n": "int", "t": "string"},
                    "batches": batches},
             "names": {"type": "table", "path": "names.csv", "format": "csv",
                       "schema": {"k": "string", "name": "string"}}},
            streams,
            {name: {"from": name, "type": "append", "path": name + ".json"} for name in streams},
            functions={"twice": {"args": ["int"], "returns": "int",
                                 "lua": "return function(x) return x + x end"}},
            interval="20ms")

    def test_results(self):
        app = self.rich_app()
        found = {}
        names = ["words", "named", "window", "state", "both", "spread"]
        for mode, executors in itertools.product(("processes", "threads"), ("1", "3")):
            run = self.start(app, "--set", "executors.mode=" + mode, "--executors", executors,
                             "--set", "executors.key_partitions=4")
            run.wait()
            self.assertEqual(run.executors(), [])
            last = run.last()
            found[mode, executors] = (
                {name: sorted(read(self.path(name + ".json")).splitlines()) for name in names},
                last["rows_in"], last["rows_out"], last["failed_batches"])
            for name in names:
                os.remove(self.path(name + ".json"))
        first = found["processes", "1"]
        self.assertTrue(all(first[0].values()))
        for which, outcome in found.items():
            self.assertEqual(outcome, first, which)

    def test_one_process(self):
        run = self.start(self.app({"r": {"type": "rate", "rows_per_second": 1000}}, {
            "n": {"from": "r", "aggregate": {"n": "count()"}}}, {
            "n": {"from": "n", "type": "file", "dir": "out"}}, executors={
            "mode": "threads", "count": 4, "cores": 2}))
        run.until_batches(3)
        self.assertEqual([pid for pid, _ in self.living()], [run.pid])
        self.assertGreaterEqual(threads(run), 4 * 3)
        self.assertEqual(scenario.abstract_sockets(run.pid), [])
        self.assertEqual(run.last()["executors"], 4)
        run.stop()

    def test_no_shared_memory_is_needed(self):
        # What is in one process is no other's.
        self.write("in/a", "x\ny\nx\n")
        app = self.app({"in": {"type": "files", "dir": "in"}}, {
            "n": {"from": "in", "group_by": ["line"], "aggregate": {"n": "count()"}}})
        run = self.run_now(app, "--set", "executors.mode=threads",
                           env={"DSTREAM_SHARED_MEMORY": "off"})
        self.assertRows(run.rows(), [{"line": "x", "n": 2}, {"line": "y", "n": 1}])

    def test_bad_data_ends_the_app(self):
        self.write("in/a", "1\nx\n2\n")
        app = self.app({"in": {"type": "files", "dir": "in", "format": "csv", "on_error": "fail",
                               "schema": {"n": "int"}}})
        run = self.run_now(app, "--set", "executors.mode=threads", status=DATA)
        self.assertIn("in/a", run.log())


    def test_a_long_task_does_not_hold_up_the_end(self):
        # A process of an executor would be killed; a thread goes with the driver, which ends as
        # nobody reads the first batch's rows, while the second one computes for some 10 s.
        app = self.app({"in": {"type": "queue", "schema": {"n": "int"},
                               "batches": [[{"n": 0}] * 5000, [{"n": 1}]]}},
                       {"slow": {"from": "in", "select": {"n": "spin(n)",
                                                              "text": "lpad('', 99, 'x')"}}},
                       functions={"spin": {"args": ["int"], "returns": "int", "lua":
                           "return function(x) for i = 1, x * 1e12 do end return x end"}},
                       executors={"mode": "threads", "count": 2, "cores": 1},
                       limits={"lua_instructions": 1000000000})
        ours, theirs = os.pipe()
        run = self.start(app, stdout=theirs)
        os.close(theirs)
        run.until(lambda: cpu_seconds(run) > 0.5, "the second batch runs")
        begin = time.monotonic()
        os.close(ours)
        run.wait(IO_ERROR)
        self.assertLess(time.monotonic() - begin, 7)


@only("test_last_batch_and_open_windows", "test_at_once_after_the_start",
      "test_a_stop_waits_for_the_last_commit", "test_a_second_signal_ends_at_once")
class Stop(test_lifecycle.Stop):
    MODE = "threads"

    def until_up(self, run):
        run.until(lambda: threads(run) >= 2 * 2 + 2, "executors")


@only("test_the_driver")
class Kill(test_lifecycle.Kill):
    MODE = "threads"


@only("test_access_log", "test_server_errors", "test_word_count", "test_orders")
class Samples(test_samples.Apps):
    MODE = "threads"


@only("test_drivers_are_killed", "test_streams_come_and_go")
class Recovery(test_recovery.Recovery):
    """Each run of an app has another mode than the one before."""

    def start(self, app, *options, **popen):
        self.MODE = "processes" if self.MODE == "threads" else "threads"
        return super().start(app, *options, **popen)


@only()
class Append(test_append.Crashes):
    MODE = "threads"

    def test_each_row_once(self):
        for name in ("log", "by"):
            self.write(name, "")
        self.crashes(random.Random(4), "2")


class Sockets(scenario.Scenario):
    MODE = "threads"

    def test_a_log_survives(self):
        """Bytes that were received, and are in no batch yet, come from the log after kill -9."""
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port, "ack": True}},
                       sinks={"out": {"from": "in", "type": "file", "dir": "out"}},
                       checkpoint={"dir": "state"}, interval=scenario.NEVER)
        run = self.start(app)
        client = self.connect(port)
        client.sendall(b"".join(b"%d\n" % i for i in range(1000)))
        client.settimeout(scenario.PATIENCE)
        told = b""
        while not told.endswith(b"1000\n"):
            told += client.recv(4096)
        run.kill()
        run = self.start(app)
        run.until_log("listening")
        run.stop()
        self.assertEqual([row["line"] for row in self.collect_rows()],
                         [str(i) for i in range(1000)])

    def test_standard_input(self):
        app = self.app({"in": {"type": "stdin"}}, {
            "n": {"from": "in", "aggregate": {"n": "count()"}}}, interval=scenario.NEVER)
        run = self.run_now(app, text="a line\n" * 10000)
        self.assertEqual(run.rows(), [{"n": 10000}])

    def test_executors_from_outside_join(self):
        """Threads and a process from outside work side by side."""
        port = self.free_port()
        app = self.app({"in": {"type": "files", "dir": "in"}}, {
            "all": {"from": "in", "aggregate": {"n": "count()"}},
            "n": {"from": "in", "group_by": ["line"], "aggregate": {"n": "count()"}}},
            {"n": {"from": "n", "type": "file", "dir": "out"},
             "tick": {"from": "all", "type": "console"}},
            executors={"count": 1, "listen": "tcp://127.0.0.1:%d" % port, "key_partitions": 8})
        os.mkdir(self.path("in"))
        run = self.start(app)
        run.until_log("may join")
        other = scenario.Run(self, ["executor", "--driver", "tcp://127.0.0.1:%d" % port])
        run.until(lambda: run.last().get("executors") == 2, "both are there")
        for i in range(8):
            self.write("in/%d" % i, "".join("%d\n" % (k % 50) for k in range(1000)))
        run.until_rows_in(8000)
        run.stop()
        other.wait()
        rows = {}
        for row in self.collect_rows():
            rows[row["line"]] = rows.get(row["line"], 0) + row["n"]
        self.assertEqual(rows, {str(k): 160 for k in range(50)})


if __name__ == "__main__":
    scenario.main()
