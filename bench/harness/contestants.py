"""Who takes part: programs that run once for each turn, and servers that stay.

A contestant has a `name`, a `share` of the data, and `turn(work)`, which does the job once in the
folder `work` and returns (figures, rows of text). A server has started, loaded its code and
compiled it before the turns that count, and stands still while others have theirs. Whoever cannot
do it says so with `Failed`, or with another of failed.ERRORS.
"""
import concurrent.futures
import glob
import json
import os
import signal
import subprocess
import time

from harness import aside, data, feed, machine, measure
from harness.failed import Failed


class Contestant:
    is_ours = False  # what goes wrong is a fault of this project

    def prepare(self, work, turns):
        """Before each turn: whoever has to warm up, and has not yet, does so."""

    def end(self):
        """It failed, and has no more turns in this workload."""


class Program(Contestant):
    """Started anew for every turn; its time counts from the exec to the end."""

    def __init__(self, name, share, part, argv, is_ours=False):
        self.name, self.share, self.part, self.argv = name, share, part, argv
        self.is_ours = is_ours

    def turn(self, work):
        path = os.path.join(work, "result")
        with open(path, "wb") as file, feed.port_of(self.part) as port:
            argv = [word.replace("{port}", str(port)) for word in self.argv]
            figures = measure.run(argv, self.part.records, work, file, machine.one_core())
        with open(path, encoding="utf-8") as file:
            return figures, file.readlines()


class SideBySide(Contestant):
    """So many of a program at once, each with its part of the files; it takes as long as the last.
    Their rows are counts, by key."""

    share, is_ours = 1.0, True

    def __init__(self, name, part, argv, count):
        self.name, self.part, self.argv, self.count = name, part, argv, count

    def one(self, work, number):
        path = os.path.join(work, "result-%d" % number)
        with open(path, "wb") as file:
            figures = measure.run([*self.argv, *self.part.paths[number::self.count]], 0, work, file)
        with open(path, encoding="utf-8") as file:
            return figures, file.readlines()

    def turn(self, work):
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(self.count) as pool:
            done = list(pool.map(lambda number: self.one(work, number), range(self.count)))
        wall = time.monotonic() - began
        return measure.Figures(self.part.records, wall, sum(figures.cpu for figures, _ in done),
                               sum(figures.peak for figures, _ in done)), \
            self.added_up([row for _, rows in done for row in rows])

    @staticmethod
    def added_up(rows):
        return ["%s,%d\n" % (key, count) for key, (count,) in data.read_rows(rows, (sum,)).items()]


class Dstream(Contestant):
    """The release binary, from the exec to the end, with all that it writes."""

    share, is_ours = 1.0, True
    # What it says when it took a silence of half a second for the end of the stream, as it is to do
    # with --available-now: the sender was held up, and that turn says nothing.
    CUT, TURNS = "nothing came from", 5

    def __init__(self, name, part, app, executors=1, cores=1):
        self.name, self.part, self.app = name, part, app
        self.executors, self.cores = executors, cores

    def turn(self, work):
        for _ in range(self.TURNS):
            figures, told = self.one_turn(work)
            if self.CUT not in told:
                return figures, rows_of_sink(os.path.join(work, "out"))
        raise Failed("the sender was silent for half a second, %d times" % self.TURNS)

    def one_turn(self, work):
        clear(work)
        told = []
        with feed.port_of(self.part) as port:
            with open(os.path.join(work, "app.json"), "w", encoding="utf-8") as file:
                file.write(json.dumps(self.app).replace("{port}", str(port)))
            figures = measure.run(
                [machine.DSTREAM, "run", "--available-now", "--log-level",
                 "info" if self.part.over_tcp else "error", "--progress",
                 "none", "--executors", str(self.executors), "app.json"], self.part.records, work,
                cores=machine.one_core() if self.cores == 1 else None, told=told)
        return figures, told[0]


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
        aside.put(os.path.join(work, folder))


class Server:
    """A peer that stays: one line of JSON asks for a turn, one line answers. One that does not
    answer as it should is killed; whoever wants it then gets a new one."""

    running = {}

    @classmethod
    def of(cls, argv, cores, log):
        """There is one of a kind, for all workloads; a new one if that ended."""
        old = cls.running.get(log)
        if old is not None and old.process.poll() is not None:
            old.close()
        if log not in cls.running:
            cls.running[log] = cls(argv, cores, log)
        return cls.running[log]

    @classmethod
    def pause_all(cls):
        for server in cls.running.values():
            server.pause()

    @classmethod
    def close_all(cls):
        for server in list(cls.running.values()):
            server.close()

    def __init__(self, argv, cores, log):
        self.log = open(log, "wb")
        self.process = subprocess.Popen(measure.begun(argv, cores), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        start_new_session=True)
        self.stopped = False

    def ask(self, request, patience=measure.PATIENCE):
        """The answer; it is awaited for so many seconds."""
        self.resume()
        limit = measure.Limit(self.process.pid, patience)
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline() or "null")
        except (OSError, ValueError):  # it hung up, or wrote something else
            answer = None
        late = limit.lift()
        if isinstance(answer, dict) and "error" not in answer and not late:
            return answer
        self.kill()
        if late:
            raise Failed("no answer after %g s" % patience)
        if answer is None:
            raise Failed("it ended; see %s" % os.path.basename(self.log.name))
        raise Failed(answer["error"])

    def resume(self):
        if self.stopped:
            self.process.send_signal(signal.SIGCONT)
            self.stopped = False

    def pause(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGSTOP)
            self.stopped = True

    def kill(self):
        self.process.kill()
        self.close()

    def close(self):
        """Lets it end; it is nobody's any more. Once more does nothing."""
        if self.log.closed:
            return
        for log in [log for log, server in self.running.items() if server is self]:
            del self.running[log]
        self.resume()
        try:
            self.process.stdin.close()
        except OSError:  # it ended before it read all
            pass
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Served(Contestant):
    """A job of a server, which `start()` finds or starts. What it says of its own time counts if it
    says anything: then waiting for the next batch does not. The CPU time is what it says, too, or else
    that of its process, all of the turn."""

    WARM_UP = 8  # seconds after which no more turns begin that only warm up

    def __init__(self, name, share, part, start, request):
        self.name, self.share, self.part = name, share, part
        self.start, self.request, self.server = start, request, None

    def prepare(self, work, turns):
        """Also if another job of the server's failed, so that it is a new one."""
        server = self.start()
        if server is not self.server:
            self.server = server
            end = time.monotonic() + self.WARM_UP
            while turns > 0 and time.monotonic() < end:
                self.turn(work)
                turns -= 1

    def end(self):
        if self.server is not None and self.server.process.returncode is None:
            self.server.kill()

    def turn(self, work):
        path = os.path.join(work, "result")
        if os.path.exists(path):
            os.remove(path)
        self.server.resume()
        pid = self.server.process.pid
        cpu, began, peak = measure.cpu_of(pid), time.monotonic(), measure.Peak(pid)
        try:
            with feed.port_of(self.part) as port:
                answer = self.server.ask({**self.request, "output": path, "work": work,
                                          "port": port or 0})
        finally:
            wall, most = time.monotonic() - began, peak.stop()
        cpu = answer.get("cpu", measure.cpu_of(pid) - cpu)
        self.server.pause()
        with open(path, encoding="utf-8") as file:
            rows = file.readlines()
        return measure.Figures(self.part.records, answer.get("seconds", wall), cpu, most), rows
