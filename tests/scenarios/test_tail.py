"""Source `tail`: files that grow, are rotated, cut off, deleted, replaced and written anew; every
line once, also after kill -9."""
import glob
import json
import os
import random
import shutil
import threading
import unittest

import scenario
from scenario import IO_ERROR, NO_INPUT

NOBODY = 65534


class Tail(scenario.Scenario):
    def lines_app(self, path="log", **source):
        return self.app({"in": {"type": "tail", "path": path, **source}})

    def lines(self, run):
        return [row["line"] for row in run.rows()]

    def append(self, name, text):
        with open(self.path(name), "a") as file:
            file.write(text)

    def rotate(self, name, keep):
        """log -> log.1 -> log.2, …"""
        for i in range(keep, 0, -1):
            older = "%s.%d" % (name, i - 1) if i > 1 else name
            if os.path.exists(self.path(older)):
                os.rename(self.path(older), self.path("%s.%d" % (name, i)))

    def until_lines(self, run, *expected):
        run.until(lambda: len(run.out().splitlines()) >= len(expected), "%d lines" % len(expected))
        self.assertEqual(self.lines(run), list(expected))


class Growing(Tail):
    def test_lines_as_they_come(self):
        self.append("log", "one\ntwo\nthr")
        run = self.start(self.lines_app())
        self.until_lines(run, "one", "two")
        self.append("log", "ee\nfour\nfi")
        self.until_lines(run, "one", "two", "three", "four")
        self.assertEqual(run.source()["files"], 1)
        self.assertEqual(run.source()["bytes_behind"], 0)
        run.stop()
        self.assertEqual(self.lines(run)[4:], [])  # it is still being written

    def test_files_that_appear_later(self):
        run = self.start(self.lines_app("logs/*/app*.log"))
        run.until_log("no file matches logs/*/app*.log yet")
        self.write("logs/a/app1.log", "a1\n", aside=False)
        self.until_lines(run, "a1")
        self.write("logs/b/app.log", "b1\n", aside=False)
        self.write("logs/b/other.log", "no\n", aside=False)
        self.until_lines(run, "a1", "b1")
        self.append("logs/a/app1.log", "a2\n")
        self.append("logs/a/app2.log", "a3\n")
        run.until(lambda: len(self.lines(run)) == 4, "all lines")
        self.assertEqual(sorted(self.lines(run)), ["a1", "a2", "a3", "b1"])
        run.stop()

    def test_start_at_end(self):
        self.append("log", "old\nunfin")
        run = self.start(self.lines_app("l*", start_at="end"))
        run.until_log("following log")
        self.append("log", "ished\nnew\n")
        self.append("later", "first\n")
        run.until(lambda: len(self.lines(run)) == 3, "all lines")
        self.assertEqual(sorted(self.lines(run)), ["first", "new", "unfinished"])
        run.stop()

    def test_available_now(self):
        app = self.lines_app("log*")
        run = self.run_now(app)
        self.assertEqual(run.out(), "")
        self.append("log", "a\nb")
        self.append("log2", "c\n")
        self.append("log3", "")
        run = self.run_now(app)
        self.assertEqual(self.lines(run), ["a", "b", "c"])

    def test_available_now_without_the_file(self):
        run = self.run_now(self.lines_app(), status=NO_INPUT)
        self.assertIn("source in: there is no file log", run.log())
        os.mkdir(self.path("log"))
        self.run_now(self.lines_app(), status=NO_INPUT)

    def test_much_at_once(self):
        n = 400000
        with open(self.path("log"), "w") as file:
            for i in range(n):
                file.write("%d\n" % i)
        for executors in (1, 2, 4):
            app = self.app({"in": {"type": "tail", "path": "log", "format": "csv",
                                   "schema": {"n": "int"}}},
                           {"all": {"from": "in", "aggregate": {
                               "rows": "count()", "sum": "sum(n)", "most": "max(n)"}}},
                           executors={"count": executors}, limits={"block": "64KiB"})
            rows = [row for row in self.run_now(app).rows() if row["rows"] > 0]
            self.assertEqual(rows, [{"rows": n, "sum": n * (n - 1) // 2, "most": n - 1}])

    def test_formats_and_bad_records(self):
        self.append("a.csv", "s,n\nx,1\ny")
        app = self.app({"in": {"type": "tail", "path": "*.csv", "format": "csv", "header": True,
                               "schema": {"n": "int", "s": "string"}}})
        run = self.start(app)
        run.until(lambda: len(run.rows()) == 1, "a row")
        self.append("a.csv", ",2\nz,bad\n")
        self.append("b.csv", "n,more,s\n3,,w\n")
        run.until(lambda: len(run.rows()) == 3, "three rows")
        os.rename(self.path("a.csv"), self.path("a.csv.1"))
        self.append("a.csv", "n,s\n4,v\n")
        run.until(lambda: len(run.rows()) == 4, "four rows")
        self.assertRows(run.rows(), [{"n": 1, "s": "x"}, {"n": 2, "s": "y"}, {"n": 3, "s": "w"},
                                     {"n": 4, "s": "v"}])
        run.until(lambda: run.bad("type") == 1, "the bad record is counted")
        self.assertIn('a.csv at byte', run.log())
        run.stop()

    def test_in_a_test(self):
        app = self.lines_app(format="logfmt", schema={"n": "int"})
        with open(self.path(app)) as file:
            content = json.load(file)
        content["tests"] = [{"name": "lines", "input": [{"in": ["n=1", "n=x"]}, {"in": ["n=2"]}],
                             "expect": {"in": [[{"n": 1}], [{"n": 2}]]},
                             "expect_errors": {"in": 1}}]
        self.write(app, json.dumps(content))
        self.command("test", app)
        self.assertEqual(glob.glob(self.path("*")), [self.path(app)])

    def test_explain(self):
        run = self.command("explain", self.lines_app())
        self.assertIn("tail", run.out())

    def test_a_line_that_is_too_long(self):
        app = self.app({"in": {"type": "tail", "path": "log"}}, limits={"record": "100B"})
        self.append("log", "a\n" + "x" * 5000)
        run = self.start(app)
        run.until(lambda: run.bad("too_long") == 1, "the long line is counted")
        self.append("log", "x" * 5000 + "\nb\n")
        self.until_lines(run, "a", "b")
        run.stop()
        self.assertEqual(run.bad("too_long"), 1)


class Rotation(Tail):
    def test_by_rename(self):
        for path in ("log", "log*"):
            self.append("log", "a\n")
            run = self.start(self.lines_app(path))
            self.until_lines(run, "a")
            old = open(self.path("log"), "a")
            self.rotate("log", 3)
            self.append("log", "c\n")
            self.until_lines(run, "a", "c")
            old.write("b\n")  # the program that writes it has not noticed yet
            old.flush()
            self.until_lines(run, "a", "c", "b")
            old.write("the end")
            old.close()
            self.until_lines(run, "a", "c", "b", "the end")
            run.stop()
            self.assertEqual(run.source()["begun_again"], 0)
            self.assertEqual(run.source()["bytes_lost"], 0)
            for name in glob.glob(self.path("log*")):
                os.unlink(name)

    def rotating(self, path, executors, keep, rotations=60, interval="50ms"):
        """A writer that rotates after every few lines, at full speed."""
        app = self.app({"in": {"type": "tail", "path": path}}, None,
                       {"rows": {"from": "in", "type": "file", "dir": "rows"}},
                       interval=interval, executors={"count": executors})
        written = [0]
        first, done = threading.Event(), threading.Event()

        def write():
            generator = random.Random(executors)
            first.wait(scenario.PATIENCE)
            for _ in range(rotations):
                with open(self.path("log"), "a") as file:
                    for _ in range(generator.randrange(1, 300)):
                        file.write("%d\n" % written[0])
                        written[0] += 1
                        if generator.random() < 0.02:
                            file.flush()
                self.rotate("log", keep)
            done.set()

        self.append("log", "-1\n")
        self.background(write)
        run = self.start(app)
        run.until_rows_in(1)
        first.set()
        self.assertTrue(done.wait(scenario.PATIENCE))
        run.until_rows_in(written[0] + 1)
        run.stop()
        numbers = sorted(int(row["line"]) for row in self.collect_rows("rows"))
        self.assertEqual(numbers, list(range(-1, written[0])))
        self.assertEqual(run.source()["bytes_lost"], 0)
        self.assertEqual(run.source()["begun_again"], 0)

    def test_under_load(self):
        self.rotating("log", 2, 80)

    def test_under_load_one_executor(self):
        self.rotating("log", 1, 80, interval="5ms")

    def test_under_load_all_names(self):
        self.rotating("log*", 4, 80)

    def test_copy_and_truncate(self):
        self.append("log", "a\nb\nc\n")
        run = self.start(self.lines_app())
        self.until_lines(run, "a", "b", "c")
        shutil.copy(self.path("log"), self.path("copy"))
        os.truncate(self.path("log"), 0)
        run.until_log("log was cut off: it is read from its beginning again")
        self.append("log", "d\n")
        self.until_lines(run, "a", "b", "c", "d")
        run.stop()
        self.assertEqual(run.source()["begun_again"], 1)
        self.assertEqual(run.source()["bytes_lost"], 0)

    def test_deleted_and_replaced(self):
        self.append("log", "a\n")
        run = self.start(self.lines_app())
        self.until_lines(run, "a")
        os.unlink(self.path("log"))
        self.append("log", "b\n")
        self.until_lines(run, "a", "b")
        self.write("log", "c\nd\n")  # written aside, then renamed
        self.until_lines(run, "a", "b", "c", "d")
        with open(self.path("log"), "r+") as file:
            file.write("e\nf\n")
        self.until_lines(run, "a", "b", "c", "d", "e", "f")
        self.assertIn("log was written anew: it is read from its beginning again", run.log())
        run.until(lambda: run.source().get("begun_again") == 1, "it is counted")
        os.unlink(self.path("log"))
        run.until(lambda: self.closed(run), "the deleted file is closed")
        run.stop()

    def closed(self, run):
        """A deleted file is not held open for ever."""
        links = []
        for name in glob.glob("/proc/%d/fd/*" % run.pid):
            try:
                links.append(os.readlink(name))
            except OSError:
                pass
        return not any(link.startswith(self.path("log")) for link in links)

    def test_the_folder_vanishes_and_comes_back(self):
        self.write("logs/log", "a\n", aside=False)
        run = self.start(self.lines_app("logs/log"))
        self.until_lines(run, "a")
        shutil.rmtree(self.path("logs"))
        self.write("logs/log", "b\n", aside=False)
        self.until_lines(run, "a", "b")
        self.append("logs/log", "c\n")
        self.until_lines(run, "a", "b", "c")
        run.stop()

    def test_rotated_while_batches_wait(self):
        # Nobody reads the console: batches wait, ticks wait, and files come and go meanwhile.
        reading, writing = os.pipe()
        app = self.app({"in": {"type": "tail", "path": "log"}}, interval="20ms",
                       executors={"count": 1})
        self.append("log", "first\n")
        run = self.start(app, stdout=writing)
        os.close(writing)
        out = os.fdopen(reading)
        expected = ["first"]
        self.assertEqual(json.loads(out.readline())["line"], "first")
        for i in range(40):
            expected += ["%d-%s" % (i, "x" * 5000), "%d-%s" % (i, "y" * 5000)]
            self.append("log", "%s\n%s\n" % tuple(expected[-2:]))
            self.rotate("log", 50)
            if i > 30:
                self.append("log", "")
            run.until(lambda: self.holds(run, "log.1"), "the file is open")
        got = ["first"] + [json.loads(out.readline())["line"] for _ in range(len(expected) - 1)]
        self.assertEqual(sorted(got), sorted(expected))
        run.stop()
        out.close()

    def holds(self, run, name):
        inode = os.stat(self.path(name)).st_ino
        for link in glob.glob("/proc/%d/fd/*" % run.pid):
            try:
                if os.stat(link).st_ino == inode:
                    return True
            except OSError:
                pass
        return False


@unittest.skipIf(os.geteuid() == 0 and not os.access("/proc/self/fd", os.R_OK), "no /proc")
class Permissions(Tail):
    def setUp(self):
        super().setUp()
        if os.geteuid() == 0:  # root may read everything: the app runs as somebody else
            if os.stat(scenario.BINARY).st_mode & 0o005 != 0o005:
                self.skipTest("others may not run the binary")
            for name in (self.outside, self.dir, self.tmpdir):
                os.chown(name, NOBODY, NOBODY)

    def start(self, app, *options, **popen):
        if os.geteuid() == 0:
            popen.update(user=NOBODY, group=NOBODY, extra_groups=[])
            for name in glob.glob(self.path("*")):
                os.chown(name, NOBODY, NOBODY)
        return super().start(app, *options, **popen)

    def give(self, name):
        if os.geteuid() == 0:
            os.chown(self.path(name), NOBODY, NOBODY)

    def test_unreadable_and_back(self):
        self.append("a.log", "a1\n")
        self.append("b.log", "b1\n")
        os.chmod(self.path("b.log"), 0)
        run = self.start(self.lines_app("*.log"))
        self.until_lines(run, "a1")
        run.until_log("b.log cannot be read")
        self.append("a.log", "a2\n")
        self.until_lines(run, "a1", "a2")
        os.chmod(self.path("b.log"), 0o600)
        self.until_lines(run, "a1", "a2", "b1")
        os.chmod(self.path("b.log"), 0)
        self.append("b.log", "b2\n") if os.geteuid() == 0 else None
        run.until_log("b.log cannot be read", times=2)
        os.chmod(self.path("b.log"), 0o600)
        self.append("b.log", "b3\n")
        run.until_log("b.log can be read again")
        run.until(lambda: "b3" in self.lines(run), "the file is read again")
        self.assertEqual(run.log().count("b.log cannot be read"), 2)
        run.stop()
        self.assertEqual(run.source()["bytes_lost"], 0)
        self.assertEqual(run.source()["begun_again"], 0)

    def test_available_now(self):
        self.append("log", "a\n")
        os.chmod(self.path("log"), 0)
        run = self.run_now(self.lines_app(), status=IO_ERROR)
        self.assertIn("log cannot be read", run.log())


class Restart(Tail):
    """Positions are kept: each line is in the output once, whatever happened."""

    def files_app(self, path="log", executors=2, **more):
        return self.app({"in": {"type": "tail", "path": path, **more}}, None,
                        {"rows": {"from": "in", "type": "file", "dir": "rows"}},
                        interval="20ms", checkpoint={"dir": "state"},
                        executors={"count": executors})

    def numbers(self):
        return sorted(int(row["line"]) for row in self.collect_rows("rows"))

    def test_goes_on_where_it_was(self):
        app = self.files_app()
        self.append("log", "0\n1\n2")
        self.run_now(app)
        self.assertEqual(self.numbers(), [0, 1, 2])
        self.append("log", "\n3\n4\n")
        self.run_now(app)
        self.run_now(app)
        self.assertEqual(self.numbers(), [0, 1, 2, 3, 4])

    def test_rotated_meanwhile(self):
        app = self.files_app()
        self.append("log", "0\n1\n")
        run = self.start(app)
        run.until_rows_in(2)
        run.kill()
        self.append("log", "2\n")
        self.rotate("log", 3)
        self.append("log", "3\n")
        run = self.start(app)
        run.until_rows_in(2)
        self.append("log.1", "4\n")
        run.until_rows_in(3)
        run.stop()
        self.assertEqual(self.numbers(), [0, 1, 2, 3, 4])

    def test_gone_or_written_anew_meanwhile(self):
        app = self.files_app()
        self.append("log", "0\n1\n")
        self.run_now(app)
        os.unlink(self.path("log"))
        self.append("log", "2\n3\n")
        self.run_now(app)
        self.assertEqual(self.numbers(), [0, 1, 2, 3])
        with open(self.path("log"), "r+") as file:
            file.write("4\n5\n6\n")
        run = self.run_now(app)
        self.assertIn("log was written anew", run.log())
        self.assertEqual(self.numbers(), [0, 1, 2, 3, 4, 5, 6])
        os.truncate(self.path("log"), 0)
        self.append("log", "7\n")
        run = self.run_now(app)
        self.assertIn("log was cut off", run.log())
        self.assertEqual(self.numbers(), [0, 1, 2, 3, 4, 5, 6, 7])

    def die_with_a_batch(self, app, folder):
        """Its first two lines are in the output, two more are allotted, and not read."""
        os.mkdir(self.path(folder))
        self.append(folder + "/a.log", "0\n1\n")
        run = self.start(app)
        run.until_rows_in(2)
        scenario.halt(run.until_executors(1)[0])  # tasks wait
        self.append(folder + "/a.log", "2\n3\n")
        run.until(lambda: '"from":4,"to":8' in self.allotted(), "the lines are allotted")
        run.kill()

    def test_the_folder_has_another_name_at_a_restart(self):
        # A batch was allotted and not run: it reads its file where that is found now.
        app = self.files_app("logs*/a.log*", executors=1)
        self.die_with_a_batch(app, "logs1")
        os.mkdir(self.path("logs2"))
        os.rename(self.path("logs1/a.log"), self.path("logs2/a.log"))
        self.append("logs2/a.log", "4\n")
        run = self.start(app)
        run.until_rows_in(1)
        run.stop()
        self.assertEqual(self.numbers(), [0, 1, 2, 3, 4])
        self.assertEqual(run.source()["bytes_lost"], 0)

    def test_the_folder_is_away_at_a_restart(self):
        # A batch was allotted and not run: it waits for its file, and nothing is read again.
        app = self.files_app("logs/a.log*", executors=1)
        self.die_with_a_batch(app, "logs")
        self.append("logs/a.log", "4\n")
        os.rename(self.path("logs"), self.path("away"))
        run = self.start(app)
        run.until_log("logs/a.log: its folder is not there")
        os.rename(self.path("away"), self.path("logs"))
        run.until_rows_in(3)
        run.stop()
        self.assertEqual(run.source()["bytes_lost"], 0)
        os.rename(self.path("logs"), self.path("away"))  # nothing is to be done
        run = self.start(app)
        run.until_log("logs/a.log: its folder is not there: waiting for it")
        os.rename(self.path("away"), self.path("logs"))
        run.until_log("logs/a.log can be read again")
        self.append("logs/a.log", "5\n")
        run.until_rows_in(1)
        run.stop()
        self.assertEqual(self.numbers(), [0, 1, 2, 3, 4, 5])
        self.assertEqual(run.source()["begun_again"], 0)

    def test_start_at_end_is_about_the_first_start(self):
        app = self.files_app(start_at="end")
        self.append("log", "0\n1\n")
        run = self.start(app)
        run.until_log("following log")
        run.until(lambda: '"followed"' in self.journal(), "the beginning is noted")
        run.kill()
        self.append("log", "2\n")
        self.append("log2", "no\n")
        run = self.start(app)
        run.until_rows_in(1)
        run.stop()
        self.assertEqual(self.numbers(), [2])

    def journal(self):
        names = sorted(glob.glob(self.path("state/metadata/*.jsonl")))
        return "".join(line for name in names for line in scenario.read(name).splitlines()
                       if '"path":"log"' in line)

    def test_the_checkpoint_does_not_grow_with_what_was_seen(self):
        app = self.files_app()
        sizes = []
        for i in range(4):
            for k in range(20):
                self.append("log", "%d\n" % (20 * i + k))
                self.rotate("log", 2)
            self.append("log", "")
            self.run_now(app)
            newest = sorted(glob.glob(self.path("state/metadata/*.jsonl")))[-1]
            sizes.append(len(scenario.read(newest).splitlines()[0]))
        self.assertLess(sizes[-1], sizes[1] + 400)

    def crashes(self, seed, executors, path):
        """Kills the driver again and again while a writer appends and rotates."""
        generator = random.Random(seed)
        app = self.files_app(path, executors)
        self.append("log", "0\n")
        written = 1
        for _ in range(8):
            run = self.start(app)
            for _ in range(generator.randrange(1, 6)):
                with open(self.path("log"), "a") as file:
                    for _ in range(generator.randrange(1, 400)):
                        file.write("%d\n" % written)
                        written += 1
                if generator.random() < 0.5:
                    # Who looks only at the newest name has to be there when it changes.
                    if path == "log":
                        inode = os.stat(self.path("log")).st_ino
                        run.until(lambda: self.knows(run, inode), "the file is read")
                    self.rotate("log", 60)
                    self.append("log", "")
            if generator.random() < 0.8:
                run.until(lambda: run.last().get("rows_in", 0) > 0, "something is read")
            run.kill()
            if generator.random() < 0.3:
                self.rotate("log", 60) if path != "log" else None
        last = self.run_now(app)
        self.assertEqual(self.numbers(), list(range(written)))
        self.assertEqual(last.source().get("bytes_lost", 0), 0)

    def knows(self, run, inode):
        """The checkpoint names the file, or it is open; then it is found again."""
        return any('"inode":%d,' % inode in scenario.read(name)
                   for name in glob.glob(self.path("state/metadata/*.jsonl")))

    def test_killed_again_and_again(self):
        self.crashes(1, 2, "log*")

    def test_killed_again_and_again_one_name(self):
        self.crashes(2, 1, "log")

    def test_killed_again_and_again_four_executors(self):
        self.crashes(3, 4, "log*")

    def test_executors_are_killed(self):
        app = self.files_app()
        self.append("log", "0\n")
        run = self.start(app)
        run.until_rows_in(1)
        written = 1
        for i in range(6):
            with open(self.path("log"), "a") as file:
                for _ in range(3000):
                    file.write("%d\n" % written)
                    written += 1
            living = run.until(run.executors, "an executor lives")
            self.kill(living[i % len(living)])
            self.rotate("log", 9)
            self.append("log", "")
        run.until_rows_in(written)
        run.stop()
        self.assertEqual(self.numbers(), list(range(written)))

    def test_lost_before_it_was_read(self):
        # A batch that was allotted and not run when the driver died; then its file is gone.
        app = self.app({"in": {"type": "tail", "path": "log"}}, None,
                       {"rows": {"from": "in", "type": "file", "dir": "rows"}},
                       interval="20ms", checkpoint={"dir": "state"}, executors={"count": 1})
        self.append("log", "0\n")
        run = self.start(app)
        run.until_rows_in(1)
        os.kill(run.until_executors(1)[0], 19)  # stopped: tasks wait
        self.append("log", "1\n2\n")
        run.until(lambda: '"from":2,"to":6' in self.allotted(), "the lines are allotted")
        run.kill()
        os.unlink(self.path("log"))
        run = self.start(app)
        run.until_log("4 bytes were gone before they were read")
        self.append("log", "3\n")
        run.until_rows_in(1)
        run.stop()
        self.assertEqual(self.numbers(), [0, 3])
        self.assertEqual(run.source()["bytes_lost"], 4)
        self.assertEqual(run.last()["bytes_lost"], 4)
        self.assertEqual(run.last()["failed_batches"], 0)

    def allotted(self):
        return "".join(scenario.read(name) for name in glob.glob(self.path("state/metadata/*")))


if __name__ == "__main__":
    scenario.main()
