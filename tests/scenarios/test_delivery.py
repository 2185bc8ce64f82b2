"""What a sender may believe (docs/delivery.md): whatever is killed, what was acknowledged or is in
the log is in the output, and nothing is there twice that was sent once."""
import collections
import json
import os
import resource
import socket
import subprocess
import time
import unittest

import scenario
from scenario import WRONG_APP, Scenario, read, until
from sender import Sender


class Delivery(Scenario):
    def socket_app(self, port, sink="file", ack=True, streams=None, sinks=None, **more):
        sinks = sinks or {"out": {"from": "in", "type": "file", "dir": "out"}} if sink == "file" else \
            {"out": {"from": "in", "type": "append", "path": "out.jsonl"}}
        return self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port, "ack": ack}},
                        streams, sinks, checkpoint={"dir": "state", "every": "500ms"}, **more)

    def lines(self, sink="file"):
        if sink == "file":
            rows = self.collect_rows() if os.path.isdir(self.path("out")) else []
            return [row["line"] for row in rows]
        return [json.loads(line)["line"] for line in read(self.path("out.jsonl"), "").splitlines()]

    def check(self, sender, sink="file"):
        """All that was sent is there; only what was sent twice may be there twice."""
        self.assertIsNone(sender.wrong)
        self.assertEqual(sender.safe, sender.next)
        counts = collections.Counter(int(line) for line in self.lines(sink))
        self.assertEqual(sorted(counts), list(range(sender.next)))
        twice = {n for n, count in counts.items() if count > 1}
        self.assertLessEqual(twice, sender.again)

    def segments(self, source="in"):
        path = self.path("state/log", source)
        return sorted(os.listdir(path)) if os.path.isdir(path) else []


class Acknowledged(Delivery):
    def torture(self, kill, sink="file", rounds=4, env=None, **more):
        """kill(run) kills something; returns True if a new driver is to be started."""
        port = self.free_port()
        app = self.socket_app(port, sink, **more)
        run = self.start(app, env=env)
        sender = Sender(port)
        sender.start()
        for _ in range(rounds):
            before = sender.safe
            run.until(lambda: sender.safe > before + 50, "some are acknowledged")
            if kill(run):
                run.process.wait()
                run = self.start(app, env=env)
        before = sender.safe
        run.until(lambda: sender.safe > before + 50, "some more are acknowledged")
        sender.finish()
        run.stop()
        self.check(sender, sink)
        return run

    def kill_driver(self, run):
        run.kill()
        return True

    def kill_receiver(self, run):
        for pid in run.executors():
            if self.listens(pid):
                self.kill(pid)
        return False

    def kill_all(self, run):
        for pid in run.executors():
            scenario.halt(pid)  # nothing is written any more, but by whom writes now
        for pid in run.executors() + [run.pid]:
            self.kill(pid)
        return True

    def listens(self, pid):
        inodes = {line.split()[9] for line in read("/proc/net/tcp").splitlines()[1:]
                  if line.split()[3] == "0A"}
        try:
            links = [os.readlink("/proc/%d/fd/%s" % (pid, fd))
                     for fd in os.listdir("/proc/%d/fd" % pid)]
        except OSError:
            return False
        return any(link[8:-1] in inodes for link in links if link.startswith("socket:["))

    def test_drivers_die(self):
        self.torture(self.kill_driver)

    def test_drivers_die_append(self):
        self.torture(self.kill_driver, "append")

    def test_executors_with_receivers_die(self):
        run = self.torture(self.kill_receiver)
        self.assertEqual(run.last()["records_lost"], 0)

    def test_executors_without_shared_memory_die(self):
        run = self.torture(self.kill_receiver, env={"DSTREAM_SHARED_MEMORY": "off"})
        self.assertEqual(run.last()["records_lost"], 0)
        self.assertEqual(run.last()["blocks_lost"], 0)

    def test_the_checkpoint_is_away(self):
        # Another folder is in its place: no log is begun there, and nothing acknowledged.
        def away(said, kill):
            def move(run):
                os.rename(self.path("state"), self.path("away"))
                os.mkdir(self.path("state"))
                if kill:
                    self.kill_receiver(run)
                run.until_log(said)
                self.assertEqual(os.listdir(self.path("state")), [])
                os.rmdir(self.path("state"))
                os.rename(self.path("away"), self.path("state"))
                return False
            return move
        self.torture(away("nothing more is read until it can", False), rounds=1)
        os.rename(self.path("state"), self.path("before"))
        os.rename(self.path("out"), self.path("out-before"))
        run = self.torture(away("nothing is received until it can", True), rounds=1)
        self.assertEqual(run.last()["records_lost"], 0)

    def test_executors_with_receivers_hang(self):
        """They are given up for their silence, and killed; nobody waits for what they hold."""
        def hang(run):
            for pid in run.executors():
                if self.listens(pid):
                    scenario.halt(pid)
            return False
        self.HEARTBEAT = "1s"
        self.torture(hang, rounds=2)

    def test_all_die(self):
        self.torture(self.kill_all, rounds=3)

    def test_old_segments_go(self):
        """Each start has a receiver of its own; what the ones before wrote goes in the end."""
        self.torture(self.kill_driver, rounds=5)
        self.assertLessEqual(len(self.segments()), 2)

    def check_totals(self):
        """The state of each last digit says how often it came, the windows together, too."""
        counts = collections.Counter(line[-1] for line in self.lines())
        rows = [json.loads(line) for line in read(self.path("totals.jsonl")).splitlines()]
        self.assertEqual({row["digit"]: row["n"] for row in rows}, counts)
        windows = collections.Counter()
        for row in self.collect_rows("windows"):
            windows[row["digit"]] += row["n"]
        for digit, n in windows.items():
            self.assertLessEqual(n, counts[digit])

    def torture_state(self, kill, **more):
        digit = {"from": "in", "select": {"digit": "right(line, 1)"}}
        self.torture(kill, **more, streams={
            "digits": digit,
            "totals": {"from": "digits", "state": {
                "key": ["digit"], "set": {"n": "coalesce(state.n, 0) + count()"}}},
            "windows": {"from": "digits", "window": "300ms", "group_by": ["digit"],
                        "aggregate": {"n": "count()"}}}, sinks={
            "out": {"from": "in", "type": "file", "dir": "out"},
            "totals": {"from": "totals", "type": "append", "path": "totals.jsonl"},
            "windows": {"from": "windows", "type": "file", "dir": "windows"}})
        self.check_totals()

    def test_state_when_drivers_die(self):
        self.torture_state(self.kill_driver)

    def test_state_when_executors_die(self):
        self.torture_state(self.kill_receiver)

    def test_state_without_shared_memory(self):
        """What retained batches wrote is gone with an executor, and is made again from the log."""
        self.torture_state(self.kill_receiver, env={"DSTREAM_SHARED_MEMORY": "off"})

    def test_state_when_all_die(self):
        self.torture_state(self.kill_all)

    def test_graceful_stops(self):
        """A stop tells all that it took: nothing that was told, and nothing else, is there."""
        port = self.free_port()
        app = self.socket_app(port)
        sender = Sender(port)
        sender.start()
        for _ in range(3):
            run = self.start(app)
            before = sender.safe
            run.until(lambda: sender.safe > before + 50, "some are acknowledged")
            run.stop()
        run = self.start(app)
        sender.finish()
        run.stop()
        self.check(sender)
        counts = collections.Counter(self.lines())
        self.assertEqual(max(counts.values()), 1)

    def test_the_sender_listens(self):
        """The same on a connection that dstream makes."""
        server, port = self.server()
        app = self.app({"in": {"type": "socket", "connect": "127.0.0.1:%d" % port, "ack": True}},
                       {}, {"out": {"from": "in", "type": "file", "dir": "out"}},
                       checkpoint={"dir": "state"})
        run = self.start(app)
        peer = self.accept(server)
        peer.sendall(b"a\nb\nc")
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(peer.makefile("rb").read().split(b"\n")[-2:], [b"3", b""])
        run.stop()
        self.assertEqual(sorted(self.lines()), ["a", "b", "c"])


class Unacknowledged(Delivery):
    def until_logged(self, run, n_bytes, source="in"):
        def logged():
            folder = self.path("state/log", source)
            return sum(os.path.getsize(os.path.join(folder, name))
                       for name in self.segments(source)) >= n_bytes
        run.until(logged, "%d bytes are in the log" % n_bytes)

    def test_standard_input(self):
        """What was read and is in the log survives the driver; the batch ran into an obstacle."""
        app = self.app({"in": {"type": "stdin"}}, {},
                       {"out": {"from": "in", "type": "file", "dir": "out"}},
                       checkpoint={"dir": "state"})
        reader, writer = os.pipe()
        run = self.start(app, stdin=reader)
        os.close(reader)
        text = "".join("%d\n" % n for n in range(5000))
        os.write(writer, text.encode())
        self.until_logged(run, len(text))
        run.kill()
        os.close(writer)
        run = self.start(app)
        run.wait()
        self.assertEqual(sorted(int(line) for line in self.lines()), list(range(5000)))

    def test_the_metadata_is_gone(self):
        # A log says nothing of what was done with it; by itself in a new folder it is new.
        port = self.free_port()
        app = self.socket_app(port, ack=False)
        run = self.start(app)
        run.until_log("listening")
        self.send(port, "1\n2\n")
        run.until(lambda: len(self.lines()) == 2, "rows are there")
        run.kill()
        os.rename(self.path("state/metadata"), self.path("gone"))
        refused = self.start(app)
        refused.wait(WRONG_APP)
        verify = self.command("checkpoint", "verify", "state", status=WRONG_APP)
        for said in (refused.log(), verify.err()):
            self.assertIn("its metadata is gone, though log/ has something", said)
        os.rename(self.path("state"), self.path("before"))
        os.mkdir(self.path("state"))
        os.rename(self.path("before/log"), self.path("state/log"))
        run = self.start(app)
        run.until(lambda: len(self.lines()) == 4, "they come again")
        run.stop()

    def test_records_keep_their_numbers(self):
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port,
                               "format": "json", "schema": {"n": "int"},
                               "on_error": "dead_letter"}},
                       {}, {"out": {"from": "in", "type": "file", "dir": "out"}},
                       dead_letters="bad.jsonl", checkpoint={"dir": "state"})
        for start in range(2):
            run = self.start(app)
            run.until_log("listening")  # and not the executors of the one that was killed
            self.send(port, '{"n":1}\nbad\n{"n":2}\n')
            run.until(lambda: read(self.path("bad.jsonl"), "").count("\n") == start + 1, "a letter")
            run.kill()
        letters = read(self.path("bad.jsonl"))
        self.assertIn('"position":{"record":2}', letters)
        self.assertIn('"position":{"record":5}', letters)

    def test_headers_survive(self):
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port, "format": "csv",
                               "header": True, "schema": {"a": "int", "b": "string"}}},
                       {}, {"out": {"from": "in", "type": "file", "dir": "out"}},
                       checkpoint={"dir": "state"}, interval=scenario.NEVER)
        run = self.start(app)
        run.until_log("listening")
        texts = ("b,a\nx,1\ny,2\n", "a,c,b\n3,?,z\n")
        for text in texts:
            self.send(port, text)
        self.until_logged(run, 32 + sum(64 + len(text) for text in texts))
        run.kill()
        run = self.start(app)
        run.until_log("2 blocks of the log come first")
        run.stop()
        self.assertRows(self.collect_rows(), [{"a": 1, "b": "x"}, {"a": 2, "b": "y"},
                                              {"a": 3, "b": "z"}])

    def test_verify_looks_at_the_log(self):
        port = self.free_port()
        run = self.start(self.socket_app(port, ack=False))
        self.send(port, "a\nb\n")
        run.until(lambda: len(self.lines()) == 2, "they are there")
        run.kill()
        good = self.command("checkpoint", "verify", "state")
        self.assertIn("state/log/in: 1 blocks, 2 records\n", good.out())
        path = self.path("state/log/in", self.segments()[0])
        with open(path, "r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"?")
        bad = self.command("checkpoint", "verify", "state", status=scenario.IO_ERROR)
        self.assertIn("state/log/in: 0 blocks, 0 records; damaged: 1 blocks, 2 records\n", bad.out())

    def test_without_a_log_nothing_is_written(self):
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port, "log": False}},
                       {}, {"out": {"from": "in", "type": "file", "dir": "out"}},
                       checkpoint={"dir": "state"})
        run = self.start(app)
        self.send(port, "a\n")
        run.until(lambda: self.lines() == ["a"], "it is there")
        run.stop()
        self.assertFalse(os.path.exists(self.path("state/log")))


class FullDisk(Delivery):
    # Files of executors may not grow beyond that: as if the disk were full.
    LIMIT = 1 << 20

    def limit(self, run, size):
        for pid in run.executors():
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def test_reading_stops_and_goes_on(self):
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port, "ack": True}},
                       {"n": {"from": "in", "aggregate": {"n": "count()"}}},
                       {"out": {"from": "n", "type": "file", "dir": "out"}},
                       checkpoint={"dir": "state"},
                       limits={"memory": "64MiB", "block": "256KiB"})
        run = self.start(app)
        run.until_log("listening")
        self.limit(run, self.LIMIT)
        lines, sent = 400000, []  # 40 MB: more than the receiver may hold
        peer = self.connect(port)
        line = b"x" * 99 + b"\n"

        def send():
            for _ in range(lines // 1000):
                peer.sendall(line * 1000)
                sent.append(1000)
            peer.shutdown(socket.SHUT_WR)
        peer.settimeout(None)
        self.background(send)
        run.until_log("nothing more is read until it can")
        numbers = peer.makefile("rb")
        safe = 0
        for number in numbers:
            safe = int(number)
            if safe >= self.LIMIT // 100 * 9 // 10 - 3000:
                break
        self.assertLess(safe, self.LIMIT // 100 + 1)
        stalled = until(lambda: self.is_still(sent), "the sender waits")
        self.assertLess(stalled, lines)
        self.limit(run, resource.RLIM_INFINITY)
        run.until_log("the log can be written again")
        for number in numbers:
            safe = int(number)
        self.assertEqual(safe, lines)
        run.stop()
        self.assertEqual(sum(row["n"] for row in self.collect_rows()), lines)
        self.assertEqual(run.log().count("nothing more is read until it can"), 1)

    def test_a_disk_that_is_too_small(self):
        # Room for a part of it: what is in committed batches makes room for what comes next.
        disk, port = self.path("state/log"), self.free_port()
        os.makedirs(disk)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700,size=300k", "none", disk],
                          stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("a small tmpfs cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", disk])
        app = self.socket_app(port, "append", limits={"memory": "64MiB", "block": "64KiB"})
        run = self.start(app)
        run.until_log("listening")
        os.mkdir(self.path("out.jsonl"))  # in the way: nothing is committed
        lines = [b"%099d\n" % i for i in range(10000)]
        safe = self.send_all(port, lines, run)
        run.kill()
        os.rmdir(self.path("out.jsonl"))
        run = self.start(app)
        run.until_log("listening")
        self.assertEqual(self.send_all(port, lines[safe:]), len(lines) - safe)
        run.stop()
        self.assertEqual(sorted(map(int, self.lines("append"))), list(range(len(lines))))
        self.assertEqual(run.last()["blocks_lost"], 0)

    def send_all(self, port, lines, run=None):
        """Returns how many are safe in the end; with a run when its disk is full."""
        peer = self.connect(port)
        peer.settimeout(None)

        def send():
            try:
                peer.sendall(b"".join(lines))
                peer.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        self.background(send)
        if run is not None:
            run.until_log("No space left on device; nothing more is read")
            peer.settimeout(1)  # for what is under way
        else:
            peer.settimeout(scenario.PATIENCE)
        safe = 0
        try:
            for number in peer.makefile("rb"):
                safe = int(number)
        except TimeoutError:
            if run is None:
                raise
        peer.close()
        return safe

    def is_still(self, sent):
        before = sum(sent)
        time.sleep(0.3)
        return before if sum(sent) == before else 0


if __name__ == "__main__":
    unittest.main(verbosity=2)
