"""Bounded queues all the way to the socket: whatever is slow, its sender is slowed, memory stays
within limits.memory, and nothing is dropped. And senders of the odd shapes that would use it up."""
import json
import os
import re
import select
import socket
import subprocess
import threading
import time
import urllib.request

import scenario

MIB = 1 << 20
LIMIT = 64 * MIB


def pss(pid):
    """Proportional memory of a process, in bytes."""
    for line in scenario.read("/proc/%d/smaps_rollup" % pid).splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


class Sender(threading.Thread):
    """Sends pieces at full speed for ever; `sent` counts the bytes."""

    def __init__(self, s, pieces):
        super().__init__(daemon=True)
        self.socket, self.pieces, self.sent, self.stopping = s, pieces, 0, False
        self.lines = 0
        s.settimeout(None)
        self.start()

    def run(self):
        try:
            for piece in self.pieces:
                if self.stopping:
                    break
                self.socket.sendall(piece)
                self.sent += len(piece)
                self.lines += piece.count(b"\n")
        except OSError:
            pass


def numbers(width, at_once=1000, first=0):
    """Lines with numbers that count up, in pieces."""
    n = first
    while True:
        yield b"".join(b"%09d %s\n" % (i, b"z" * (width - 11)) for i in range(n, n + at_once))
        n += at_once


class Pressure(scenario.Scenario):
    def memory(self, run):
        total = 0
        for pid in [run.pid, *run.executors()]:
            try:
                total += pss(pid)
            except OSError:
                pass
        return total

    def watch(self, run, condition, what, seconds=scenario.PATIENCE):
        """Waits for a condition, and looks all the time that memory is within the limit."""
        most = 0
        def look():
            nonlocal most
            most = max(most, self.memory(run))
            if not scenario.SANITIZED:
                self.assertLess(most, LIMIT)
            return condition()
        run.until(look, what, seconds)
        return most

    def watch_for(self, run, seconds):
        end = time.monotonic() + seconds
        return self.watch(run, lambda: time.monotonic() > end, "some time passed",
                          seconds + scenario.PATIENCE)

    def standing_still(self, senders, quiet=1.5):
        """A condition: nothing was sent for some time."""
        state = [(-1, time.monotonic())]
        def check():
            sent = sum(s.sent for s in senders)
            if sent != state[0][0]:
                state[0] = (sent, time.monotonic())
            return time.monotonic() - state[0][1] > quiet
        return check

    def listening_app(self, streams=None, sinks=None, source=None, **more):
        self.port = self.free_port()
        more.setdefault("executors", {"count": 2})
        limits = dict({"memory": "64MiB", "block": "1MiB"}, **more.pop("limits", {}))
        return self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % self.port,
                                **(source or {})}}, streams, sinks, interval="50ms",
                        limits=limits, **more)

    def total(self):
        """The sum of `n` in the whole lines of what an append sink has written so far."""
        text = scenario.read(self.path("out"), "")
        return sum(json.loads(line)["n"] for line in text[:text.rfind("\n") + 1].splitlines())


class Slow(Pressure):
    """Something behind the source is slow."""

    def check_lines(self, lines):
        """All lines that a sender sent are there, in order, once."""
        for i, line in enumerate(lines):
            self.assertEqual(int(json.loads(line)["line"].split()[0]), i)

    def test_a_console_that_nobody_reads(self):
        api = self.free_port()
        run = self.start(self.listening_app(api={"listen": "127.0.0.1:%d" % api}), "--set",
                         "executors.heartbeat=5s", stdout=subprocess.PIPE)
        run.until_log("listening on")
        sender = Sender(self.connect(self.port), numbers(100))
        self.watch(run, self.standing_still([sender]), "the sender waits")
        stood = sender.sent
        self.watch_for(run, 2)
        self.assertEqual(sender.sent, stood)
        self.assertGreater(stood, 0)
        run.until_log("batches wait: ")
        def figure(name):
            with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % api) as page:
                return float(re.search(r"^dstream_%s (\S+)$" % name, page.read().decode(), re.M)[1])
        run.until(lambda: figure("receiver_stops_total") > 0, "that it stopped reading is told")
        self.assertGreater(figure("batches_waiting"), 0)
        self.assertGreater(figure("behind_seconds"), 1)
        self.assertEqual(figure("ready"), 0)
        # Somebody reads: all of it comes out, once and in order, and the sender goes on.
        sender.stopping = True
        rows, output = [], run.process.stdout
        def reader():
            for line in output:
                rows.append(line)
        self.background(reader)
        self.watch(run, lambda: not sender.is_alive() and len(rows) >= sender.lines,
                   "all rows came out")
        self.check_lines(rows)
        self.assertGreater(sender.sent, stood)
        run.until_log("batches keep up again")
        run.stop()

    def test_progress_that_nobody_reads(self):
        """The driver itself waits in a write. Nothing piles up but what there is credit for."""
        app = self.listening_app({"n": {"from": "in", "aggregate": {"n": "count()"}}},
                                 {"out": {"from": "n", "type": "append", "path": "out"}})
        reader, writer = os.pipe()
        environment = dict(os.environ, TMPDIR=self.tmpdir)
        environment[scenario.MARK] = self.mark
        process = subprocess.Popen([scenario.BINARY, "run", app, "--progress", "json"],
                                   cwd=self.dir, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=writer)
        os.close(writer)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        run = self.attach(process)
        sender = Sender(self.connect(self.port), numbers(100))
        self.watch(run, self.standing_still([sender]), "the sender waits")
        self.watch_for(run, 2)
        sender.stopping = True
        os.set_blocking(reader, False)
        def counted():
            if select.select([reader], [], [], 0)[0]:
                os.read(reader, 1 << 20)
            return not sender.is_alive() and self.total() == sender.lines
        self.watch(run, counted, "all records were counted")
        process.terminate()
        scenario.until(lambda: counted() and process.poll() is not None, "it ends")

    def attach(self, process):
        """What looks like a Run, of a process that was started otherwise."""
        test = self
        class Attached:
            pid = process.pid
            def executors(self):
                return [pid for pid in scenario.processes_marked(test.mark)
                        if pid != process.pid]
            def until(self, condition, what, seconds=scenario.PATIENCE):
                return scenario.until(condition, what, seconds)
        return Attached()

    def test_tasks_that_are_slow(self):
        slow = ["function slow(s)", "  local x = 0", "  for i = 1, 20000 do x = x + i % 7 end",
                "  return x", "end"]
        app = self.listening_app({"w": {"from": "in", "select": {"x": "slow(line)"}},
                                  "n": {"from": "w", "aggregate": {"n": "count()"}}},
                                 {"out": {"from": "n", "type": "append", "path": "out"}},
                                 functions={"slow": {"lua": slow, "args": ["string"],
                                                     "returns": "int"}})
        run = self.start(app)
        run.until_log("listening on")
        sender = Sender(self.connect(self.port), numbers(100))
        self.watch(run, self.standing_still([sender], 0.5), "the sender waits")
        self.watch_for(run, 3)
        sender.stopping = True
        self.assertEqual(run.last().get("blocks_lost", 0), 0)
        run.kill()

    def test_a_sink_that_fails(self):
        app = self.listening_app(sinks={"out": {"from": "in", "type": "file", "dir": "out"}})
        run = self.start(app)
        run.until_log("listening on")
        sender = Sender(self.connect(self.port), numbers(100))
        run.until(lambda: self.folders(), "some output")
        os.rename(self.path("out"), self.path("away"))
        with open(self.path("out"), "w"):
            pass  # now it is a file: nothing can be put there
        self.watch(run, self.standing_still([sender]), "the sender waits")
        run.until_log("batches wait: ")
        os.remove(self.path("out"))
        os.rename(self.path("away"), self.path("out"))
        stood = sender.sent
        self.watch(run, lambda: sender.sent > stood, "the sender goes on")
        sender.stopping = True
        sender.join()
        self.watch(run, lambda: run.last().get("rows_in", 0) == sender.lines, "all was read")
        run.stop()
        lines = [row["line"] for row in self.collect_rows()]
        self.assertEqual(len(lines), sender.lines)
        self.assertEqual(len(set(lines)), sender.lines)


class Hostile(Pressure):
    """Senders of odd shapes."""

    def goes_on(self, run, least=3):
        """A good client is served, and memory holds."""
        before = run.last().get("batches", 0)
        self.watch(run, lambda: run.last().get("batches", 0) >= before + least, "it goes on")

    def counting(self, **more):
        return self.listening_app({"n": {"from": "in", "aggregate": {"n": "count()"}}},
                                  {"out": {"from": "n", "type": "append", "path": "out"}}, **more)

    def test_many_connections_with_half_a_record(self):
        app = self.counting(limits={"record": "256KiB"})
        run = self.start(app)
        run.until_log("listening on")
        half = b"x" * 200000  # with 300 clients more than all memory there is
        clients = [self.connect(self.port) for _ in range(300)]
        for s in clients:
            s.settimeout(None)
        senders = [Sender(s, iter([half])) for s in clients]
        self.watch(run, lambda: self.standing_still(senders, 1)() or
                   all(not s.is_alive() for s in senders), "what can be taken was")
        # Others are served all the same.
        good = self.connect(self.port)
        good.sendall(b"a\nb\nc\n")
        self.watch(run, lambda: self.total() == 3, "a good client is served")
        for s in clients:
            self.background(lambda s=s: (s.sendall(b"end\n"), s.close()))
        self.watch(run, lambda: self.total() == 303, "all records came", 3 * scenario.PATIENCE)
        good.close()
        run.stop()

    def test_headers_that_change(self):
        app = self.listening_app({"n": {"from": "in", "aggregate": {"n": "count()"}}},
                                 {"out": {"from": "n", "type": "append", "path": "out"}},
                                 source={"format": "csv", "header": True,
                                         "schema": {"a": "string"}})
        run = self.start(app)
        run.until_log("listening on")
        clients = [self.connect(self.port) for _ in range(2)]
        clients[0].sendall(b"a,b\n")
        clients[1].sendall(b"b,a\n")
        stop = threading.Event()
        sent = [0]
        def alternate():  # each line of each makes a block of its own
            while not stop.is_set():
                for s in clients:
                    s.sendall(b"1,2\n")
                    sent[0] += 1
        sender = self.background(alternate)
        self.watch_for(run, 4)
        stop.set()
        sender.join()
        self.watch(run, lambda: self.total() == sent[0], "all records came")
        run.stop()

    def test_lines_without_end(self):
        app = self.counting()
        run = self.start(app)
        run.until_log("listening on")
        senders = [Sender(self.connect(self.port), iter(lambda: b"y" * 65536, None))
                   for _ in range(20)]
        self.watch_for(run, 3)
        for sender in senders:
            sender.stopping = True
        good = self.connect(self.port)
        good.sendall(b"a\n")
        self.watch(run, lambda: self.total() >= 1, "a good client is served")
        run.kill()

    def test_empty_lines(self):
        app = self.counting()
        run = self.start(app)
        run.until_log("listening on")
        senders = [Sender(self.connect(self.port), iter(lambda: b"\n" * 65536, None))
                   for _ in range(4)]
        self.watch_for(run, 4)
        for sender in senders:
            sender.stopping = True
            sender.socket.shutdown(socket.SHUT_RDWR)
        run.kill()

    def test_keys_that_are_all_different(self):
        app = self.listening_app({"n": {"from": "in", "group_by": ["line"],
                                        "aggregate": {"n": "count()"}}},
                                 {"out": {"from": "n", "type": "append", "path": "out"}})
        run = self.start(app)
        run.until_log("listening on")
        sender = Sender(self.connect(self.port), numbers(1000, 100))
        self.watch_for(run, 5)
        sender.stopping = True
        sender.join()
        self.watch(run, lambda: run.last().get("rows_in", 0) == sender.lines, "all was read",
                   3 * scenario.PATIENCE)
        run.stop()
        self.assertEqual(len(scenario.read(self.path("out")).splitlines()), sender.lines)
        self.assertEqual(run.last()["failed_batches"], 0)

    def test_keys_of_a_megabyte(self):
        app = self.listening_app({"n": {"from": "in", "group_by": ["line"],
                                        "aggregate": {"n": "count()"}},
                                  "s": {"from": "n", "aggregate": {"keys": "count()",
                                                                   "rows": "sum(n)"}}},
                                 {"out": {"from": "s", "type": "append", "path": "out"}},
                                 limits={"record": "1MiB", "block": "2MiB"})
        run = self.start(app)
        run.until_log("listening on")
        def big():
            for n in range(1 << 30):
                yield b"%09d" % n * 100000 + b"\n"
        sender = Sender(self.connect(self.port), big())
        self.watch_for(run, 5)
        sender.stopping = True
        sender.join()
        self.watch(run, lambda: run.last().get("rows_in", 0) == sender.lines, "all was read",
                   3 * scenario.PATIENCE)
        run.stop()
        rows = [json.loads(line) for line in scenario.read(self.path("out")).splitlines()]
        self.assertEqual(sum(row["rows"] or 0 for row in rows), sender.lines)

    def test_connections_that_come_and_go(self):
        app = self.counting()
        run = self.start(app)
        run.until_log("listening on")
        stop = threading.Event()
        sent = [0] * 4
        def come_and_go(i):
            while not stop.is_set():
                s = self.plain_connection()
                s.sendall(b"one\n")
                s.close()
                sent[i] += 1
        clients = [self.background(come_and_go, i) for i in range(len(sent))]
        self.watch_for(run, 4)
        stop.set()
        for client in clients:
            client.join()
        self.watch(run, lambda: self.total() == sum(sent), "all records came")
        run.stop()

    def plain_connection(self):
        s = socket.socket()
        s.settimeout(scenario.PATIENCE)
        s.connect(("127.0.0.1", self.port))
        return s


if __name__ == "__main__":
    scenario.main()
