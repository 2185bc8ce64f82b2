"""Something is killed every second, and the output is what it would have been.

Words are counted (counted.py) while executors, the driver or both die by kill -9 or hang by
kill -STOP. DSTREAM_TORTURE is for how many seconds it goes on (15, or 5 of a build with sanitizers, if it is not set), DSTREAM_SEED
what happens.
"""
import collections
import os
import random
import signal
import threading
import time

import counted
import scenario

SECONDS = float(os.environ.get("DSTREAM_TORTURE", "5" if scenario.SANITIZED else "15"))
SEED = int(os.environ.get("DSTREAM_SEED", "1"))


class Killer:
    """Kills something, and starts the driver again if it is dead."""

    def __init__(self, test, app):
        self.test, self.app = test, app
        self.random = random.Random(SEED)
        self.done = collections.Counter()
        self.run = test.start(app)

    def again(self):
        self.run.kill()
        self.run = self.test.start(self.app)

    def executor(self, number):
        pids = self.run.executors()
        if pids:
            self.send(self.random.choice(pids), number)

    def send(self, pid, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    def strike(self):
        what = self.random.choice(["executor", "executor", "hang", "driver", "all", "pause"])
        self.done[what] += 1
        if what == "executor":
            self.executor(signal.SIGKILL)
        elif what == "hang":
            self.executor(signal.SIGSTOP)
        elif what == "driver":
            self.again()
        elif what == "all":
            for pid in self.run.executors():
                self.send(pid, signal.SIGKILL)
            self.again()
        else:
            self.send(self.run.pid, signal.SIGSTOP)
            time.sleep(self.random.random() / 2)
            if self.random.random() < 0.5:
                self.again()
            else:
                self.send(self.run.pid, signal.SIGCONT)
        if not self.run.running():
            raise AssertionError("%r ended by itself" % self.run)


class Torture(counted.Counted):
    # ---- the test ----

    def torture(self, killer):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(1)
            killer.strike()

    def settings(self):
        return {"checkpoint": {"dir": "state", "every": "1s"},
                "executors": {"count": 2, "heartbeat": "1s"}}

    def test_files(self):
        self.sent = []
        os.mkdir(self.path("in"))
        app = self.app({"in": {"type": "files", "dir": "in"}}, self.streams(), self.sinks(),
                       **self.settings())
        stop = threading.Event()
        feeder = self.background(self.feed, stop)
        killer = Killer(self, app)
        try:
            self.torture(killer)
        finally:
            stop.set()
            feeder.join()
        killer.run.until(self.all_there, "all lines are in the output")
        killer.run.stop()
        print("killed:", dict(killer.done), flush=True)
        self.check()

    def test_socket(self):
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port, "ack": True}},
                       self.streams(), self.sinks(), **self.settings())
        killer = Killer(self, app)
        sender = counted.WordSender(port, pause=0.001)
        sender.start()
        try:
            self.torture(killer)
        finally:
            sender.finish()
        killer.run.until_batches(1)
        killer.run.stop()
        print("killed:", dict(killer.done), "sent:", sender.next, flush=True)
        self.check_sender(sender)


if __name__ == "__main__":
    scenario.main()
