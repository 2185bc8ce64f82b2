"""What was received and is gone: how much, why, and who says so (docs/delivery.md)."""
import glob
import json
import os
import shutil
import unittest

import scenario
from scenario import IO_ERROR, Scenario, read


class Losses(Scenario):
    def state_app(self, port, **source):
        """Counts lines, and keeps the counts: its batches are retained."""
        return self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port, **source}},
                        {"totals": {"from": "in", "state": {
                            "key": ["line"], "set": {"n": "coalesce(state.n, 0) + count()"}}}},
                        {"out": {"from": "totals", "type": "append", "path": "out.jsonl"}},
                        checkpoint={"dir": "state", "every": "1h"}, interval="50ms")

    def totals(self):
        return {row["line"]: row["n"]
                for row in map(json.loads, read(self.path("out.jsonl"), "").splitlines())}

    def receive(self, run, port, *texts):
        """Each in a block of its own."""
        for text in texts:
            self.send(port, text)
            run.until(lambda: set(text.split()) <= set(self.totals()), "it is in the output")

    def killed(self, *texts, **source):
        port = self.free_port()
        app = self.state_app(port, **source)
        run = self.start(app)
        self.receive(run, port, *texts)
        run.until(lambda: self.retained() == len(texts), "all are committed")
        run.kill()
        return app, port

    def retained(self):
        try:
            state = json.loads(self.command("checkpoint", "show", "state", status=None).out())
        except ValueError:
            return 0
        return sum(batch.get("committed", False) for batch in state["batches"])

    def segment(self):
        return max(glob.glob(self.path("state/log/in/*.log")))

    def go_on(self, app, port, totals):
        """`a` comes once more: what is kept lacks what is gone, and nothing else."""
        run = self.start(app)
        run.until_log("listening")
        self.send(port, "a\n")
        run.until_rows_in(1)
        run.until(lambda: self.totals()["a"] == totals, "it is in the output")
        run.stop()
        return run

    def assertLost(self, run, blocks, records, size):
        last = run.last()
        self.assertEqual((last["blocks_lost"], last["records_lost"], last["bytes_lost"]),
                         (blocks, records, size))

    def test_a_damaged_block(self):
        app, port = self.killed("a\n", "b\nc\n")
        with open(self.segment(), "r+b") as file:
            file.seek(32 + 64)
            file.write(b"?")
        said = self.command("checkpoint", "verify", "state", status=IO_ERROR).out()
        self.assertIn("state/log/in: 1 blocks, 2 records; damaged: 1 blocks, 1 records", said)
        run = self.go_on(app, port, 1)
        self.assertLost(run, 1, 1, 2)
        self.assertIn("windows and state lack some of it", run.log())
        self.assertIn("1 received records (1 blocks, 2 bytes) were lost: they are damaged in the "
                      "log", run.log())
        self.assertNotIn("lost with executors", run.log())

    def check_missing(self, app, port, blocks, records, size):
        lost = "%d blocks, %d records" % (blocks, records)
        said = self.command("checkpoint", "verify", "state", status=IO_ERROR).out()
        self.assertIn("%s that batches need again are gone" % lost, said)
        compat = self.command("checkpoint", "compat", app, "state")
        self.assertIn("%s that batches need again are gone" % lost, compat.err())
        self.assertIn("can go on", compat.out())
        run = self.go_on(app, port, 1)
        self.assertLost(run, blocks, records, size)
        self.assertIn("windows and state lack some of it", run.log())
        self.assertIn("%d received records (%d blocks, %d bytes) were lost: they are gone from the "
                      "log" % (records, blocks, size), run.log())
        self.assertNotIn("lost with executors", run.log())

    def test_a_log_that_was_cut(self):
        app, port = self.killed("a\n", "b\nc\n")
        with open(self.segment(), "r+b") as file:
            file.truncate(32 + 64 + 1)
        self.check_missing(app, port, 2, 3, 6)

    def test_a_stop_when_all_is_gone(self):
        app, _ = self.killed("a\n", "b\nc\n")
        shutil.rmtree(self.path("state/log"))
        run = self.start(app)
        run.until_log("windows and state lack some of it")
        run.until_log("listening")
        run.stop()
        self.assertEqual(self.retained(), 0)  # it is told once
        run = self.start(app)
        run.until_log("listening")
        run.stop()
        self.assertNotIn("lack some of it", run.log())

    def test_a_log_that_was_removed(self):
        app, port = self.killed("a\n", "b\nc\n")
        shutil.rmtree(self.path("state/log"))
        # Nobody waits for it, even if nothing more is received.
        run = self.start(app)
        run.until_log("windows and state lack some of it")
        run.kill()
        shutil.rmtree(self.path("state/log"))
        self.check_missing(app, port, 2, 3, 6)

    def test_windows_and_state_without_a_log(self):
        # Whoever does without it may lose what is received: not the app.
        app, port = self.killed("a\n", "b\nc\n", log=False)
        compat = self.command("checkpoint", "compat", app, "state")
        self.assertIn("2 blocks, 3 records that batches need again were in no log", compat.err())
        self.assertIn("can go on", compat.out())
        run = self.go_on(app, port, 1)
        self.assertLost(run, 2, 3, 6)
        self.assertIn("windows and state lack them", run.log())
        self.assertIn("3 received records (2 blocks, 6 bytes) were lost with the driver before",
                      run.log())

    def test_a_batch_without_a_log(self):
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port, "log": False}},
                       {"x": {"from": "in"}},
                       {"out": {"from": "x", "type": "file", "dir": "out"}},
                       checkpoint={"dir": "state"})
        run = self.start(app)
        run.until_log("listening")
        self.write("out", "in the way")
        self.send(port, "word\n")
        run.until_log("Not a directory")
        run.kill()
        os.remove(self.path("out"))
        self.assertIn("1 records that batches need again were in no log",
                      self.command("checkpoint", "compat", app, "state").err())
        run = self.start(app)
        run.until_log("the batch runs again without them")
        run.until_log("listening")
        self.send(port, "more\n")
        run.until(lambda: os.path.isdir(self.path("out")) and self.collect_rows(), "it goes on")
        run.stop()
        self.assertRows(self.collect_rows(), [{"line": "more"}])
        self.assertLost(run, 1, 1, 5)


if __name__ == "__main__":
    scenario.main()
