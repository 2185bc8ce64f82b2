"""Sinks of type append: one growing file holds each row once and in order, whoever dies, renames it,
cuts it or writes to it."""
import glob
import json
import os
import random
import shutil
import subprocess
import time

import scenario
from scenario import DONE, IO_ERROR, UNAVAILABLE, WRONG_APP, read

LINES = 200  # of each file that is read


def flip(path):
    with open(path, "r+b") as file:
        first = file.read(1)[0]
        file.seek(0)
        file.write(bytes([first ^ 1]))


def cut(path):
    os.truncate(path, os.path.getsize(path) - 3)


class Append(scenario.Scenario):
    """Files of numbers are read in the order of their names; `log` gets their rows."""

    def numbers_app(self, checkpoint=True, sinks=None, **more):
        streams = {"by": {"from": "in", "group_by": ["k"],
                          "aggregate": {"n": "count()", "s": "sum(n)"}},
                   "top": {"from": "by", "order_by": "k"}}
        if sinks and "by" in sinks and sinks["by"]["from"] == "sums":
            streams["sums"] = {"from": "in", "state": {
                "key": ["k"], "set": {"n": "coalesce(state.n, 0) + count()"}}}
        if checkpoint:
            more["checkpoint"] = {"dir": "state"}
        sinks = sinks or {"log": {"from": "in", "type": "append", "path": "log"}}
        return self.app({"in": {"type": "files", "dir": "in", "format": "csv",
                                "schema": {"n": "int", "k": "string"}}}, streams, sinks,
                        interval=more.pop("interval", "20ms"), **more)

    def add_file(self, i):
        self.write("in/%05d" % i, "".join(
            "%d,%s\n" % (i * LINES + k, "abcdefg"[k % 7]) for k in range(LINES)))

    def rows_of(self, *names):
        """The rows of some files, but for a last line that is being written."""
        texts = [read(self.path(name), "") for name in names]
        return [json.loads(line) for text in texts for line in text.split("\n")[:-1]]

    def numbers(self, *names):
        return [row["n"] for row in self.rows_of(*names)]

    def check(self, n_files, *names):
        """Each row once, in order. (A list is long: what differs is said.)"""
        names = names or ["log"]
        for name in names:
            self.assertIn(read(self.path(name))[-1:], ("", "\n"))
        numbers = self.numbers(*names)
        expected = list(range(n_files * LINES))
        if numbers != expected:
            at = next((i for i, pair in enumerate(zip(numbers, expected)) if pair[0] != pair[1]),
                      min(len(numbers), len(expected)))
            self.fail("%d rows, %d expected; they differ from row %d on: %s" %
                      (len(numbers), len(expected), at, numbers[at:at + 5]))

    def until_written(self, run, n_files, *names):
        run.until(lambda: len(self.numbers(*names or ["log"])) >= n_files * LINES,
                  "the rows are written")

    def nothing_beside(self):
        self.assertEqual([name for name in os.listdir(self.dir) if name.endswith(".dstream")], [])


class Ordinary(Append):
    def test_rows_of_many_tasks_in_order(self):
        for executors, cores in (("1", "1"), ("2", "1"), ("4", "2")):
            with self.subTest(executors=executors):
                for name in os.listdir(self.dir):
                    shutil.rmtree(self.path(name), ignore_errors=True)
                for name in ("log", "top", "by"):
                    self.write("out/" + name, "")
                for i in range(3):
                    self.add_file(i)
                app = self.numbers_app(sinks={
                    "log": {"from": "in", "type": "append", "path": "out/log"},
                    "by": {"from": "by", "type": "append", "path": "out/by"},
                    "top": {"from": "top", "type": "append", "path": "out/top", "format": "csv"}},
                    limits={"record": "100B", "block": "256B"})
                run = self.start(app, "--executors", executors, "--cores", cores)
                self.until_written(run, 3, "out/log")
                for i in range(3, 6):
                    self.add_file(i)
                self.until_written(run, 6, "out/log")
                run.stop()
                self.check(6, "out/log")
                by = self.rows_of("out/by")
                self.assertEqual(sum(row["s"] for row in by), sum(range(6 * LINES)))
                top = [line.split(",") for line in read(self.path("out/top")).splitlines()]
                self.assertEqual(len(top), len(by))
                for i in range(0, len(top), 7):  # every batch has all keys, in order
                    self.assertEqual("".join(row[0] for row in top[i:i + 7]), "abcdefg")
                self.assertEqual(sorted(os.listdir(self.path("out"))), ["by", "log", "top"])

    def test_runs_follow_each_other(self):
        for checkpoint in (True, False):
            with self.subTest(checkpoint=checkpoint):
                for name in ("in", "state"):
                    shutil.rmtree(self.path(name), ignore_errors=True)
                self.write("log", "")
                app = self.numbers_app(checkpoint)
                for i in range(3):
                    if not checkpoint:  # it would read them again
                        shutil.rmtree(self.path("in"), ignore_errors=True)
                    self.add_file(i)
                    self.run_now(app)
                self.check(3)
                self.nothing_beside()

    def test_what_is_there_stays(self):
        self.write("log", '{"n":-1}\n{"n":-2}')  # the last line has no end
        self.add_file(0)
        self.run_now(self.numbers_app())
        self.assertEqual(self.numbers("log"), [-1, -2] + list(range(LINES)))

    def test_no_rows_no_file(self):
        self.write("in/0", "\n")
        self.run_now(self.numbers_app())
        self.assertFalse(os.path.exists(self.path("log")))
        self.nothing_beside()

    def test_empty_batches_and_windows(self):
        app = self.app({"q": {"type": "queue", "schema": {"n": "int"},
                              "batches": [[{"n": 1}], [], [{"n": 2}, {"n": 3}], [], [], [{"n": 4}]]}},
                       {"w": {"from": "q", "window": {"size": "60ms", "slide": "20ms"},
                              "aggregate": {"s": "sum(n)"}}},
                       {"rows": {"from": "q", "type": "append", "path": "rows"},
                        "sums": {"from": "w", "type": "append", "path": "sums"}}, interval="20ms")
        for executors in ("1", "2", "4"):
            for name in ("rows", "sums"):
                self.write(name, "")
            self.run_now(app, "--executors", executors)
            self.assertEqual(self.numbers("rows"), [1, 2, 3, 4])
            self.assertEqual([row["s"] for row in self.rows_of("sums")], [1, 1, 6, 5, 5, 4])

    def test_a_test_writes_nothing(self):
        self.write("log", "as it was\n")
        app = self.numbers_app(tests=[{"name": "t", "input": [{"in": ["1,a", "x"]}],
                                       "expect": {"in": [[{"n": 1, "k": "a"}]]}}])
        self.command("test", app)
        self.assertEqual(read(self.path("log")), "as it was\n")
        self.nothing_beside()

    def test_explain(self):
        run = self.command("explain", self.numbers_app())
        self.assertIn("write sink log (append)", run.out())


class Refused(Append):
    def refuse(self, status, what, **sink):
        app = self.numbers_app(sinks={"log": {"from": "in", "type": "append", **sink}})
        run = self.start(app)
        run.wait(status)
        self.assertIn(what, run.log())
        self.nothing_beside()

    def test_places_that_cannot_be(self):
        self.write("in/0", "")
        self.refuse(IO_ERROR, "there is no such folder: make it first", path="none/log")
        self.assertFalse(os.path.exists(self.path("none")))
        self.refuse(IO_ERROR, "it is not a regular file", path="in")
        os.mkfifo(self.path("pipe"))
        self.refuse(IO_ERROR, "it is not a regular file", path="pipe")
        self.refuse(IO_ERROR, "Not a directory", path="app.json/log")
        self.refuse(WRONG_APP, "names a folder", path="in/")
        self.refuse(WRONG_APP, "longer than", path="x" * 247)

    def test_two_apps_with_one_file(self):
        self.add_file(0)
        first = self.start(self.numbers_app())
        self.until_written(first, 1)
        second = self.start(self.numbers_app(False, name="other"))
        second.wait(UNAVAILABLE)
        self.assertIn("the file log is in use by another dstream", second.log())
        self.add_file(1)
        self.until_written(first, 2)
        first.stop()
        self.check(2)
        self.nothing_beside()

    def test_two_names_of_one_file(self):
        os.symlink("log", self.path("link"))
        first = self.start(self.numbers_app(False, name="first"))
        self.add_file(0)
        self.until_written(first, 1)
        os.link(self.path("log"), self.path("hard"))
        for path in ("link", "hard"):
            second = self.start(self.numbers_app(False, name="other", sinks={
                "log": {"from": "in", "type": "append", "path": path}}))
            second.wait(UNAVAILABLE)
            self.assertIn("the file %s is in use by another dstream" % path, second.log())
        first.stop()
        self.check(1)
        self.nothing_beside()

    def test_two_apps_in_one_folder(self):
        self.add_file(0)
        runs = [self.start(self.numbers_app(False, name=name, sinks={
            "log": {"from": "in", "type": "append", "path": name + ".log"}}))
            for name in ("one", "two")]
        for run, name in zip(runs, ("one", "two")):
            self.until_written(run, 1, name + ".log")
            run.stop()
            self.check(1, name + ".log")
        self.nothing_beside()


class Crashes(Append):
    def test_kill_at_random_moments(self):
        for seed, executors in ((1, "2"), (2, "1"), (3, "4")):
            with self.subTest(seed=seed):
                for name in os.listdir(self.dir):
                    shutil.rmtree(self.path(name), ignore_errors=True)
                for name in ("log", "by"):
                    self.write(name, "")
                self.crashes(random.Random(seed), executors)

    def crashes(self, generator, executors):
        app = self.numbers_app(sinks={"log": {"from": "in", "type": "append", "path": "log"},
                                      "by": {"from": "by", "type": "append", "path": "by"}},
                               limits={"record": "100B", "block": "512B"})
        os.mkdir(self.path("in"))
        number = 0
        for _ in range(8):
            run = self.start(app, "--executors", executors)
            end = time.monotonic() + generator.uniform(0.05, 0.5)
            while time.monotonic() < end:
                self.add_file(number)
                number += 1
                if generator.random() < 0.05:
                    for pid in run.executors()[:1]:
                        self.kill(pid)
                time.sleep(generator.uniform(0, 0.01))
            run.kill()
        run = self.run_now(app, "--executors", executors)
        self.assertEqual(run.last().get("failed_batches", 0), 0)
        self.check(number)
        by = self.rows_of("by")
        self.assertEqual(sum(row["n"] for row in by), number * LINES)
        self.assertEqual(sum(row["s"] for row in by), sum(range(number * LINES)))
        self.nothing_beside()

    def leave_pending(self):
        """A driver that dies with a batch that is prepared and not appended; returns its bytes.
        `log` is a folder for a moment, so that it cannot be."""
        self.add_file(0)
        run = self.start(self.numbers_app())
        self.until_written(run, 1)
        os.rename(self.path("log"), self.path("away"))
        os.mkdir(self.path("log"))
        self.add_file(1)
        run.until_log("cannot be committed")
        run.kill()
        os.rmdir(self.path("log"))
        os.rename(self.path("away"), self.path("log"))
        return "".join('{"n":%d,"k":"%s"}\n' % (LINES + k, "abcdefg"[k % 7]) for k in range(LINES))

    def test_a_half_is_completed(self):
        for length in (0, 7, 1000):
            with self.subTest(length=length):
                for name in ("in", "state"):
                    shutil.rmtree(self.path(name), ignore_errors=True)
                self.write("log", "")
                batch = self.leave_pending()
                with open(self.path("log"), "a") as file:
                    file.write(batch[:length])
                self.run_now(self.numbers_app())
                self.check(2)
                self.nothing_beside()

    def both_sinks(self, **more):
        return self.numbers_app(sinks={
            "log": {"from": "in", "type": "append", "path": "log"},
            "f": {"from": "in", "type": "file", "dir": "f"},
            "by": {"from": "sums", "type": "append", "path": "by"}}, **more)

    def leave_both_pending(self):
        """As leave_pending, with a folder of files; `log` cannot be appended to."""
        for name in ("in", "state", "f"):
            shutil.rmtree(self.path(name), ignore_errors=True)
        self.write("log", "")
        self.write("by", "")
        self.add_file(0)
        run = self.start(self.both_sinks())
        self.until_written(run, 1)
        os.rename(self.path("log"), self.path("away"))
        os.mkdir(self.path("log"))
        self.add_file(1)
        run.until_log("cannot be committed")
        return run

    def free_log(self):
        os.rmdir(self.path("log"))
        os.rename(self.path("away"), self.path("log"))

    def lose_folder(self):
        """The newest folder was never complete, and its staged files are gone."""
        shutil.rmtree(self.path("f/" + max(name for name in os.listdir(self.path("f"))
                                           if name[0] != ".")))
        for name in os.listdir(self.path("f")):
            if name[0] == ".":
                shutil.rmtree(self.path("f/" + name))

    def check_both(self, n_files):
        self.check(n_files)
        rows = [row["n"] for rows in self.collect("f").values() for row in rows]
        self.assertEqual(sorted(rows), list(range(n_files * LINES)))
        self.assertEqual(sum(row["n"] for row in self.rows_of("by")[-7:]), n_files * LINES)
        self.assertEqual(len(self.rows_of("by")), n_files * 7)

    def test_staged_files_are_gone(self):
        def log():
            shutil.rmtree(self.path(".log.dstream"))

        for lost in ((log,), (self.lose_folder,), (log, self.lose_folder)):
            with self.subTest(lost=[lose.__name__ for lose in lost]):
                self.leave_both_pending().kill()
                self.free_log()
                for lose in lost:
                    lose()
                run = self.run_now(self.both_sinks())
                self.assertIn("it runs again for them", run.log())
                self.assertNotIn("it was cut", run.log())
                self.check_both(2)
                self.nothing_beside()

    def test_staged_files_are_damaged(self):
        """A byte is another one, or the last ones are missing: as if they were gone."""
        for spoil in (flip, cut):
            with self.subTest(spoil=spoil.__name__):
                self.leave_both_pending().kill()
                self.free_log()
                staged = [path for path in glob.glob(self.path(".log.dstream/*"))
                          if os.path.getsize(path) > 0]
                self.assertEqual(len(staged), 1)
                spoil(staged[0])
                run = self.run_now(self.both_sinks())
                self.assertIn("is damaged", run.log())
                self.assertIn("it runs again for them", run.log())
                self.check_both(2)
                self.nothing_beside()

    def test_staged_files_go_while_it_runs(self):
        run = self.leave_both_pending()
        shutil.rmtree(self.path(".log.dstream"))
        self.free_log()
        run.until_log("it runs again for them")
        self.add_file(2)
        self.until_written(run, 3)
        run.stop()
        self.check_both(3)

    def test_another_checkpoint_in_between(self):
        self.leave_both_pending().kill()
        self.free_log()
        os.makedirs(self.path("nothing"))
        for name in ("app", "other"):
            self.run_now("app.json", "--set", "checkpoint.dir=" + name, "--set", "name=" + name,
                         "--set", "sources.in.dir=nothing")
        run = self.run_now(self.both_sinks())
        self.assertNotIn("runs again for them", run.log())
        self.check_both(2)
        self.nothing_beside()

    def test_others_wrote_where_the_batch_belongs(self):
        batch = self.leave_pending()
        with open(self.path("log"), "a") as file:
            file.write(batch[:20] + "something else\n")
        before = read(self.path("log"))
        for _ in range(2):  # it stays so
            run = self.run_now(self.numbers_app(), status=WRONG_APP)
            self.assertIn("something else wrote to it", run.log())
            self.assertIn("move the file away", run.log())
            self.assertEqual(read(self.path("log")), before)
        os.rename(self.path("log"), self.path("moved"))
        self.run_now(self.numbers_app())
        self.assertEqual(self.numbers("log"), list(range(LINES, 2 * LINES)))
        self.assertEqual(read(self.path("moved")), before)
        self.nothing_beside()

    def test_renamed_while_no_driver_ran(self):
        batch = self.leave_pending()
        with open(self.path("log"), "a") as file:
            file.write(batch[:1000])
        os.rename(self.path("log"), self.path("log.1"))
        self.write("log", "")
        self.run_now(self.numbers_app())
        self.check(2, "log.1")  # the batch is completed where it was begun
        self.add_file(2)
        self.run_now(self.numbers_app())
        self.check(3, "log.1", "log")

    def test_moved_elsewhere_while_no_driver_ran(self):
        batch = self.leave_pending()
        with open(self.path("log"), "a") as file:
            file.write(batch[:1000])
        os.mkdir(self.path("elsewhere"))
        os.rename(self.path("log"), self.path("elsewhere/log"))
        run = self.run_now(self.numbers_app())
        self.assertIn("a part of it may be in that other file, too", run.log())
        self.assertEqual(read(self.path("log")), batch)


class Others(Append):
    """What else happens to a file while it grows."""

    def start_with(self, n_files, checkpoint):
        for i in range(n_files):
            self.add_file(i)
        run = self.start(self.numbers_app(checkpoint))
        self.until_written(run, n_files)
        return run

    def test_renamed_again_and_again(self):
        # As logrotate does, at any moment; once the driver dies between.
        names = []
        run = self.start_with(1, True)
        for i in range(1, 40):
            self.add_file(i)
            if i % 3 == 0 and os.path.exists(self.path("log")):
                names.append("log.%d" % i)
                os.rename(self.path("log"), self.path(names[-1]))
            if i == 20:
                self.until_written(run, i + 1, *names, "log")
                run.kill()
                run = self.start(self.numbers_app())
            time.sleep(0.01)
        self.until_written(run, 40, *names, "log")
        run.stop()
        self.check(40, *names, "log")
        self.assertGreater(len(names), 5)

    def test_cut(self):
        for checkpoint in (True, False):
            for name in ("in", "state"):
                shutil.rmtree(self.path(name), ignore_errors=True)
            self.write("log", "")
            run = self.start_with(1, checkpoint)
            os.truncate(self.path("log"), 0)
            self.add_file(1)
            run.until(lambda: len(self.numbers("log")) == LINES, "the rows are written")
            run.stop()
            self.assertEqual(self.numbers("log"), list(range(LINES, 2 * LINES)))
            self.assertIn("log was cut, or begun anew", run.log())

    def test_removed(self):
        run = self.start_with(1, True)
        os.remove(self.path("log"))
        self.add_file(1)
        run.until(lambda: len(self.numbers("log")) == LINES, "the rows are written")
        run.stop()

    def test_written_to(self):
        run = self.start_with(1, True)
        with open(self.path("log"), "a") as file:
            file.write('{"n":-1')  # and no line end
        self.add_file(1)
        run.until(lambda: read(self.path("log")).count("\n") == 2 * LINES + 1, "rows are written")
        run.stop()
        lines = read(self.path("log")).splitlines()
        self.assertEqual(lines.pop(LINES), '{"n":-1')
        self.assertEqual([json.loads(line)["n"] for line in lines], list(range(2 * LINES)))
        self.assertIn("something else wrote to it", run.log())

    def test_its_folder_is_gone_for_a_while(self):
        self.write("out/log", "")
        self.add_file(0)
        run = self.start(self.numbers_app(sinks={
            "log": {"from": "in", "type": "append", "path": "out/log"}}))
        self.until_written(run, 1, "out/log")
        os.rename(self.path("out"), self.path("away"))
        self.write("out", "a file in the way")
        self.add_file(1)
        run.until_log("Not a directory")
        os.remove(self.path("out"))
        os.rename(self.path("away"), self.path("out"))
        self.until_written(run, 2, "out/log")
        run.stop()
        self.check(2, "out/log")


class FullDisk(Append):
    def test_rows_wait(self):
        path = self.path("disk")
        os.makedirs(path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", path],
                              stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            self.skipTest("a small tmpfs cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", path])
        self.add_file(0)
        run = self.start(self.numbers_app(sinks={
            "log": {"from": "in", "type": "append", "path": "disk/log"}}))
        self.until_written(run, 1, "disk/log")
        with open(os.path.join(path, "filler"), "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass
        for i in range(1, 5):
            self.add_file(i)
        run.until_log("No space left on device")
        run.until(lambda: read(self.path("disk/log"))[-1:] == "\n", "only whole rows are there")
        self.assertTrue(run.running())
        os.remove(os.path.join(path, "filler"))
        self.until_written(run, 5, "disk/log")
        run.stop(DONE)
        self.check(5, "disk/log")
        self.assertEqual(run.last()["failed_batches"], 0)


if __name__ == "__main__":
    scenario.main()
