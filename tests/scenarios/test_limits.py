"""Odd surroundings and limits that are reached: each has a defined outcome."""
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
import unittest

import scenario
from scenario import BUG, status_field


class Memory(scenario.Scenario):
    def test_a_batch_that_needs_too_much(self):
        # It is given up and reported; the app goes on, and ends with that batch's status.
        self.write("in/a", "small\n")
        app = self.app({"in": {"type": "files", "dir": "in"}},
                       {"l": {"from": "in", "aggregate": {"n": "count()",
                                                          "l": "collect_list(line)"}},
                        "n": {"from": "l", "select": {"n": "n"}}},
                       executors={"memory": "32MiB"}, limits={"memory": "64MiB", "block": "1MiB"},
                       checkpoint={"dir": "state"})
        run = self.start(app)
        run.until(lambda: {"n": 1} in run.rows(), "the small one is there")
        self.write("in/b", ("x" * 99 + "\n") * 600000)
        run.until_log("was given up")
        self.write("in/c", "small\nagain\n")
        run.until(lambda: {"n": 2} in run.rows(), "the next one is there")
        run.stop(BUG)
        self.assertEqual(run.last()["failed_batches"], 1)
        self.assertEqual(run.last()["executors_lost"], 0)
        self.assertEqual([row["n"] for row in run.rows() if row["n"] > 2], [])
        for _ in range(2):  # what it held is known, also after the next run
            shown = self.command("checkpoint", "show", "state").out()
            failed, = json.loads(shown)["failed"]
            self.assertIn("memory", failed["reason"])
            self.assertEqual([(part["file"], part["from"]) for part in failed["inputs"]["in"]][:1],
                             [("in/b", 0)])
            again = self.run_now(app)
            self.assertIn("1 batches were given up before", again.log())

    def test_more_rows_for_the_console_than_the_store(self):
        app = self.app({"in": {"type": "stdin"}}, executors={"memory": "16MiB", "count": 1},
                       limits={"memory": "64MiB", "block": "1MiB"}, interval="100ms")
        line = "y" * 999
        path = self.write("text", (line + "\n") * 60000)
        with open(path, "rb") as file:
            run = self.start(app, stdin=file)
            run.process.wait(scenario.PATIENCE)
        self.assertEqual(run.process.returncode, 0)
        self.assertEqual(run.out().count(line + "\"}\n"), 60000)

    def test_more_rows_of_files_than_the_store(self):
        self.write("in/a", ("y" * 999 + "\n") * 60000)
        for streams in ({"o": {"from": "in", "order_by": "line"}}, {"w": {"from": "in"}},
                        {"w": {"from": "in", "window": "100ms"}}):
            app = self.app({"in": {"type": "files", "dir": "in"}}, streams,
                           executors={"memory": "32MiB"}, limits={"memory": "64MiB",
                                                                  "block": "1MiB"})
            run = self.run_now(app)
            self.assertEqual(run.out().count("yyy\"}\n"), 60000)
            self.assertGreater(run.last()["batches"], 10)

    def test_many_sources_in_little_memory(self):
        # Each has room to read into, however many share the least memory there may be.
        ports = [self.free_port() for _ in range(6)]
        sources = {"s%d" % i: {"type": "socket", "listen": "127.0.0.1:%d" % port}
                   for i, port in enumerate(ports)}
        app = self.app(sources, {"n": {"from": list(sources), "group_by": ["line"],
                                       "aggregate": {"n": "count()"}}},
                       {"out": {"from": "n", "type": "file", "dir": "out"}},
                       executors={"memory": "16MiB", "count": 1}, limits={"memory": "16MiB"})
        run = self.start(app)
        line = "w" * 1000
        threads = [self.background(self.send, port, (line + "\n") * 5000) for port in ports]
        for thread in threads:
            thread.join(scenario.PATIENCE)
        run.until(lambda: sum(row["n"] for row in self.collect_rows()) == 30000, "all is counted")
        run.stop()

    @unittest.skipIf(scenario.SANITIZED, "memory is another with sanitizers")
    def test_a_reader_that_is_slow(self):
        # Nobody reads the rows for a while: the sender waits, memory stays as it is.
        app = self.app({"in": {"type": "stdin"}}, executors={"memory": "64MiB"},
                       limits={"memory": "64MiB", "block": "1MiB"}, interval="20ms")
        total = 400000
        sender = subprocess.Popen(["seq", "-f", "%.0f " + "z" * 90, str(total)],
                                  stdout=subprocess.PIPE)
        run = self.start(app, stdin=sender.stdout, stdout=subprocess.PIPE)
        sender.stdout.close()
        run.until_executors(2)
        pids = [run.pid, *run.executors()]
        before = []
        def is_flat():
            nonlocal before
            time.sleep(1)
            now = [status_field(pid, "VmRSS") for pid in pids]
            flat = bool(before) and all(b < a + 2048 for a, b in zip(before, now))
            before = now
            return flat
        run.until(is_flat, "memory stays as it is")
        self.assertIsNone(sender.poll(), "the sender waits")
        count = sum(1 for _ in run.process.stdout)
        run.wait()
        self.assertEqual(count, total)
        sender.wait()


class Surroundings(scenario.Scenario):
    def test_few_descriptors(self):
        # More clients than descriptors: the others wait in the system's queue.
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port}},
                       {"n": {"from": "in", "group_by": ["line"], "aggregate": {"n": "count()"}}},
                       {"out": {"from": "n", "type": "file", "dir": "out"}})
        run = self.start(app, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (48, 48)))
        run.until_log("listening")
        clients = [self.connect(port) for _ in range(60)]
        for client in clients:
            client.sendall(b"word\n")
        def count():
            return sum(row["n"] for row in self.collect_rows())
        while clients:
            run.until(count, "some are served")
            served = count()
            for _ in range(min(10, len(clients))):
                clients.pop(0).close()
            run.until(lambda: count() > served or count() == 60, "others are served")
        run.until(lambda: count() == 60, "all are served")
        run.stop()
        self.assertEqual(run.last()["executors_lost"], 0)

    def test_odd_paths(self):
        odd = "a folder, \u00e4 %s $HOME 'x' \"y\""
        real = os.path.join(self.outside, "elsewhere")
        os.mkdir(real)
        os.symlink(real, self.path(odd))
        self.write("elsewhere-file", "linked\n")
        self.write(os.path.join(odd, "a file\u20ac"), "plain\n")
        os.symlink(self.path("elsewhere-file"), self.path(odd, "link"))
        os.symlink("nowhere", self.path(odd, "dangling"))
        app = self.app({"in": {"type": "files", "dir": self.path(odd)}}, None,
                       {"out": {"from": "in", "type": "file", "dir": "o/" + odd}},
                       checkpoint={"dir": "s/" + odd}, file="an app \u00e4.json")
        self.run_now(app)
        self.assertRows(self.collect_rows("o/" + odd), [{"line": "plain"}, {"line": "linked"}])
        self.run_now(app)
        self.assertEqual(len(self.collect_rows("o/" + odd)), 2)

    def test_ipv6(self):
        try:
            with socket.socket(socket.AF_INET6) as s:
                s.bind(("::1", 0))
                port = s.getsockname()[1]
        except OSError:
            self.skipTest("no IPv6 here")
        self.ports.append(port)
        app = self.app({"in": {"type": "socket", "listen": "[::1]:%d" % port}}, None,
                       {"out": {"from": "in", "type": "file", "dir": "out"}})
        run = self.start(app)
        run.until_log("listening on [::1]:%d" % port)
        with socket.create_connection(("::1", port)) as s:
            s.sendall(b"six\n")
        run.until(lambda: self.collect_rows() == [{"line": "six"}], "it is there")
        run.stop()

    def test_many_apps_at_once(self):
        runs = []
        for i in range(5):
            app = self.app({"r": {"type": "rate", "rows_per_second": 1000}}, None,
                           {"out": {"from": "r", "type": "file", "dir": "out%d" % i}},
                           name="same", file="app%d.json" % i)
            runs.append(self.start(app))
        for run in runs:
            run.until_batches(3)
        for run in runs:
            run.signal(signal.SIGTERM)
        for i, run in enumerate(runs):
            run.wait()
            values = [row["value"] for row in self.collect_rows("out%d" % i)]
            self.assertEqual(values, list(range(len(values))))
            self.assertEqual(run.last()["executors_lost"], 0)

    def test_the_binary_is_replaced_while_it_runs(self):
        binary = scenario.BINARY
        path = os.path.join(self.outside, "dstream")
        shutil.copy(binary, path)
        scenario.BINARY = path
        try:
            run = self.start(self.app({"r": {"type": "rate", "rows_per_second": 1000}}))
        finally:
            scenario.BINARY = binary
        run.until_batches(2)
        os.remove(path)
        with open(path, "w") as file:
            file.write("not a program\n")
        pids = run.executors()
        for pid in pids:
            self.kill(pid)
        run.until(lambda: len(run.executors()) == 2 and not set(pids) & set(run.executors()),
                  "there are new executors")
        batches = run.last()["batches"]
        run.until_batches(batches + 3)
        run.stop()

    def test_a_tiny_interval(self):
        app = self.app({"r": {"type": "rate", "rows_per_second": 1000}},
                       {"w": {"from": "r", "window": {"size": "20ms", "slide": "5ms"},
                              "aggregate": {"n": "count()", "s": "sum(value)"}}},
                       {"out": {"from": "w", "type": "file", "dir": "out"}}, interval="1ms")
        run = self.start(app)
        run.until_rows_in(700)
        run.stop()
        out = self.collect()
        times = list(out)
        self.assertEqual(times, list(range(times[0], times[-1] + 5, 5)))
        for time_ms in times[4:]:  # 20 consecutive values
            row = out[time_ms][0]
            self.assertEqual(row["n"], 20)
            self.assertEqual(row["s"] % 20, 10)  # 20 a + (0 + .. + 19)


class Metadata(scenario.Scenario):
    def app_with(self, **checkpoint):
        return self.app({"r": {"type": "rate", "rows_per_second": 1000}}, None,
                        {"out": {"from": "r", "type": "file", "dir": "out"}}, interval="2ms",
                        checkpoint={"dir": "state", **checkpoint})

    def files(self):
        path = self.path("state/metadata")
        return sorted(os.listdir(path)) if os.path.exists(path) else []

    def test_old_files_are_dropped(self):
        for _ in range(6):
            run = self.start(self.app_with(retain=2))
            run.until_batches(2)
            run.stop()
        self.assertLessEqual(len(self.files()), 3)
        self.assertIn("0000000006.jsonl", self.files())

    def test_a_journal_does_not_grow_for_ever(self):
        run = self.start(self.app_with(retain=0))
        run.until(lambda: self.files() and self.files()[-1] >= "0000000003", "a third file",
                  seconds=2 * scenario.PATIENCE)
        run.kill()  # now the files stay as they are
        size = sum(os.path.getsize(self.path("state/metadata", name)) for name in self.files())
        self.assertLess(size, 2 << 20)
        self.assertLessEqual(len(self.files()), 2)
        run = self.start(self.app_with(retain=0))
        run.until_batches(10)
        run.stop()
        values = [row["value"] for row in self.collect_rows()]
        self.assertEqual(values, list(range(len(values))))


if __name__ == "__main__":
    scenario.main()
