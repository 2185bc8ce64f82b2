"""The program dies at every named point (base/inject.h), and its output is what it would have been.

The points are read from the sources, so that none is forgotten. Only builds with them (the
sanitized one among the tests) run this.
"""
import glob
import os
import re
import shutil
import threading
import unittest

import counted
import scenario

SOURCES = os.path.join(scenario.HERE, "../../src")


def has_points():
    with open(scenario.BINARY, "rb") as file:
        return b"DSTREAM_INJECT" in file.read()


def points():
    found = set()
    for path in glob.glob(SOURCES + "/**/*.c", recursive=True):
        found.update(re.findall(r'DS_INJECT\("([a-z_.]+)"\)', scenario.read(path)))
    return sorted(found)


@unittest.skipUnless(has_points(), "this build has no points at which it dies")
class Injection(counted.Counted):
    def fresh(self):
        for name in os.listdir(self.dir):
            path = self.path(name)
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)
        os.mkdir(self.path("in"))
        self.sent = []

    def dies(self, run, time):
        """The driver dies at the point, or one of its executors; each point is passed once at
        least, not all more often."""
        def dead():
            return not run.running() or "was lost" in run.log() or \
                (time > 1 and run.last().get("batches", 0) > 50)
        scenario.until(dead, "it dies")

    def dies_at(self, point, time):
        self.fresh()
        if point.startswith("log."):
            self.dies_with_a_socket(point, time)
        else:
            self.dies_with_files(point, time)

    def counting(self, source):
        return self.app({"in": source}, self.streams(), self.sinks(), interval="50ms",
                        checkpoint={"dir": "state", "every": "200ms"})

    def dies_with_a_socket(self, point, time):
        port = self.free_port()
        app = self.counting({"type": "socket", "listen": "127.0.0.1:%d" % port, "ack": True})
        sender = counted.WordSender(port)
        try:
            run = self.start(app, env={"DSTREAM_INJECT": "%s:%d" % (point, time)})
            sender.start()
            self.dies(run, time)
            run.kill()
            run = self.start(app)
            run.until_batches(3)
        finally:
            sender.finish()
        run.stop()
        self.check_sender(sender)

    def remove_staged(self):
        """Somebody removes all staged files."""
        for path in glob.glob(self.path("*/.dstream-*")) + glob.glob(self.path(".*.dstream")):
            shutil.rmtree(path)

    def run_another(self):
        """Another app of the same name, with a checkpoint of its own, begins and ends."""
        os.makedirs(self.path("nothing"), exist_ok=True)
        self.run_now("app.json", "--set", "checkpoint.dir=another", "--set",
                     "sources.in.dir=nothing")

    def dies_with_files(self, point, time, between=None):
        app = self.counting({"type": "files", "dir": "in"})
        stop = threading.Event()
        feeder = self.background(self.feed, stop)
        try:
            run = self.start(app, env={"DSTREAM_INJECT": "%s:%d" % (point, time)})
            self.dies(run, time)
            run.kill()
            if between is not None:
                between()
            run = self.start(app)
            run.until_batches(3)
        finally:
            stop.set()
            feeder.join()
        run.until(self.all_there, "all lines are in the output")
        run.stop()
        self.check()

    def test_all(self):
        self.assertTrue(points())
        for point in points():
            for time in (1, 4):
                with self.subTest(point=point, time=time):
                    self.dies_at(point, time)

    def test_staged_files_are_gone(self):
        for point in points():
            if point.startswith(("commit.", "append.")):
                for between in (self.remove_staged, self.run_another):
                    with self.subTest(point=point, between=between.__name__):
                        self.fresh()
                        self.dies_with_files(point, 2, between)


if __name__ == "__main__":
    scenario.main()
