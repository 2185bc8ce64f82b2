"""Who takes part: programs that run once for each turn, and servers that stay.

A contestant has a `name`, a `share` of the data, and `turn(work)`, which does the job once in the
folder `work` and returns (figures, rows of text). A server has started, loaded its code and
compiled it before the turns that count, and stands still while others have theirs.
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from harness import feed, machine, measure


class Program:
    """Started anew for every turn; its time counts from the exec to the end."""

    def __init__(self, name, share, part, argv):
        self.name, self.share, self.part, self.argv = name, share, part, argv

    def turn(self, work):
        path = os.path.join(work, "result")
        with open(path, "wb") as file, feed.port_of(self.part) as port:
            argv = [word.replace("{port}", str(port)) for word in self.argv]
            figures = measure.run(argv, self.part.records, work, file, machine.one_core())
        with open(path, encoding="utf-8") as file:
            return figures, file.readlines()


class Dstream:
    """The release binary, from the exec to the end, with all that it writes."""

    share = 1.0

    def __init__(self, name, part, app, executors=1, cores=1):
        self.name, self.part, self.app = name, part, app
        self.executors, self.cores = executors, cores

    def turn(self, work):
        clear(work)
        with feed.port_of(self.part) as port:
            with open(os.path.join(work, "app.json"), "w", encoding="utf-8") as file:
                file.write(json.dumps(self.app).replace("{port}", str(port)))
            figures = measure.run(
                [machine.DSTREAM, "run", "--available-now", "--log-level", "error", "--progress",
                 "none", "--executors", str(self.executors), "app.json"], self.part.records, work,
                cores=machine.one_core() if self.cores == 1 else None)
        return figures, rows_of_sink(os.path.join(work, "out"))


def rows_of_sink(folder):
    """Of a `file` sink: the lines of all times."""
    rows = []
    for path in sorted(glob.glob(os.path.join(folder, "*", "part-*"))):
        with open(path, encoding="utf-8") as file:
            rows += file
    return rows


def clear(work):
    """What a run leaves behind."""
    for folder in "out", "state":
        shutil.rmtree(os.path.join(work, folder), ignore_errors=True)


class Server:
    """A peer that stays: one line of JSON asks for a turn, one line answers."""

    running = {}

    @classmethod
    def of(cls, argv, cores, log):
        """There is one of a kind, for all workloads."""
        if log not in cls.running:
            cls.running[log] = cls(argv, cores, log)
        return cls.running[log]

    @classmethod
    def close_all(cls):
        for server in cls.running.values():
            server.close()
        cls.running.clear()

    def __init__(self, argv, cores, log):
        self.name = os.path.basename(argv[0])
        self.log = open(log, "wb")
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log, text=True, start_new_session=True,
                                        preexec_fn=measure.pinned(cores))
        self.stopped = False

    def ask(self, request):
        self.resume()
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("%s ended; see %s" % (self.name, self.log.name))
        return json.loads(answer)

    def resume(self):
        if self.stopped:
            self.process.send_signal(signal.SIGCONT)
            self.stopped = False

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True

    def close(self):
        self.resume()
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Served:
    """A job of a server. What it says of its own time counts if it says anything: then waiting
    for the next batch does not. The CPU time is that of its process, all of the turn."""

    def __init__(self, name, share, part, server, request):
        self.name, self.share, self.part = name, share, part
        self.server, self.request = server, request

    def turn(self, work):
        path = os.path.join(work, "result")
        if os.path.exists(path):
            os.remove(path)
        self.server.resume()
        pid = self.server.process.pid
        cpu, began, peak = measure.cpu_of(pid), time.monotonic(), measure.Peak(pid)
        with feed.port_of(self.part) as port:
            answer = self.server.ask({**self.request, "output": path, "work": work,
                                      "port": port or 0})
        wall, most = time.monotonic() - began, peak.stop()
        cpu = measure.cpu_of(pid) - cpu
        self.server.pause()
        if "error" in answer:
            sys.exit("%s: %s" % (self.name, answer["error"]))
        with open(path, encoding="utf-8") as file:
            rows = file.readlines()
        return measure.Figures(self.part.records, answer.get("seconds", wall), cpu, most), rows
