"""What the architecture claims, seen from outside: no row passes through the driver, shared memory
is one segment for each executor, a rerun gives the same bytes; executors join over TCP."""
import os
import random
import socket
import struct
import time

import scenario
from scenario import UNAVAILABLE, memfds


class Claims(scenario.Scenario):
    def weblike(self, n=40000):
        generator = random.Random(8)
        return "".join("%d,%s,%g\n" % (i, generator.choice("abcdefgh") * 3, generator.random())
                       for i in range(n))

    def streams(self):
        return {"by": {"from": "in", "group_by": ["k"],
                       "aggregate": {"n": "count()", "f": "sum(f)", "l": "collect_list(n)"}},
                "keys": {"from": "in", "group_by": ["n"], "aggregate": {"f": "avg(f)"}},
                "top": {"from": "keys", "order_by": "f desc", "limit": 1000},
                "rows": {"from": "in", "where": "n % 3 = 0"}}

    def csv(self, **source):
        return {"format": "csv", "schema": {"n": "int", "k": "string", "f": "float"}, **source}

    def test_no_row_passes_through_the_driver(self):
        self.write("in/a", self.weblike())
        sinks = {name: {"from": name, "type": "file", "dir": "out/" + name}
                 for name in self.streams()}
        app = self.app({"in": self.csv(type="files", dir="in")}, self.streams(), sinks)
        run = self.run_now(app)
        self.assertGreater(run.last()["rows_out"], 50000)
        self.assertEqual(run.last()["driver_bytes"], 0)
        sinks["screen"] = {"from": "top", "type": "console"}
        app = self.app({"in": self.csv(type="files", dir="in")}, self.streams(), sinks)
        run = self.run_now(app, "--set", "sinks.rows.dir=other")
        self.assertEqual(run.last()["driver_bytes"], len(run.out().encode()))

    def test_one_segment_for_each_executor(self):
        # However many blocks, batches and shuffles: each process sees as many segments as there
        # are executors, and they are the same ones.
        port = self.free_port()
        app = self.app({"in": self.csv(type="socket", listen="127.0.0.1:%d" % port)},
                       self.streams(),
                       {name: {"from": name, "type": "file", "dir": "out/" + name}
                        for name in self.streams()}, interval="20ms",
                       limits={"record": "1KiB", "block": "16KiB"})
        for executors in (1, 3):
            run = self.start(app, "--executors", str(executors))
            client = self.connect(port)
            data = self.weblike(2000).encode()
            client.sendall(data)
            run.until_rows_in(2000)
            first = [memfds(pid) for pid in [run.pid, *run.executors()]]
            for i in range(1, 20):
                client.sendall(data)
                run.until_rows_in(2000 * (i + 1))
            now = [memfds(pid) for pid in [run.pid, *run.executors()]]
            self.assertEqual(now, first)
            self.assertEqual(len(run.executors()), executors)
            for segments in now:
                self.assertEqual(set(segments), set(now[0]))
                self.assertEqual(len(segments), executors)
            client.close()
            run.stop()

    def test_segments_of_dead_executors_are_given_back(self):
        app = self.app({"r": {"type": "rate", "rows_per_second": 1000}},
                       {"g": {"from": "r", "group_by": ["value"]}},
                       {"out": {"from": "g", "type": "file", "dir": "out"}}, interval="20ms")
        run = self.start(app)
        for _ in range(3):
            for pid in run.until_executors(2):
                self.kill(pid)
            run.until(lambda: run.last().get("executors") == 2 and len(run.executors()) == 2,
                      "there are new executors")
            batches = run.last()["batches"]
            run.until_batches(batches + 3)
        run.until(lambda: len(memfds(run.pid)) == 2, "the driver holds two segments")
        for pid in run.executors():
            run.until(lambda: len(memfds(pid)) == 2, "an executor holds two segments")
        descriptors = len(os.listdir("/proc/%d/fd" % run.pid))
        self.assertLess(descriptors, 100)
        run.stop()

    def test_a_rerun_gives_the_same_bytes(self):
        self.write("in/a", self.weblike(20000))
        self.write("in/b", self.weblike(3000))
        app = self.app({"in": self.csv(type="files", dir="in")}, self.streams(),
                       {name: {"from": name, "type": "file", "dir": "${OUT}/" + name,
                               "format": "csv" if name == "by" else "json"}
                        for name in self.streams()}, limits={"record": "1KiB", "block": "16KiB"})
        for executors, cores in (("1", "1"), ("2", "1"), ("2", "3"), ("4", "1")):
            runs = []
            for i in range(3):
                out = "out-%s-%s-%d" % (executors, cores, i)
                self.run_now(app, "--executors", executors, "--cores", cores, env={"OUT": out})
                files = {}
                for name in self.streams():
                    (time_ms,) = self.folders(out + "/" + name)
                    for part in self.parts(time_ms, out + "/" + name):
                        files[name, part] = scenario.read(
                            self.path(out, name, str(time_ms), part))
                runs.append(files)
            for other in runs[1:]:
                self.assertEqual(set(runs[0]), set(other))
                for key in runs[0]:
                    self.assertTrue(runs[0][key] == other[key], key)

    def test_order_does_not_depend_on_executors(self):
        # Lists, firsts and ties are in the order of the sources, whoever reads them.
        self.write("in/a", self.weblike(20000))
        self.write("in/b", self.weblike(3000))
        app = self.app({"in": self.csv(type="files", dir="in"),
                        "also": self.csv(type="files", dir="in", pattern="b")},
                       {"u": {"from": ["in", "also"], "group_by": ["k"], "aggregate": {
                           "l": "collect_list(n)", "first": "first(f)", "last": "last(f)",
                           "mb": "min_by(n, k)", "t": "string_agg(cast(n as string), ' ')"}}},
                       limits={"record": "1KiB", "block": "16KiB"})
        outs = {frozenset(self.run_now(app, "--executors", e, "--cores", c).out().splitlines())
                for e, c in (("1", "1"), ("2", "1"), ("1", "4"), ("4", "2"))}
        self.assertEqual(len(outs), 1)


class Joining(scenario.Scenario):
    """`dstream executor --driver tcp://…` joins an app with executors.listen."""

    def listening(self, count=0, **more):
        self.port = self.free_port()
        os.makedirs(self.path("in"), exist_ok=True)
        app = self.app({"in": {"type": "files", "dir": "in"}},
                       {"n": {"from": "in", "group_by": ["line"], "aggregate": {"n": "count()"}}},
                       {"out": {"from": "n", "type": "file", "dir": "out"}}, interval="50ms",
                       executors={"count": count, "listen": "tcp://127.0.0.1:%d" % self.port},
                       **more)
        run = self.start(app)
        run.until_log("executors may join at tcp://127.0.0.1:%d" % self.port)
        return run

    def join(self, *options):
        return scenario.Run(self, ["executor", "--driver", "tcp://127.0.0.1:%d" % self.port,
                                   *options])

    def feed(self, run, n):
        """Adds a file and waits until all n records so far are counted."""
        self.write("in/%04d" % n, "word %d\n" % n)
        run.until(lambda: sum(row["n"] for row in self.collect_rows()) == n,
                  "%d records are counted" % n)

    def test_joins_and_works(self):
        run = self.listening()
        one = self.join("--cores", "2", "--memory", str(256 << 20))
        self.feed(run, 1)
        two = self.join()
        run.until(lambda: self.more(run).get("executors") == 2, "both work")
        n = self.counted()
        for i in range(n + 1, n + 6):
            self.feed(run, i)
        self.assertEqual(run.executors(), [])  # none that the driver started
        run.stop()
        for executor in (one, two):
            executor.wait()
            self.assertEqual(executor.out(), "")

    def counted(self):
        return sum(row["n"] for row in self.collect_rows())

    def more(self, run):
        """One record more, and the progress after it."""
        self.feed(run, self.counted() + 1)
        return run.last()

    def test_beside_the_drivers_own(self):
        run = self.listening(count=1)
        self.feed(run, 1)
        other = self.join()
        run.until(lambda: self.more(run).get("executors") == 2, "it works")
        other.process.kill()
        run.until(lambda: self.more(run).get("executors") == 1, "its loss is seen")
        self.more(run)
        self.join()
        run.until(lambda: self.more(run).get("executors") == 2, "another one works")
        run.stop()
        self.assertEqual(run.last()["failed_batches"], 0)

    def test_the_driver_is_killed(self):
        run = self.listening()
        executor = self.join()
        self.feed(run, 1)
        run.kill()
        executor.wait(UNAVAILABLE)
        self.assertIn("lost", executor.err())

    def test_nobody_listens(self):
        self.port = self.free_port()
        executor = self.join()
        executor.wait(UNAVAILABLE)
        self.assertIn("127.0.0.1:%d" % self.port, executor.err())

    def test_only_loopback(self):
        app = self.app({"r": {"type": "rate", "rows_per_second": 1}},
                       executors={"listen": "tcp://0.0.0.0:9999"})
        self.start(app).wait(scenario.WRONG_APP)

    def test_a_port_in_use(self):
        _, port = self.server()
        app = self.app({"r": {"type": "rate", "rows_per_second": 1}},
                       executors={"listen": "tcp://127.0.0.1:%d" % port})
        run = self.start(app)
        run.wait(UNAVAILABLE)
        self.assertIn("%d" % port, run.log())

    def test_strangers_change_nothing(self):
        run = self.listening(count=1)
        self.feed(run, 1)
        generator = random.Random(2)
        sp = b"\0SP\0"
        held = []
        for i in range(60):
            s = socket.create_connection(("127.0.0.1", self.port))
            s.settimeout(1)
            held.append(s)
            kind = i % 6
            try:
                if kind == 0:
                    s.sendall(generator.randbytes(generator.randrange(1, 5000)))
                elif kind == 1:
                    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                elif kind == 2:  # a right greeting of the transport, then nonsense
                    s.sendall(sp + struct.pack(">HH", 0x10, 0) + generator.randbytes(500))
                elif kind == 3:  # a message that says it is enormous
                    s.sendall(sp + struct.pack(">HH", 0x10, 0) + struct.pack(">Q", 1 << 62))
                elif kind == 4:  # small messages of nonsense
                    body = generator.randbytes(40)
                    s.sendall(sp + struct.pack(">HH", 0x10, 0)
                              + (struct.pack(">Q", len(body)) + body) * 50)
                # and some only connect
            except OSError:
                pass  # hung up on: as it should be
            if i % 10 == 9:
                self.more(run)
        for s in held:
            s.close()
        n = self.counted()
        for i in range(n + 1, n + 4):
            self.feed(run, i)
        self.assertEqual(run.last()["executors_lost"], 0)
        executor = self.join()
        run.until(lambda: self.more(run).get("executors") == 2, "a real one may still join")
        run.stop()
        executor.wait()

    def test_another_version(self):
        # The same program that says that it is another version, byte for byte as long.
        version = self.command("version").out().split()[1].encode()
        with open(scenario.BINARY, "rb") as file:
            program = file.read()
        other = bytes(version[:-1]) + (b"9" if version[-1:] != b"9" else b"8")
        changed = program.replace(version + b"\0", other + b"\0")
        self.assertNotEqual(changed, program)
        path = self.write("other-dstream", changed)
        os.chmod(path, 0o755)
        run = self.listening(count=1)
        self.feed(run, 1)
        binary, scenario.BINARY = scenario.BINARY, path
        try:
            executor = self.join()
        finally:
            scenario.BINARY = binary
        executor.wait(UNAVAILABLE)
        self.assertIn("version", executor.err())
        self.assertEqual(self.more(run).get("executors"), 1)
        run.stop()

    def test_an_executor_of_another_app(self):
        run = self.listening(count=1)
        executor = self.join("--app", "another", "--id", "77")
        executor.wait(UNAVAILABLE)
        self.assertIn("does not belong", executor.err())
        self.feed(run, 1)
        run.stop()


if __name__ == "__main__":
    scenario.main()
