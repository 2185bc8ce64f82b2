"""More data than memory: it goes to disk and comes back, the app stays within limits.memory, the
results are those of an app with plenty, and nothing is left on disk."""
import hashlib
import json
import os
import resource
import signal
import subprocess
import time
import unittest

import scenario
from scenario import BUG, DONE

MIB = 1 << 20
FEW = scenario.SANITIZED  # a sanitizer is slow, and has its own ideas of memory


def pss(pid):
    """Proportional memory of a process, in bytes; without pages of files, which the system has
    back whenever it wants them."""
    kinds = ("Pss_Anon:", "Pss_Shmem:")
    return 1024 * sum(int(line.split()[1])
                      for line in scenario.read("/proc/%d/smaps_rollup" % pid).splitlines()
                      if line.startswith(kinds))


class Spilling(scenario.Scenario):
    def run_within(self, app, memory, seconds=10 * scenario.PATIENCE, status=DONE):
        """Runs an app over what is there, and looks at the memory of its processes meanwhile."""
        run = self.start(app, "--available-now")
        most, end = 0, time.monotonic() + seconds
        while run.running() and time.monotonic() < end:
            total = 0
            for pid in [run.pid, *run.executors()]:
                try:
                    total += pss(pid)
                except OSError:  # it has just ended
                    pass
            most = max(most, total)
            time.sleep(0.02)
        run.wait(status)
        if not FEW:
            self.assertLess(most, memory)
            self.assertGreater(most, 0)
        return run

    def open_files(self, run):
        """Files without a name that its executors have open, and what they take of the disk."""
        found = []
        for pid in run.executors():
            for fd in os.listdir("/proc/%d/fd" % pid):
                path = "/proc/%d/fd/%s" % (pid, fd)
                try:
                    target = os.readlink(path)
                    if target.endswith("(deleted)") and not target.startswith("/memfd:"):
                        found.append((target, os.stat(path).st_blocks * 512))
                except OSError:
                    pass
        return found


class Aggregates(Spilling):
    def test_ten_million_keys(self):
        n = 300000 if FEW else 10000000
        app = self.app(
            {"in": {"type": "rate", "rows_per_second": n}},
            {"keys": {"from": "in", "select": {
                "k": "cast(value %% %d as string) || ' is a key'" % n, "v": "value"}},
             "counts": {"from": "keys", "group_by": ["k"],
                        "aggregate": {"n": "count()", "v": "max(v)"}},
             "total": {"from": "counts", "aggregate": {
                 "keys": "count()", "rows": "sum(n)", "least": "min(k)", "most": "max(k)",
                 "twice": "count() filter (where n <> 1)", "wrong":
                 "count() filter (where k <> cast(v %% %d as string) || ' is a key')" % n}}},
            {"out": {"from": "total", "type": "file", "dir": "out"}}, interval="1s",
            executors={"memory": "24MiB" if FEW else "64MiB"},
            limits={"memory": "128MiB", "block": "1MiB"})
        run = self.run_within(app, 128 * MIB)
        self.assertRows(self.collect_rows(), [
            {"keys": n, "rows": n, "least": "0 is a key",
             "most": max("%d is a key" % i for i in (n - 1, 99999)), "twice": 0, "wrong": 0}])
        self.assertEqual(run.last()["failed_batches"], 0)
        self.assertEqual(run.last()["retries"], 0)
        self.assertEqual(run.last()["executors_lost"], 0)
        if not FEW:
            self.assertGreater(run.last()["spilled_bytes"], 100 * MIB)

    def test_keys_of_a_megabyte(self):
        n = 8 if FEW else 60
        size = 1 << 20
        def key(i):
            return "%06d" % i + "x" * (size - 12) + "%06d" % i
        with open(os.path.join(self.dir, "in"), "w", encoding="ascii") as file:
            for i in list(range(n)) + list(range(n)):
                file.write(key(i) + "\n")
        app = self.app({"in": {"type": "stdin"}},
                       {"counts": {"from": "in", "group_by": ["line"],
                                   "aggregate": {"n": "count()"}},
                        "short": {"from": "counts", "select": {
                            "n": "n", "digest": "md5(line)", "length": "length(line)"}}},
                       {"out": {"from": "short", "type": "file", "dir": "out"}},
                       executors={"memory": "32MiB"},
                       limits={"memory": "128MiB", "record": "2MiB", "block": "4MiB"})
        with open(os.path.join(self.dir, "in"), "rb") as file:
            run = self.start(app, stdin=file)
            run.wait(seconds=4 * scenario.PATIENCE)
        got = {}
        for row in self.collect_rows():
            self.assertEqual(row["length"], size)
            got[row["digest"]] = got.get(row["digest"], 0) + row["n"]
        self.assertEqual(got, {hashlib.md5(key(i).encode()).hexdigest(): 2 for i in range(n)})
        self.assertEqual(run.last()["failed_batches"], 0)

    def test_one_key_with_half_of_all_rows(self):
        n = 20000 if FEW else 200000
        with open(os.path.join(self.dir, "rows"), "w", encoding="ascii") as file:
            for i in range(n):
                file.write("%s,%d\n" % ("heavy" if i % 2 == 0 else "light %d" % (i * 7919 % n), i))
        os.mkdir(self.path("in"))
        os.rename(self.path("rows"), self.path("in", "rows"))
        app = self.app({"in": {"type": "files", "dir": "in", "format": "csv",
                               "schema": {"k": "string", "n": "int"}}},
                       {"a": {"from": "in", "group_by": ["k"], "aggregate": {
                           "c": "count()", "s": "sum(n)", "m": "median(n)", "f": "first(n)"}}},
                       {"out": {"from": "a", "type": "file", "dir": "out"}},
                       executors={"memory": "32MiB"}, limits={"memory": "64MiB", "block": "1MiB"})
        self.run_within(app, 64 * MIB)
        rows = {row["k"]: row for row in self.collect_rows()}
        heavy = range(0, n, 2)
        self.assertEqual(rows.pop("heavy"), {"k": "heavy", "c": len(heavy), "s": sum(heavy),
                                             "m": (n - 2) / 2, "f": 0})
        self.assertEqual(sum(row["c"] for row in rows.values()), n // 2)
        self.assertEqual(sum(row["s"] for row in rows.values()), sum(range(1, n, 2)))

    def values_of_one_key(self, aggregates, n, memory="32MiB"):
        app = self.app(
            {"in": {"type": "rate", "rows_per_second": n}},
            {"a": {"from": "in", "select": {
                "k": "if(value %% 2 = 0, -1, value %% %d)" % (n // 8), "v": "value * 7 %% %d" % n}},
             "b": {"from": "a", "group_by": ["k"], "aggregate": aggregates},
             "c": {"from": "b", "where": "k < 0"}},
            {"out": {"from": "c", "type": "file", "dir": "out"}}, interval="1s",
            limits={"memory": memory, "block": "1MiB"})
        return app

    def test_more_values_of_one_key_than_memory(self):
        n = 20000 if FEW else 400000
        app = self.values_of_one_key({"d": "count_distinct(v)", "m": "median(v)"}, n)
        run = self.run_within(app, 32 * MIB)
        self.assertRows(self.collect_rows(), [{"k": -1, "d": n // 2, "m": n / 2 - 1}])
        self.assertEqual(run.last()["failed_batches"], 0)

    @unittest.skipIf(FEW, "it is about memory")
    def test_a_list_that_is_larger_than_memory(self):
        app = self.values_of_one_key({"l": "collect_list(v)"}, 3000000)
        run = self.start(app, "--available-now")
        run.wait(BUG)
        self.assertIn("stream b: the result of the group k = -1 needs more memory than a task has",
                      run.log())

    def test_an_aggregate_in_lua(self):
        n = 20000 if FEW else 400000
        app = self.app(
            {"in": {"type": "rate", "rows_per_second": n}},
            {"a": {"from": "in", "select": {"k": "value %% %d" % (n // 2), "v": "value"}},
             "b": {"from": "a", "group_by": ["k"], "aggregate": {"s": "total(v)"}},
             "c": {"from": "b", "aggregate": {"n": "count()", "s": "sum(s)"}}},
            {"out": {"from": "c", "type": "file", "dir": "out"}}, interval="1s",
            limits={"memory": "32MiB", "block": "1MiB"},
            functions={"total": {"returns": "int", "aggregate": True, "lua":
                                 "total = {init = function() return 0 end,"
                                 " update = function(s, v) return s + v end,"
                                 " merge = function(a, b) return a + b end}"}})
        run = self.run_within(app, 32 * MIB)
        self.assertRows(self.collect_rows(), [{"n": n // 2, "s": n * (n - 1) // 2}])
        self.assertEqual(run.last()["failed_batches"], 0)


class States(Spilling):
    def test_keys_of_a_megabyte(self):
        n, size = 8 if FEW else 35, 1 << 20
        with open(self.path("rows"), "w", encoding="ascii") as file:
            for i in list(range(n)) + list(range(n)):
                file.write("%06d" % i + "x" * (size - 6) + "\n")
        os.mkdir(self.path("in"))
        os.rename(self.path("rows"), self.path("in", "rows"))
        app = self.app({"in": {"type": "files", "dir": "in"}},
                       {"s": {"from": "in", "state": {
                           "key": ["line"], "set": {"n": "coalesce(state.n, 0) + count()"}}},
                        "short": {"from": "s", "select": {"k": "left(line, 6)", "n": "n"}}},
                       {"out": {"from": "short", "type": "file", "dir": "out"}}, interval="1s",
                       executors={"key_partitions": 4},
                       limits={"memory": "64MiB", "record": "2MiB", "block": "4MiB"})
        run = self.run_within(app, 64 * MIB)
        got = {}
        for row in self.collect_rows():
            got[row["k"]] = max(got.get(row["k"], 0), row["n"])
        self.assertEqual(got, {"%06d" % i: 2 for i in range(n)})
        self.assertEqual(run.last()["failed_batches"], 0)


class Sorts(Spilling):
    def test_a_huge_sort(self):
        n = 60000 if FEW else 1500000
        app = self.app({"in": {"type": "rate", "rows_per_second": n}},
                       {"r": {"from": "in", "select": {
                           "h": "hash(value)", "v": "value %% %d" % n,
                           "s": "'%s' || cast(value as string)" % ("x" * 20)}},
                        "sorted": {"from": "r", "order_by": "h desc"}},
                       {"out": {"from": "sorted", "type": "file", "dir": "out", "format": "csv"}},
                       interval="1s", executors={"memory": "24MiB"},
                       limits={"memory": "64MiB", "block": "1MiB"})
        run = self.run_within(app, 64 * MIB)
        (folder,) = self.folders()
        rows = [line.split(",") for line in self.text_of(folder).splitlines()]
        hashes = [int(row[0]) for row in rows]
        self.assertEqual(sorted(int(row[1]) for row in rows), list(range(n)))
        self.assertTrue(all(a >= b for a, b in zip(hashes, hashes[1:])))
        self.assertTrue(all(row[2].startswith("xxx") for row in rows))
        if not FEW:
            self.assertGreater(run.last()["spilled_bytes"], 50 * MIB)


class Disk(Spilling):
    # Small numbers would be small in pieces, too.
    STREAMS = {"wide": {"from": "in", "select": {"k": "value * 1000000000000",
                                                 "l": "value * -1000000000000"}},
               "counts": {"from": "wide", "group_by": ["k", "l"], "aggregate": {"n": "count()"}},
               "total": {"from": "counts", "aggregate": {"keys": "count()", "n": "sum(n)"}}}
    N = 200000 if FEW else 1500000

    def spilling(self, **more):
        return self.app({"in": {"type": "rate", "rows_per_second": self.N}}, self.STREAMS,
                        {"out": {"from": "total", "type": "file", "dir": "out"}}, interval="1s",
                        executors={"memory": "16MiB", "count": 1},
                        limits=dict({"memory": "64MiB", "block": "256KiB"}, **more.pop("limits", {})),
                        **more)

    def expect_all(self):
        self.assertRows(self.collect_rows(), [{"keys": self.N, "n": self.N}])

    @unittest.skipIf(FEW, "there is less than memory")
    def test_a_limit_that_is_reached(self):
        run = self.run_now(self.spilling(limits={"spill": "1MiB"}), status=BUG)
        self.assertIn("limits.spill", run.log())
        self.assertIn("was given up", run.log())
        run = self.run_now(self.spilling(limits={"spill": "0B"}), status=BUG)
        self.assertIn("nothing can be spilled to disk: limits.spill allows nothing", run.log())
        self.run_now(self.spilling())
        self.expect_all()

    @unittest.skipIf(FEW, "there is less than memory")
    def test_a_limit_of_the_system(self):
        run = self.run_now(self.spilling(), status=BUG, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (8 * MIB, resource.RLIM_INFINITY)))
        self.assertIn("do not fit on disk", run.log())

    @unittest.skipIf(FEW, "there is less than memory")
    def test_a_disk_that_is_full(self):
        # The batch waits until there is room.
        path = self.path("disk")
        os.makedirs(path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "none", path],
                              stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            self.skipTest("a small tmpfs cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", path])
        with open(os.path.join(path, "filler"), "wb") as file:
            file.write(b"x" * (252 * MIB))
        run = self.start(self.spilling(checkpoint={"dir": "disk/state"}), "--available-now")
        run.until_log("cannot spill")
        run.until_log("No space left on device")
        self.assertEqual(self.collect_rows(), [])
        os.remove(os.path.join(path, "filler"))
        run.wait(seconds=4 * scenario.PATIENCE)
        self.expect_all()
        self.assertEqual(run.last()["failed_batches"], 0)

    def test_what_is_spilled_has_no_name(self):
        # Not while it is there, nor after kill -9; released batches give it back.
        app = self.spilling(checkpoint={"dir": "state"})
        run = self.start(app)
        run.until(lambda: self.collect_rows(), "a batch is done", 4 * scenario.PATIENCE)
        files = self.open_files(run)
        self.assertEqual(len(files), 1)
        self.assertIn(self.path("state"), files[0][0])
        run.until(lambda: self.open_files(run)[0][1] < MIB or FEW, "disk is given back")
        for name in os.listdir(self.path("state")):
            self.assertNotIn("spill", name)
        run.signal(signal.SIGKILL)
        run.process.wait()
        for row in self.collect_rows():
            self.assertEqual(row, {"keys": self.N, "n": self.N})

    @unittest.skipIf(FEW, "there is less than memory")
    def test_a_killed_executor(self):
        # What it had on disk is still there for the others.
        app = self.app({"in": {"type": "rate", "rows_per_second": 3 * self.N}}, self.STREAMS,
                       {"out": {"from": "total", "type": "file", "dir": "out"}}, interval="1s",
                       executors={"memory": "24MiB", "count": 2},
                       limits={"memory": "64MiB", "block": "256KiB"})
        run = self.start(app, "--available-now")
        run.until_executors(2)
        victim = run.executors()[0]
        run.until(lambda: any(size > MIB for _, size in self.open_files(run)), "it spills")
        self.kill(victim)
        run.wait(seconds=8 * scenario.PATIENCE)
        self.assertRows(self.collect_rows(), [{"keys": 3 * self.N, "n": 3 * self.N}])
        self.assertEqual(run.last()["failed_batches"], 0)

    @unittest.skipIf(FEW, "there is less than memory")
    def test_memory_that_is_not_shared(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": self.N}}, self.STREAMS,
                       {"out": {"from": "total", "type": "file", "dir": "out"}}, interval="1s",
                       executors={"memory": "16MiB", "count": 2},
                       limits={"memory": "64MiB", "block": "256KiB"})
        run = self.run_now(app, env={"DSTREAM_SHARED_MEMORY": "off"})
        self.expect_all()
        self.assertGreater(run.last()["spilled_bytes"], MIB)


class Consoles(Spilling):
    @unittest.skipIf(FEW, "there is less than memory")
    def test_more_rows_than_memory(self):
        n = 1500000
        app = self.app({"in": {"type": "rate", "rows_per_second": n}},
                       {"r": {"from": "in", "select": {"v": "value - value / %d * %d" % (n, n),
                                                       "s": "'" + "y" * 50 + "'"}}},
                       {"screen": {"from": "r", "type": "console", "format": "csv"}},
                       interval="1s", executors={"memory": "24MiB"},
                       limits={"memory": "64MiB", "block": "1MiB"})
        self.run_within(app, 64 * MIB)
        run = self.runs[-1]
        values = [int(line.split(",")[0]) for line in run.out().splitlines()]
        self.assertEqual(len(values), n)
        self.assertEqual(sum(values), n * (n - 1) // 2)


if __name__ == "__main__":
    scenario.main()
