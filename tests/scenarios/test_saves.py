"""What is kept is saved and restored by real executors: copied over links, and with a folder in
which nothing can be written for a while."""
import glob
import json
import os
import random
import signal

import scenario
from scenario import read

KEYS, ROWS = 40, 100


class Saves(scenario.Scenario):
    """Counts of all time by key, in a window and in a state; what comes out must be exact."""

    def setUp(self):
        super().setUp()
        self.random = random.Random(1)
        self.counts = {}
        self.n_files = 0

    def start_app(self, env=None):
        app = self.app(
            {"in": {"type": "files", "dir": "in", "format": "json", "schema": {"k": "int"}}},
            {"w": {"from": "in", "window": {"size": "1000d", "slide": "50ms"}, "group_by": ["k"],
                   "aggregate": {"n": "count()"}},
             "t": {"from": "in",
                   "state": {"key": ["k"], "set": {"n": "coalesce(state.n, 0) + count()"}}}},
            {name: {"from": name, "type": "append", "path": name + ".json"} for name in "wt"},
            interval="50ms", executors={"count": 2, "cores": 1},
            checkpoint={"dir": "state", "every": "200ms"})
        return self.start(app, env=env)

    def newest(self, name):
        lines = read(self.path(name + ".json"), "").split("\n")[:-1]
        return {row["k"]: row["n"] for row in map(json.loads, lines)}

    def feed(self, run):
        """Gives more rows, and waits until they are counted."""
        keys = [self.random.randrange(KEYS) for _ in range(ROWS)]
        for k in keys:
            self.counts[k] = self.counts.get(k, 0) + 1
        self.n_files += 1
        self.write("in/%04d" % self.n_files, "".join('{"k":%d}\n' % k for k in keys))
        run.until(lambda: self.newest("w") == self.counts and self.newest("t") == self.counts,
                  "all rows are counted")

    def saved_files(self):
        return sorted(glob.glob(self.path("state/kept/*.kept")))

    def kill_one(self, run):
        """One that is at work: there are two of them."""
        run.until_executors(2)
        self.kill(run.executors()[0])

    def test_executors_that_share_no_memory(self):
        run = self.start_app({"DSTREAM_SHARED_MEMORY": "off"})
        for _ in range(4):
            self.feed(run)
            run.until(self.saved_files, "something is saved")
            self.kill_one(run)
            self.feed(run)
        run.stop()

    def test_a_folder_that_cannot_be_written(self):
        run = self.start_app()
        self.feed(run)
        run.until(self.saved_files, "something is saved")
        everyone = [run.process.pid, *run.executors()]
        for pid in everyone:
            scenario.halt(pid)  # or one of them makes the folder again meanwhile
        os.rename(self.path("state/kept"), self.path("state/aside"))
        self.write("state/kept", "no folder")
        for pid in everyone:
            os.kill(pid, signal.SIGCONT)
        self.feed(run)
        run.until_log("what is kept could not be saved: ")
        self.feed(run)
        os.remove(self.path("state/kept"))
        os.rename(self.path("state/aside"), self.path("state/kept"))
        run.until_log("what is kept can be saved again")
        self.kill_one(run)
        self.feed(run)
        run.stop()


if __name__ == "__main__":
    scenario.main()
