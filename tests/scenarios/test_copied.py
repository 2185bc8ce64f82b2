"""Where shared memory cannot be opened, bytes are copied over links: the same results, also when
executors vanish, and when one is of another user."""
import itertools
import os
import random
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.request

import scenario
from scenario import awk

OFF = {"DSTREAM_SHARED_MEMORY": "off"}


def words(n_lines, seed=1):
    generator = random.Random(seed)
    return "".join("%d w%d %s\n" % (i, int(generator.paretovariate(0.5)) % 5000, "x" * (i % 50))
                   for i in range(n_lines)).encode()


def cpu_ticks(pid):
    try:
        fields = scenario.read("/proc/%d/stat" % pid).rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    except OSError:
        return 0


class Copied(scenario.Scenario):
    def words_app(self, **more):
        return self.app(
            {"in": {"type": "files", "dir": "in"}},
            {"words": {"from": "in", "flat_map": {"word": "split(line)"}},
             "n": {"from": "words", "group_by": ["word"],
                   "aggregate": {"n": "count()", "first": "first(line)"}},
             "top": {"from": "n", "order_by": "n desc", "limit": 20},
             "moving": {"from": "in", "window": {"size": "1s", "slide": "500ms"},
                        "aggregate": {"n": "count()"}}},
            {"all": {"from": "n", "type": "file", "dir": "out"},
             "screen": {"from": "top", "type": "console"},
             "table": {"from": "moving", "type": "console", "format": "table"}},
            limits={"block": "64KiB"}, **more)

    def test_the_same_results(self):
        self.write("in/a", words(30000, 1))
        self.write("in/b", words(30000, 2))
        app = self.words_app()
        expected = None
        for executors in ("1", "2", "4"):
            for env in ({}, OFF):
                run = self.run_now(app, "--executors", executors, env=env)
                rows = scenario.canonical(self.collect_rows()), sorted(run.out().splitlines())
                shutil.rmtree(self.path("out"))
                self.assertEqual("copied over links" in run.log(), env is OFF)
                expected = expected or rows
                self.assertEqual(rows, expected)

    def test_no_store_of_another_is_opened(self):
        self.write("in/a", words(30000))
        run = self.start(self.words_app(), env=OFF)
        run.until_batches(1)
        self.assertEqual(scenario.memfds(run.pid), {})
        executors = run.executors()
        self.assertEqual(len(executors), 2)
        for pid in executors:
            self.assertEqual(len(scenario.memfds(pid)), 1)
            maps = {line.split()[4] for line in scenario.read("/proc/%d/maps" % pid).splitlines()
                    if "memfd:dstream" in line}
            self.assertEqual(len(maps), 1)
        run.stop()

    def counting_app(self, **more):
        return self.app(
            {"in": {"type": "files", "dir": "in"}},
            {"words": {"from": "in", "flat_map": {"word": "split(line)"}},
             "n": {"from": "words", "group_by": ["word"], "aggregate": {"n": "count()"}}},
            {"all": {"from": "n", "type": "file", "dir": "out"},
             "screen": {"from": "n", "type": "console"}},
            limits={"block": "64KiB"}, **more)

    def check_counts(self, run, expected):
        for rows in (self.collect_rows(), run.rows()):
            self.assertEqual(sorted("%d %s" % (row["n"], row["word"]) for row in rows), expected)

    def test_an_executor_is_killed_in_the_middle_of_a_batch(self):
        text = words(400000)
        self.write("in/a", text)
        expected = sorted(awk("{ for (i = 1; i <= NF; i++) n[$i]++ }"
                              "END { for (w in n) print n[w], w }", self.path("in/a")))
        again = 0
        for i in range(25):  # until some output was lost; a fast machine is done before
            if again > 0 and i >= 5:
                break
            ticks = 2 + 7 * i % 32
            app = self.counting_app(executors={"count": 2 + i % 3})
            run = self.start(app, "--available-now", env=OFF)
            victim = run.until_executors(2 + i % 3)[i % 2]
            run.until(lambda: cpu_ticks(victim) >= ticks or not run.running(), "it works")
            if run.running():
                self.kill(victim)
            run.wait()
            self.check_counts(run, expected)
            again += run.log().count("tasks run again")
            self.assertEqual(run.last()["failed_batches"], 0)
            self.assertEqual(run.last()["rows_in"], 400000)
            shutil.rmtree(self.path("out"))
        self.assertGreater(again, 0, "no output was lost in any of the runs")

    def test_received_blocks_go_with_their_executor_and_are_counted(self):
        server, port = self.server()
        app = self.app({"in": {"type": "socket", "connect": "127.0.0.1:%d" % port}},
                       {"n": {"from": "in", "aggregate": {"n": "count()"}}},
                       interval=scenario.NEVER, limits={"block": "64KiB"})
        run = self.start(app, env=OFF)
        connection = self.accept(server)
        n = 200000
        connection.sendall(b"".join(b"%09d %s\n" % (i, b"x" * 90) for i in range(n)))
        self.until_read(connection)
        holder = [pid for pid in run.executors() if port in remote_ports(pid)]
        self.assertEqual(len(holder), 1)
        self.kill(holder[0])
        connection.close()
        connection = self.accept(server)
        connection.sendall(b"one more\n")
        self.until_read(connection)
        run.stop()
        last = run.last()
        self.assertEqual(run.rows(), [{"n": 1}])
        self.assertGreater(last["blocks_lost"], 0)
        self.assertLessEqual(last["records_lost"], n)
        self.assertGreater(last["records_lost"], n / 4)
        self.assertGreaterEqual(last["bytes_lost"], 101 * last["records_lost"])
        self.assertIn("were lost with the executor that held them", run.log())


class Replicas(scenario.Scenario):
    """Sources with `replicas`, and executors whose memory nobody else can hold."""

    def listen(self, **more):
        server, port = self.server()
        self.api_port = self.free_port()
        app = self.app({"in": {"type": "socket", "connect": "127.0.0.1:%d" % port,
                               "replicas": 2, **more}},
                       {"n": {"from": "in", "aggregate": {"n": "count()"}}},
                       interval=scenario.NEVER, limits={"block": "64KiB"},
                       api={"listen": "127.0.0.1:%d" % self.api_port})
        return server, port, app

    def metric(self, name):
        url = "http://127.0.0.1:%d/metrics" % self.api_port
        with urllib.request.urlopen(url, timeout=scenario.PATIENCE) as answer:
            return int(re.search(rb"^dstream_%s_total (\d+)$" % name.encode(), answer.read(),
                                 re.M)[1])

    def until_replicated(self, run, records):
        run.until(lambda: self.metric("records_replicated") >= records, "two executors hold them")
        self.assertEqual(self.metric("records_replicated"), records)

    def test_executors_die_one_after_the_other(self):
        server, port, app = self.listen()
        run = self.start(app, env=OFF)
        connection = self.accept(server)
        n = 100000
        connection.sendall(b"".join(b"%09d %s\n" % (i, b"x" * 90) for i in range(n)))
        self.until_replicated(run, n)
        both = run.until_executors(2)
        holder = [pid for pid in both if port in remote_ports(pid)]
        self.assertEqual(len(holder), 1)
        self.kill(holder[0])
        self.until_replicated(run, 2 * n)  # on the one that takes its place
        both.remove(holder[0])
        self.kill(both[0])
        self.until_replicated(run, 3 * n)
        run.stop()
        last = run.last()
        self.assertEqual(run.rows(), [{"n": n}])
        self.assertEqual((last["executors_lost"], last["blocks_lost"]), (2, 0))

    def test_one_executor_goes_on_alone(self):
        server, port, app = self.listen()
        run = self.start(app, "--executors", "1", env=OFF)
        connection = self.accept(server)
        connection.sendall(b"a\nb\n")
        run.until_log("there is no second executor")
        connection.sendall(b"c\n")
        connection.close()
        self.until_read(self.accept(server))
        run.stop()
        self.assertEqual(run.rows(), [{"n": 3}])
        self.assertEqual(run.log().count("there is no second executor"), 1)


def remote_ports(pid):
    """Where the TCP connections of a process lead."""
    inodes = set()
    for entry in os.listdir("/proc/%d/fd" % pid):
        try:
            target = os.readlink("/proc/%d/fd/%s" % (pid, entry))
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    lines = [line.split() for line in scenario.read("/proc/net/tcp").splitlines()[1:]]
    return {int(line[2].rsplit(":", 1)[1], 16) for line in lines if line[9] in inodes}


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "another user is wanted")
class AnotherUser(scenario.Scenario):
    """An executor that runs as nobody joins the app of root."""

    def setUp(self):
        super().setUp()
        os.chmod(self.outside, 0o755)
        os.chmod(self.dir, 0o755)
        binaries = tempfile.mkdtemp()
        os.chmod(binaries, 0o755)
        self.addCleanup(shutil.rmtree, binaries)
        self.binary = shutil.copy(scenario.BINARY, binaries)

    def join(self, port):
        environment = dict(os.environ, TMPDIR=self.tmpdir)
        environment[scenario.MARK] = self.mark
        with open(os.path.join(self.outside, "executor.err"), "ab") as err:
            process = subprocess.Popen(
                ["setpriv", "--reuid=65534", "--clear-groups", self.binary, "executor",
                 "--driver", "tcp://127.0.0.1:%d" % port], env=environment, cwd="/", stderr=err)
        self.addCleanup(process.kill)
        return process

    def counting_app(self, port, count):
        return self.app(
            {"in": {"type": "files", "dir": "in"}},
            {"words": {"from": "in", "flat_map": {"word": "split(line)"}},
             "n": {"from": "words", "group_by": ["word"], "aggregate": {"n": "count()"}}},
            limits={"block": "64KiB"},
            executors={"count": count, "listen": "tcp://127.0.0.1:%d" % port})

    def expected(self, n_lines, text):
        """The counts of the text, and of the small files that make it n_lines."""
        small = b"a b\n" * (n_lines - text.count(b"\n"))
        path = self.write("../expected", text + small, aside=False)
        return sorted(awk("{ for (i = 1; i <= NF; i++) n[$i]++ }"
                          "END { for (w in n) print n[w], w }", path))

    def counts(self, run):
        total = {}
        for row in run.rows():
            total[row["word"]] = total.get(row["word"], 0) + row["n"]
        return sorted("%d %s" % (n, word) for word, n in total.items())

    def start_with(self, count):
        """A run with `count` executors of its own, and nobody's."""
        port = self.free_port()
        os.mkdir(self.path("in"))
        run = self.start(self.counting_app(port, count))
        run.until_log("executors may join")
        outside = self.join(port)
        return run, outside

    def give(self, run, text):
        """Gives the text when all executors take part; returns how many lines that makes."""
        n = itertools.count(1)
        def all_take_part():
            self.write("in/%d" % next(n), "a b\n")
            return run.last().get("executors") == run.joined
        run.until(all_take_part, "all take part")
        self.write("in/text", text)
        return text.count(b"\n") + next(n) - 1

    def test_the_same_results(self):
        text = words(50000)
        for count in (0, 1):
            run, outside = self.start_with(count)
            run.joined = count + 1
            n = self.give(run, text)
            run.until_rows_in(n)
            self.assertEqual(len(scenario.memfds(outside.pid)), 1)
            run.stop()
            self.assertEqual(outside.wait(scenario.PATIENCE), 0)
            self.assertEqual(self.counts(run), self.expected(n, text))
            shutil.rmtree(self.path("in"))

    def test_who_cannot_take_part_is_told(self):
        # Nobody may neither read what root saves nor write where root's sink does.
        for what in ("checkpoint", "sink"):
            port = self.free_port()
            sinks = {"out": {"from": "n", "type": "file", "dir": "out"}} if what == "sink" else None
            more = {"checkpoint": {"dir": "state"}} if what == "checkpoint" else {}
            run = self.start(self.app(
                {"in": {"type": "rate", "rows_per_second": 1000}},
                {"k": {"from": "in", "select": {"k": "value % 10"}},
                 "n": {"from": "k", "state": {"key": ["k"], "set": {
                     "n": "coalesce(state.n, 0) + count()"}}}}, sinks,
                executors={"count": 1, "listen": "tcp://127.0.0.1:%d" % port}, **more))
            run.until_log("executors may join")
            outside = self.join(port)
            self.assertEqual(outside.wait(scenario.PATIENCE), scenario.UNAVAILABLE)
            run.until_log("it cannot take part: cannot %s" %
                          ("write to" if what == "sink" else "open the checkpoint folder state"))
            with open(os.path.join(self.outside, "executor.err")) as err:
                self.assertIn("it cannot take part", err.read())
            run.until_batches(run.last().get("batches", 0) + 3)
            run.stop()
            self.assertEqual(run.last()["panes_lost"], 0)

    def test_blocks_of_a_dead_executor_come_from_the_driver(self):
        text = words(400000)
        for ticks in (2, 8, 16):
            run, outside = self.start_with(2)
            run.joined = 3
            n = self.give(run, text)
            victim = run.executors()[0]
            before = cpu_ticks(victim)
            run.until(lambda: cpu_ticks(victim) >= before + ticks or
                      run.last()["rows_in"] == n, "it works")
            self.kill(victim)
            run.until_rows_in(n)
            run.stop()
            self.assertEqual(self.counts(run), self.expected(n, text))
            self.assertEqual(run.last()["failed_batches"], 0)
            self.assertEqual(run.log().count("tasks run again"), 0)
            shutil.rmtree(self.path("in"))


if __name__ == "__main__":
    scenario.main()
