"""Executors that are killed or stopped, disks that are full: exact results, or the loss reported."""
import json
import os
import random
import signal
import subprocess
import time
import unittest

import scenario
from scenario import status_field


class Numbers(scenario.Scenario):
    """Files of numbers: n-th file holds the next LINES of them."""

    LINES = 3000

    def add_file(self, i, dir="in"):
        self.write("%s/%05d" % (dir, i), "".join(
            "%d,%s\n" % (i * self.LINES + k, "abcdefg"[k % 7]) for k in range(self.LINES)))

    def source(self):
        return {"type": "files", "dir": "in", "format": "csv",
                "schema": {"n": "int", "k": "string"}}

    def kill_one(self, run, generator):
        """Kills an executor that had the time to start; 1 if there was one."""
        now = time.monotonic()
        pids = run.executors()
        self.born = {pid: getattr(self, "born", {}).get(pid, now) for pid in pids}
        age = 1.0 if scenario.SANITIZED else 0.1
        pids = [pid for pid in pids if now - self.born[pid] >= age]
        if not pids:
            return 0
        try:
            os.kill(generator.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            return 0
        return 1


class KilledExecutors(Numbers):
    def test_without_windows(self):
        # Rows, groups (a shuffle) and an order (a second one), in the middle of batches.
        streams = {"by": {"from": "in", "group_by": ["k"],
                          "aggregate": {"n": "count()", "s": "sum(n)"}},
                   "top": {"from": "by", "order_by": "n desc, k", "limit": 3},
                   "all": {"from": "in", "aggregate": {"n": "count()", "s": "sum(n)"}}}
        for executors, cores, seed in (("2", "1", 1), ("1", "2", 2), ("3", "1", 3)):
            generator = random.Random(seed)
            out = "out-" + executors
            app = self.app({"in": self.source()}, streams, {
                name: {"from": name, "type": "file", "dir": out + "/" + name}
                for name in ("in", "by", "top", "all")}, interval="20ms",
                limits={"record": "1KiB", "block": "16KiB"})
            os.makedirs(self.path("in"), exist_ok=True)
            for name in os.listdir(self.path("in")):
                os.remove(self.path("in", name))
            run = self.start(app, "--executors", executors, "--cores", cores)
            self.add_file(0)
            run.until_rows_in(self.LINES)
            kills, files = 0, 1
            while kills < (3 if scenario.SANITIZED else 8):
                self.assertTrue(run.running())
                self.add_file(files)
                files += 1
                time.sleep(generator.uniform(0, 0.03))
                if generator.random() < 0.5:
                    kills += self.kill_one(run, generator)
            n = files * self.LINES
            run.until_rows_in(n)
            run.stop()
            self.assertEqual(run.last()["rows_in"], n)
            self.assertEqual(run.last()["failed_batches"], 0)
            self.assertGreaterEqual(run.last()["executors_lost"], kills // 2)
            seen = bytearray(n)
            for row in self.collect_rows(out + "/in"):
                seen[row["n"]] += 1
            self.assertEqual((seen.count(0), seen.count(1)), (0, n))
            for name in ("by", "all"):
                rows = self.collect_rows(out + "/" + name)
                self.assertEqual(sum(row["n"] for row in rows), n)
                self.assertEqual(sum(row["s"] or 0 for row in rows), n * (n - 1) // 2)
            by = self.collect(out + "/by")
            for time_ms, rows in self.collect(out + "/top").items():
                top = sorted(by[time_ms], key=lambda r: (-r["n"], r["k"]))[:3]
                self.assertEqual(rows, top)

    def test_with_windows(self):
        # What was kept comes back: all windows are exact.
        app = self.app({"in": self.source()},
                       {"w": {"from": "in", "window": {"size": "400ms", "slide": "100ms"},
                              "group_by": ["k"], "aggregate": {"n": "count()"}},
                        "rows": {"from": "in", "group_by": ["k"], "aggregate": {"n": "count()"}}},
                       {name: {"from": name, "type": "file", "dir": name}
                        for name in ("w", "rows")}, interval="50ms")
        os.mkdir(self.path("in"))
        generator = random.Random(5)
        run = self.start(app)
        files, killed = 0, 0
        for n_files in (40, 90, 90):
            for _ in range(n_files):
                self.add_file(files)
                files += 1
                time.sleep(0.02)
            if killed < 2:
                killed += 1
                scenario.until(lambda: self.kill_one(run, generator), "one is killed")
        run.until_rows_in(files * self.LINES)
        run.stop()
        given = self.collect("rows")
        self.assertEqual(sum(row["n"] for rows in given.values() for row in rows),
                         files * self.LINES)  # what has no windows is exact
        exact = 0
        for t, rows in self.collect("w").items():
            expected = {}
            for at, batch in given.items():
                if t - 400 < at <= t:
                    for row in batch:
                        expected[row["k"]] = expected.get(row["k"], 0) + row["n"]
            got = {row["k"]: row["n"] for row in rows}
            self.assertEqual(got, expected)
            exact += 1
        self.assertGreater(exact, 10)
        self.assertEqual(run.last()["panes_lost"], 0)
        self.assertIn("begin with what was saved of them", run.log())
        self.assertEqual(run.last()["failed_batches"], 0)

    def test_with_a_receiver(self):
        # What was received and reported survives the receiver's process: the driver holds it.
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port}},
                       {"n": {"from": "in", "group_by": ["line"], "aggregate": {"n": "count()"}}},
                       {"out": {"from": "n", "type": "file", "dir": "out"}}, interval="400ms")
        run = self.start(app)
        run.until_log("listening")
        receiver = self.owner_of_port(run, port)
        client = self.connect(port)
        client.sendall(b"before\n" * 1000)
        self.until_read(client)
        time.sleep(0.25)  # a block is cut every 200 ms
        self.kill(receiver)
        run.until_log("listening", times=2)
        self.send(port, "after\n")
        run.until(lambda: {"line": "after", "n": 1} in self.collect_rows(), "it goes on")
        run.stop()
        self.assertIn("source in: its receiver was lost", run.log())
        before = sum(row["n"] for row in self.collect_rows() if row["line"] == "before")
        self.assertLessEqual(before, 1000)  # what was not cut yet went with it

    def owner_of_port(self, run, port):
        inode = None
        for line in scenario.read("/proc/net/tcp").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port:
                inode = fields[9]
        for pid in run.executors():
            for fd in os.listdir("/proc/%d/fd" % pid):
                if os.readlink("/proc/%d/fd/%s" % (pid, fd)) == "socket:[%s]" % inode:
                    return pid
        raise AssertionError("nobody listens on %d" % port)

    def test_the_only_one(self):
        app = self.app({"in": self.source()},
                       {"all": {"from": "in", "aggregate": {"n": "count()"}}},
                       {"out": {"from": "all", "type": "file", "dir": "out"}}, interval="50ms")
        os.mkdir(self.path("in"))
        run = self.start(app, "--executors", "1")
        for i in range(3):
            self.add_file(i)
            (pid,) = run.until_executors(1)
            self.kill(pid)
            run.until_log("killed by signal 9", times=i + 1)
        run.until_rows_in(3 * self.LINES)
        run.stop()
        self.assertEqual(sum(row["n"] for row in self.collect_rows()), 3 * self.LINES)
        self.assertEqual(run.last()["executors_lost"], 3)


@unittest.skipIf(scenario.SANITIZED, "memory is another with sanitizers")
class StoppedExecutors(scenario.Scenario):
    """SIGSTOP for 10 s under a fast sender: the sender blocks, memory is flat, nothing is lost."""

    def test_a_fast_sender(self):
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port,
                               "format": "csv", "schema": {"n": "int", "pad": "string"}}},
                       {"all": {"from": "in", "aggregate": {"n": "count()", "s": "sum(n)"}}},
                       {"out": {"from": "all", "type": "file", "dir": "out"}},
                       executors={"memory": "128MiB"}, limits={"memory": "64MiB"},
                       interval="50ms")
        run = self.start(app)
        run.until_log("listening")
        client = self.connect(port)
        state = {"sent": 0, "stop": False}
        record = ",%s\n" % ("x" * 100)

        def send():
            while not state["stop"]:
                first = state["sent"]
                client.sendall("".join("%d%s" % (n, record) for n in range(
                    first, first + 1000)).encode())
                state["sent"] = first + 1000
            client.close()

        sender = self.background(send)
        run.until_rows_in(50000)
        pids = run.executors()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        sent = -1
        while state["sent"] != sent:  # the sockets' buffers fill
            sent = state["sent"]
            time.sleep(1)
        rss = [status_field(pid, "VmRSS") for pid in [run.pid, *pids]]
        end = time.monotonic() + 9
        while time.monotonic() < end:
            time.sleep(0.5)
            now = [status_field(pid, "VmRSS") for pid in [run.pid, *pids]]
            for before, after in zip(rss, now):
                self.assertLess(after, before + 4096)
        self.assertEqual(state["sent"], sent, "the sender is blocked")
        self.assertEqual(len(run.executors()), 2, "nobody was given up")
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        scenario.until(lambda: state["sent"] > sent + 50000, "the sender goes on")
        state["stop"] = True
        sender.join()
        run.until_rows_in(state["sent"])
        run.stop()
        n = state["sent"]
        self.assertEqual(sum(row["n"] for row in self.collect_rows()), n)
        self.assertEqual(sum(row["s"] or 0 for row in self.collect_rows()), n * (n - 1) // 2)
        self.assertEqual(run.last()["executors_lost"], 0)
        self.assertEqual(run.last()["retries"], 0)

    def test_memory_stays_flat_under_load(self):
        # Many times the limits go through; memory is that of the limits.
        app = self.app({"in": {"type": "stdin"}},
                       {"all": {"from": "in", "aggregate": {"n": "count()"}}},
                       {"out": {"from": "all", "type": "file", "dir": "out"}},
                       executors={"memory": "128MiB"}, limits={"memory": "64MiB"},
                       interval="50ms")
        line = "y" * 99 + "\n"
        total = 3 << 20  # lines: 300 MiB
        sender = subprocess.Popen(["head", "-n", str(total)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        def feed():
            try:
                for _ in range(total // 4096 + 1):
                    sender.stdin.write(line.encode() * 4096)
            except OSError:
                pass
            sender.stdin.close()
        thread = self.background(feed)
        run = self.start(app, stdin=sender.stdout)
        sender.stdout.close()
        most = 0
        while run.running():
            for pid in run.executors():
                try:
                    most = max(most, status_field(pid, "VmRSS"))
                except (OSError, KeyError):
                    pass
            time.sleep(0.05)
        run.wait()
        thread.join()
        sender.wait()
        self.assertEqual(sum(row["n"] for row in self.collect_rows()), total)
        self.assertLess(most, 80 << 10)


class FullDisk(Numbers):
    def small_disk(self, name, size="256k"):
        path = self.path(name)
        os.makedirs(path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "none", path],
                              stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            self.skipTest("a small tmpfs cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", path])
        return path

    def fill(self, path):
        with open(os.path.join(path, "filler"), "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

    def test_the_sink(self):
        for checkpoint in ({}, {"checkpoint": {"dir": "state"}}):
            disk = self.small_disk("disk" + str(len(checkpoint)), "2m")
            dir = os.path.basename(disk) + "/out"
            in_dir = "in%d" % len(checkpoint)
            os.mkdir(self.path(in_dir))
            app = self.app({"in": dict(self.source(), dir=in_dir)}, None,
                           {"out": {"from": "in", "type": "file", "dir": dir}}, interval="50ms",
                           **checkpoint)
            run = self.start(app)
            self.add_file(0, in_dir)
            run.until_rows_in(self.LINES)
            self.fill(disk)
            for i in (1, 2):
                self.add_file(i, in_dir)
            run.until_log("No space left on device")
            time.sleep(1)
            self.assertEqual(len(self.collect_rows(dir)), self.LINES)
            self.assertTrue(run.running())
            os.remove(os.path.join(disk, "filler"))
            run.until(lambda: len(self.collect_rows(dir)) == 3 * self.LINES, "all is written")
            run.stop()
            self.assertEqual(sorted(row["n"] for row in self.collect_rows(dir)),
                             list(range(3 * self.LINES)))
            self.assertEqual(run.last()["failed_batches"], 0)

    def test_the_checkpoint(self):
        disk = self.small_disk("disk", "1m")
        os.mkdir(self.path("in"))
        app = self.app({"in": self.source()}, None,
                       {"out": {"from": "in", "type": "file", "dir": "out"}}, interval="50ms",
                       checkpoint={"dir": "disk/state"})
        run = self.start(app)
        self.add_file(0)
        run.until_rows_in(self.LINES)
        self.fill(disk)
        files = 1
        def more():  # until the journal's last page is full
            nonlocal files
            self.add_file(files)
            files += 1
            return "the checkpoint cannot be written" in run.log()
        run.until(more, "the checkpoint cannot be written")
        run.until_log("No space left on device")
        self.assertTrue(run.running())
        os.remove(os.path.join(disk, "filler"))
        run.until_log("the checkpoint can be written again")
        run.until_rows_in(files * self.LINES)
        run.kill()
        run = self.run_now(app)
        self.assertEqual(sorted(row["n"] for row in self.collect_rows()),
                         list(range(files * self.LINES)))

    def test_standard_output(self):
        # Rows that came out before the disk was full do not come again.
        disk = self.small_disk("disk", "64k")
        rows = [{"n": n, "s": "x" * 50} for n in range(3000)]
        app = self.app({"q": {"type": "queue", "schema": {"n": "int", "s": "string"},
                              "batches": [rows]}}, {"o": {"from": "q", "order_by": "n"}})
        path = os.path.join(disk, "out")
        with open(path, "wb") as out:
            run = self.start(app, stdout=out)
        run.until_log("No space left on device")
        done = subprocess.run(["mount", "-o", "remount,size=4m", disk])
        self.assertEqual(done.returncode, 0)
        run.wait()
        self.assertEqual([json.loads(line)["n"] for line in scenario.read(path).splitlines()],
                         list(range(3000)))


if __name__ == "__main__":
    scenario.main()
