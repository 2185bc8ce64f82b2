"""Restarts on a checkpoint: after kill -9 at any moment each record once, no time missing; what
cannot be continued is refused and left as it is."""
import glob
import json
import os
import random
import shutil
import time

import scenario
from scenario import UNAVAILABLE, WRONG_APP


class Checkpoint(scenario.Scenario):
    def files_app(self, interval="20ms", **more):
        streams = {"by": {"from": "in", "group_by": ["k"],
                          "aggregate": {"n": "count()", "least": "min(n)"}},
                   "all": {"from": "in", "aggregate": {"n": "count()", "sum": "sum(n)"}}}
        return self.app({"in": {"type": "files", "dir": "in", "format": "csv",
                                "schema": {"n": "int", "k": "string"}}}, streams,
                        {"rows": {"from": "in", "type": "file", "dir": "rows"},
                         "by": {"from": "by", "type": "file", "dir": "by"},
                         "all": {"from": "all", "type": "file", "dir": "all"}},
                        interval=interval, checkpoint={"dir": "state"}, **more)

    def add_file(self, i, lines=200):
        self.write("in/%04d" % i, "".join(
            "%d,%s\n" % (i * lines + k, "abcdefg"[k % 7]) for k in range(lines)))

    def check(self, n_files, lines=200, contiguous=True):
        """Every record of all files is in complete folders exactly once, in every sink."""
        n = n_files * lines
        times = [0] * n
        for row in self.collect_rows("rows"):
            times[row["n"]] += 1
        missing, more = times.count(0), sum(1 for k in times if k > 1)
        self.assertEqual((missing, more), (0, 0), "records that are missing, or there twice")
        for dir in ("by", "all"):
            self.assertEqual(sum(row["n"] for row in self.collect_rows(dir)), n)
        self.assertEqual(sum(row["sum"] or 0 for row in self.collect_rows("all")),
                         n * (n - 1) // 2)
        # A file is one batch's, and a batch is one time's, in all sinks alike.
        rows, by = self.collect("rows"), self.collect("by")
        self.assertEqual(set(rows), set(by))
        for time_ms in rows:
            self.assertEqual(len(rows[time_ms]), sum(row["n"] for row in by[time_ms]))
        if contiguous:  # a total is due at every batch time, also at those of a crash
            times = self.folders("all")
            missing = set(range(times[0], times[-1] + 20, 20)).difference(times)
            self.assertEqual(len(missing), 0, "times that are missing")
        for dir in ("rows", "by", "all"):
            for name in os.listdir(self.path(dir)):
                self.assertTrue(name.isdigit(), name)
                self.assertIn("_SUCCESS", os.listdir(self.path(dir, name)))

    def finish_app(self, app, *options):
        run = self.run_now(app, *options)
        self.assertEqual(run.last().get("failed_batches", 0), 0)
        return run

    def newest(self):
        """The newest metadata file."""
        return self.path("state/metadata", max(
            name for name in os.listdir(self.path("state/metadata")) if name.endswith("l")))

    def tree(self, dir="state"):
        """What is in a folder, to the byte."""
        found = {}
        for where, _, names in os.walk(self.path(dir)):
            for name in names:
                path = os.path.join(where, name)
                found[path] = scenario.read(path)
        return found


class Restart(Checkpoint):
    def crashes(self, seed, times, executors, tear=None):
        generator = random.Random(seed)
        app = self.files_app()
        os.mkdir(self.path("in"))
        number = 0
        for _ in range(times):
            run = self.start(app, "--executors", executors)
            end = time.monotonic() + generator.uniform(0.01, 0.35)
            while time.monotonic() < end:
                self.add_file(number)
                number += 1
                time.sleep(generator.uniform(0, 0.01))
            run.kill()
            if tear and glob.glob(self.path("state/metadata/*.jsonl")):
                tear(generator)
        run = self.finish_app(app, "--executors", executors)
        self.check(number)

    def test_kill_at_random_moments(self):
        for seed, executors in ((1, "2"), (2, "1"), (3, "4")):
            with self.subTest(seed=seed):
                for name in os.listdir(self.dir):
                    shutil.rmtree(self.path(name), ignore_errors=True)
                self.crashes(seed, 7, executors)

    def test_torn_tail_of_the_journal(self):
        # What a crash leaves of a line that was being written, and of a file.
        def tear(generator):
            if not glob.glob(self.path("state/metadata/*.jsonl")):
                return  # it was killed before it had written anything
            path = self.newest()
            with open(path, "rb") as file:
                lines = file.read().split(b"\n")
            half = lines[generator.randrange(len(lines))]
            half = half[:generator.randrange(len(half) + 1)]
            with open(path, "ab") as file:
                file.write(generator.choice((half, b"\0" * 100, b'{"record":"committed"', b"\n")))
            number = int(os.path.basename(path).split(".")[0])
            self.write("state/metadata/%010d.jsonl.tmp" % (number + 1), half, aside=False)
        self.crashes(4, 7, "2", tear)

    def test_a_stop_and_a_start(self):
        app = self.files_app()
        for i in range(3):
            self.add_file(i)
            run = self.start(app)
            run.until(lambda: len(self.collect_rows("rows")) == 200 * (i + 1), "it is read")
            run.stop()
        self.check(3, contiguous=False)
        self.assertIn("going on from the checkpoint", run.log())

    def test_other_numbers_of_executors(self):
        app = self.files_app()
        for i, executors in enumerate(("1", "4", "2")):
            self.add_file(i)
            self.finish_app(app, "--executors", executors, "--cores", executors)
        self.check(3, contiguous=False)

    def test_files_of_the_time_between(self):
        app = self.files_app()
        self.add_file(0)
        run = self.start(app)
        run.until(lambda: self.folders("rows"), "the first is read")
        run.kill()
        self.add_file(1)
        run = self.start(app)
        run.until(lambda: len(self.folders("rows")) == 2, "the second is read")
        run.stop()
        self.check(2)

    def test_new_files_only(self):
        # What was there at the very first start stays old; what came between is new.
        app = self.app({"in": {"type": "files", "dir": "in", "new_files_only": True},
                        "ticks": {"type": "rate", "rows_per_second": 100}},
                       {"none": {"from": "ticks", "where": "false"}},
                       {"out": {"from": "in", "type": "file", "dir": "out"},
                        "none": {"from": "none", "type": "file", "dir": "none"}},
                       checkpoint={"dir": "state"})
        self.write("in/old", "old\n")
        run = self.start(app)
        run.until_batches(2)
        run.kill()
        self.write("in/between", "between\n")
        for i in range(2):
            run = self.start(app)
            self.write("in/new%d" % i, "new\n")
            run.until_batches(3)
            run.kill()
        run = self.start(app)
        run.until_batches(2)
        run.stop()
        lines = sorted(row["line"] for row in self.collect_rows())
        self.assertEqual(lines, ["between", "new", "new"])

    def test_names_that_are_not_utf8(self):
        app = self.files_app()
        self.add_file(0)
        os.rename(self.path("in/0000"), os.path.join(self.path("in").encode(), b"\xff\xfe 0"))
        run = self.start(app)
        run.until(lambda: self.folders("rows"), "the file is read")
        run.kill()
        self.finish_app(app)
        self.add_file(1)
        self.finish_app(app)
        self.check(2, contiguous=False)

    def test_queue_and_rate_go_on(self):
        app = self.app({"q": {"type": "queue", "schema": {"n": "int"},
                              "batches": [[{"n": n}] for n in range(60)]}}, None,
                       {"out": {"from": "q", "type": "file", "dir": "out"}}, interval="20ms",
                       checkpoint={"dir": "state"})
        for _ in range(4):
            run = self.start(app)
            run.until_batches(5)
            run.kill()
        self.start(app).wait()
        self.assertEqual([row["n"] for row in self.collect_rows()], list(range(60)))
        app = self.app({"r": {"type": "rate", "rows_per_second": 1000}}, None,
                       {"out": {"from": "r", "type": "file", "dir": "rate"}}, name="rate",
                       interval="20ms", checkpoint={"dir": "state-rate"})
        for _ in range(4):
            run = self.start(app)
            run.until_batches(5)
            run.kill()
        run = self.start(app)
        run.until_batches(5)
        run.stop()
        values = [row["value"] for row in self.collect_rows("rate")]
        self.assertEqual(values, list(range(len(values))))

    def test_a_batch_that_waits_is_not_lost(self):
        # Killed while its output cannot be put in place; then there is room.
        app = self.files_app()
        os.mkdir(self.path("in"))
        run = self.start(app)
        run.until_executors(2)  # a folder that is blocked at the start is refused
        self.write("by", "a file in the way")
        self.add_file(0)
        run.until_log("Not a directory")
        run.kill()
        os.remove(self.path("by"))
        self.finish_app(app)
        self.check(1)

    def test_stop_and_checkpoint_of_received_records(self):
        # With a graceful stop nothing is pending: a received stream goes on.
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port}}, None,
                       {"out": {"from": "in", "type": "file", "dir": "out"}},
                       checkpoint={"dir": "state"})
        for word in ("one", "two"):
            run = self.start(app)
            self.send(port, word + "\n")
            run.until(lambda: {"line": word} in self.collect_rows(), "it is there")
            run.stop()
        self.assertEqual([row["line"] for row in self.collect_rows()], ["one", "two"])


class Refused(Checkpoint):
    def refuse(self, app, *options, words=(), status=WRONG_APP):
        before = self.tree()
        run = self.start(app, *options)
        run.wait(status)
        for word in ("state", *words):
            self.assertIn(word, run.log())
        self.assertEqual(self.tree(), before)
        return run

    def test_windows_that_never_ran(self):
        # Nothing is lost if no batch ever held anything.
        os.mkdir(self.path("in"))
        app = self.app({"in": {"type": "files", "dir": "in"}},
                       {"w": {"from": "in", "window": "1h", "aggregate": {"n": "count()"}}},
                       {"w": {"from": "w", "type": "file", "dir": "out"}},
                       checkpoint={"dir": "state"})
        run = self.start(app)
        run.until(lambda: os.path.exists(self.path("state/metadata/0000000001.jsonl")), "it runs")
        run.kill()
        run = self.start(app)
        run.until_executors(2)
        run.stop()

    def test_another_app(self):
        self.add_file(0)
        self.finish_app(self.files_app())
        self.refuse(self.files_app(name="other"), words=('"app"',))

    def test_key_partitions(self):
        self.add_file(0)
        self.finish_app(self.files_app(executors={"key_partitions": 8}))
        self.refuse(self.files_app(executors={"key_partitions": 16}), words=("8", "16"))
        self.finish_app(self.files_app(executors={"key_partitions": 8}))

    def two_sources(self, **sources):
        return self.app(sources, {"all": {"from": list(sources)}},
                        {"rows": {"from": "all", "type": "file", "dir": "rows"}},
                        checkpoint={"dir": "state"})

    def test_sources_come_and_go(self):
        # Nothing is refused, and what begins anew for that is told: before, and by the run.
        one, two = {"type": "files", "dir": "in"}, {"type": "files", "dir": "in2"}
        tail = {"type": "tail", "path": "in2/*"}
        self.write("in/a", "a\n")
        self.write("in2/b", "b\n")
        steps = [({"one": one, "two": two}, None, ["a", "b"]),
                 ({"one": one}, "source two: the app has it no more", []),
                 ({"one": one, "two": two}, "source two: the checkpoint does not know it", ["b"]),
                 ({"one": one, "two": two}, None, []),
                 ({"one": one, "two": tail},
                  "source two: it was of type files, and now is of type tail", ["b"])]
        lines = []
        for i, (sources, told, added) in enumerate(steps):
            app = self.two_sources(**sources)
            if i > 0:
                compat = self.command("checkpoint", "compat", app, "state")
                self.assertIn("can go on", compat.out())
                self.assertIn(told or "", compat.err())
                self.assertEqual(compat.err().count("source "), 1 if told else 0)
            run = self.run_now(app)
            self.assertIn(told or "", run.log())
            self.assertEqual(run.log().count("warn"), 1 if told else 0)
            lines += added
            self.assertEqual(sorted(row["line"] for row in self.collect_rows("rows")),
                             sorted(lines))

    def test_in_use(self):
        os.mkdir(self.path("in"))
        app = self.files_app()
        run = self.start(app)
        run.until(lambda: os.path.exists(self.path("state/metadata/0000000001.jsonl")), "it runs")
        other = self.start(app)
        other.wait(UNAVAILABLE)
        self.assertIn("in use by another", other.log())
        self.add_file(0)
        run.until(lambda: self.folders("rows"), "the first one works on")
        run.stop()
        self.check(1, contiguous=False)

    def test_a_file_instead_of_a_folder(self):
        self.write("state", "x")
        self.add_file(0)
        run = self.start(self.files_app())
        self.assertNotIn(run.wait(None), (0, scenario.BUG))
        self.assertIn("state", run.log())
        self.assertEqual(scenario.read(self.path("state")), "x")

    def test_a_damaged_file(self):
        # A flipped bit in the first record of the only file: refused, not overwritten.
        self.add_file(0)
        app = self.files_app()
        self.finish_app(app)
        path = self.newest()
        data = bytearray(scenario.read(path).encode())
        data[100] ^= 1
        with open(path, "wb") as file:
            file.write(data)
        before = self.tree()
        run = self.start(app, "--available-now")
        self.assertNotIn(run.wait(None), (0, scenario.BUG))
        self.assertIn("checksum", run.log())
        self.assertEqual(self.tree(), before)
        self.check(1, contiguous=False)


class Command(scenario.Scenario):
    """dstream checkpoint, on what a real run left behind."""

    def left_behind(self):
        self.write("in/a.txt", "x\ny\nx\n")
        app = self.app({"in": {"type": "files", "dir": "in"}},
                       {"n": {"from": "in", "group_by": ["line"], "aggregate": {"n": "count()"}}},
                       {"out": {"from": "n", "type": "file", "dir": "out"}},
                       checkpoint={"dir": "state"})
        self.run_now(app)
        return app

    def test_what_is_there(self):
        app = self.left_behind()
        run = self.command("checkpoint", "ls", "state")
        self.assertRegex(run.out(), r"\n0000000001\.jsonl +\d+ +[1-9]\d* +20")
        state = json.loads(self.command("checkpoint", "show", "state").out())
        self.assertEqual(state["app"], "app")
        self.assertEqual(state["sources"]["in"]["files"], [{"name": "a.txt", "taken": 6}])
        self.assertEqual(state["batches"], [])
        self.assertIn(": ", self.command("checkpoint", "verify", "state").out())
        self.assertIn("can go on", self.command("checkpoint", "compat", app, "state").out())

    def test_the_app_that_is_run(self):
        # What `run` is told on its command line counts: compat takes it, too.
        app = self.left_behind()
        compat = ["checkpoint", "compat"]
        run = self.command(*compat, "--set", "name=other", app, "state", status=scenario.WRONG_APP)
        self.assertIn('it belongs to the app "app"', run.err())
        for change, status in (("executors.key_partitions=16", scenario.WRONG_APP),
                               ("executors.count=3", scenario.DONE),
                               ("executors.nothing=3", scenario.USAGE),
                               ("nonsense", scenario.USAGE)):
            self.command(*compat, app, "state", "--set", change, status=status)
            self.command(*compat, app, "--set=" + change, "state", status=status)
            if status == scenario.WRONG_APP:
                self.start(app, "--available-now", "--set", change).wait(status)
        for arguments in (["--set"], [app, "state", "--sett", "x=y"], [app, "--set", "x=y"],
                          [app, "state", "state"]):
            self.command(*compat, *arguments, status=scenario.USAGE)

    def test_metadata_that_is_no_file(self):
        """Nobody writes into a FIFO: it is not waited for."""
        app = self.left_behind()
        os.mkfifo(self.path("state/metadata/0000009999.jsonl"))
        for arguments in (["show", "state"], ["verify", "state"], ["compat", app, "state"]):
            run = self.command("checkpoint", *arguments, status=scenario.IO_ERROR)
            self.assertIn("is no regular file", run.err() + run.out())
        self.assertIn("is no regular file", self.run_now(app, status=scenario.IO_ERROR).log())

    def test_what_is_wrong(self):
        app = self.left_behind()
        other = self.app({"in": {"type": "files", "dir": "in"}}, name="other")
        run = self.command("checkpoint", "compat", other, "state", status=scenario.WRONG_APP)
        self.assertIn('it belongs to the app "app"', run.err())
        for arguments in (["ls", "nowhere"], ["verify", "in"], ["compat", app, "nowhere"]):
            self.command("checkpoint", *arguments, status=scenario.NO_INPUT)
        for arguments in ([], ["ls"], ["compat", "state"], ["list", "state"]):
            self.command("checkpoint", *arguments, status=scenario.USAGE)
        path = max(glob.glob(self.path("state/metadata/*.jsonl")))
        with open(path, "r+b") as file:
            file.seek(30)
            file.write(b"#")
        run = self.command("checkpoint", "verify", "state", status=scenario.IO_ERROR)
        self.assertIn("damaged", run.out())
        self.command("checkpoint", "compat", app, "state", status=scenario.WRONG_APP)


if __name__ == "__main__":
    scenario.main()
