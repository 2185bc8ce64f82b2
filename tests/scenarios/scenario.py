"""What every scenario shares: the real binary in a folder of its own, waiting without fixed
sleeps, and the promise that nothing is left behind.

A scenario is a unittest test of a class derived from Scenario. The binary comes from the
environment variable DSTREAM (ctest sets it), or is build/dstream. Each test has a temporary
folder, which is the app's current folder; files, apps and sinks are named relative to it.

After every test, whatever became of it, these are looked for: processes that the test's apps
started (they carry a mark in their environment), listening ports that it handed out, abstract
sockets of its drivers, memfd segments, and files in TMPDIR or /dev/shm. Anything found fails the
test. So does a word of a failed assertion or of a sanitizer on standard error.
"""
import glob
import itertools
import json
import os
import shutil
import signal as signals
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.path.abspath(os.environ.get("DSTREAM", os.path.join(HERE, "../../build/dstream")))
MARK = "DSTREAM_SCENARIO"

def is_sanitized():
    with open(BINARY, "rb") as file:
        data = file.read()
    return b"__asan_init" in data or b"__tsan_init" in data


SANITIZED = os.path.exists(BINARY) and is_sanitized()

# Exit statuses of the documentation.
DONE, FAILED, USAGE, DATA, NO_INPUT, UNAVAILABLE, BUG, IO_ERROR, WRONG_APP = (
    0, 1, 64, 65, 66, 69, 70, 74, 78)

NEVER = "1000d"  # an interval whose ends no run sees

PATIENCE = float(os.environ.get("DSTREAM_PATIENCE", "30"))  # seconds; a slow build wants more


def until(condition, what, seconds=PATIENCE):
    """Polls until condition() is true and returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError("after %g s still not: %s" % (seconds, what))
        time.sleep(0.01)


def read(path, default=None):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "surrogateescape")
    except OSError:
        if default is None:
            raise
        return default


def awk(program, *paths, variables=None, text=None):
    """The oracle: what awk prints, as a list of lines."""
    command = ["awk"]
    for name, value in (variables or {}).items():
        command += ["-v", "%s=%s" % (name, value)]
    done = subprocess.run(command + [program, *paths], input=text, check=True,
                          stdout=subprocess.PIPE, env=dict(os.environ, LC_ALL="C"))
    return done.stdout.decode().splitlines()


def canonical(rows):
    """Rows as a multiset that compares: a sorted list of texts."""
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def ms(timestamp_text):
    """Milliseconds since 1970 of a batch time as --progress json writes it."""
    import datetime
    text = timestamp_text.rstrip("Z")
    form = "%Y-%m-%dT%H:%M:%S.%f" if "." in text else "%Y-%m-%dT%H:%M:%S"
    moment = datetime.datetime.strptime(text, form).replace(tzinfo=datetime.timezone.utc)
    return round(moment.timestamp() * 1000)


# ---- processes ----


def processes_marked(mark):
    """Pids of living processes (zombies do not count) that were started with this mark."""
    wanted = ("%s=%s" % (MARK, mark)).encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/environ" % entry, "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(int(entry))
        except OSError:
            continue
    return found


def command_line(pid):
    return read("/proc/%d/cmdline" % pid).split("\0")[:-1]


def status_field(pid, name):
    """A number of /proc/PID/status, in its unit there (kB)."""
    for line in read("/proc/%d/status" % pid).splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def process_state(pid):
    return read("/proc/%d/stat" % pid).rsplit(")", 1)[1].split()[0]


def halt(pid):
    """SIGSTOP, until it stands still: one of its threads is told, and where the machine has much to
    do the others run on until that one tells them."""
    def stands_still():
        stats = [read(path, "") for path in glob.glob("/proc/%d/task/*/stat" % pid)]
        return all(stat == "" or stat.rsplit(")", 1)[1].split()[0] in "TtZX" for stat in stats)
    os.kill(pid, signals.SIGSTOP)
    until(stands_still, "%d stands still" % pid)


def memfds(pid):
    """The memfd segments that a process holds, by inode."""
    found = {}
    for path in glob.glob("/proc/%d/fd/*" % pid):
        try:
            target = os.readlink(path)
            if target.startswith("/memfd:dstream"):
                found[os.stat(path).st_ino] = target
        except OSError:
            continue
    return found


def listening_ports():
    ports = set()
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in read(path, "").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


def abstract_sockets(pid):
    prefix = "@dstream-%d-" % pid
    return [line.split()[-1] for line in read("/proc/net/unix").splitlines()
            if line.split()[-1].startswith(prefix)]


class Run:
    """One started dstream."""

    numbers = itertools.count(1)

    def __init__(self, test, arguments, stdin=subprocess.DEVNULL, env=None, **popen):
        number = next(Run.numbers)
        self.test = test
        self.out_path = os.path.join(test.outside, "run-%d.out" % number)
        self.err_path = os.path.join(test.outside, "run-%d.err" % number)
        self.arguments = arguments
        environment = dict(os.environ, TMPDIR=test.tmpdir, **(env or {}))
        environment[MARK] = test.mark
        if "stdout" not in popen:
            popen["stdout"] = open(self.out_path, "wb")
        with open(self.err_path, "wb") as err:
            self.process = subprocess.Popen([BINARY, *arguments], cwd=test.dir, env=environment,
                                            stdin=stdin, stderr=err, **popen)
        if hasattr(popen["stdout"], "close"):
            popen["stdout"].close()
        self.pid = self.process.pid
        test.runs.append(self)

    def __repr__(self):
        return "dstream " + " ".join(self.arguments)

    # What it wrote.

    def out(self):
        return read(self.out_path)

    def err(self):
        return read(self.err_path)

    def rows(self):
        """Rows that a console sink wrote as JSON."""
        return [json.loads(line) for line in self.out().splitlines()]

    def log(self):
        """Standard error without the progress lines."""
        return "\n".join(line for line in self.err().splitlines()
                         if not line.startswith('{"batch_time"'))

    def progress(self):
        """All progress lines (--progress json) so far."""
        lines = self.err().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith('{"batch_time"')]

    def last(self):
        """The newest progress line, {} before the first."""
        for line in reversed(self.err().split("\n")[:-1]):
            if line.startswith('{"batch_time"'):
                return json.loads(line)
        return {}

    def source(self, name="in"):
        """What was counted for one source."""
        return self.last().get("sources", {}).get(name, {})

    def bad(self, reason, source="in"):
        return self.source(source).get("bad", {}).get(reason, 0)

    # What it does.

    def running(self):
        return self.process.poll() is None

    def wait(self, status=DONE, seconds=PATIENCE):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError("%r did not end in %g s" % (self, seconds)) from None
        if status is not None and code != status:
            raise AssertionError("%r ended with %d, not %d" % (self, code, status))
        return code

    def signal(self, number):
        os.kill(self.pid, number)

    def stop(self, status=DONE, number=signals.SIGTERM):
        """Asks for a graceful stop and waits."""
        self.signal(number)
        self.wait(status)
        return self

    def kill(self):
        if self.running():
            self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def until(self, condition, what, seconds=PATIENCE):
        """Waits for a condition while it runs; if it ends first that is an error."""
        def check():
            result = condition()
            if not result and not self.running():
                result = condition()
                if not result:
                    raise AssertionError("%r ended before: %s" % (self, what))
            return result
        return until(check, what, seconds)

    def until_log(self, text, times=1, seconds=PATIENCE):
        self.until(lambda: self.log().count(text) >= times, "log says %r" % text, seconds)

    def until_rows_in(self, n, seconds=PATIENCE):
        self.until(lambda: self.last().get("rows_in", 0) >= n, "%d rows were read" % n, seconds)

    def until_batches(self, n, seconds=PATIENCE):
        self.until(lambda: self.last().get("batches", 0) >= n, "%d batches" % n, seconds)

    def executors(self):
        """Pids of the executors that it started, by age."""
        found = []
        for pid in processes_marked(self.test.mark):
            try:
                arguments = command_line(pid)
                if "executor" in arguments[1:2] and \
                        arguments[arguments.index("--parent") + 1] == str(self.pid) and \
                        process_state(pid) not in "ZX":
                    found.append(pid)
            except (OSError, ValueError):
                continue
        return sorted(found)

    def until_executors(self, n):
        self.until(lambda: len(self.executors()) == n, "%d executors live" % n)
        return self.executors()


class Scenario(unittest.TestCase):
    maxDiff = 2000
    # executors.heartbeat of all runs: on a machine with very much to do nobody is to be given up for
    # it. None: what the app says.
    HEARTBEAT = "20s"
    # executors.mode of all runs; None: what the app says.
    MODE = None

    def setUp(self):
        # `outside` is for the harness; `dir` is all that the app knows.
        self.outside = tempfile.mkdtemp(prefix="scenario-")
        self.dir = os.path.join(self.outside, "work")
        self.tmpdir = os.path.join(self.outside, "tmp")
        os.mkdir(self.dir)
        os.mkdir(self.tmpdir)
        self.mark = os.path.basename(self.outside)
        self.runs = []
        self.ports = []
        self.shm = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
        self.addCleanup(self.finish)

    # ---- files ----

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, content, aside=True):
        """Writes a file; aside: under a name that `files` sources pass over, then renamed."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(content, str):
            content = content.encode()
        target = path
        if aside:
            target = os.path.join(os.path.dirname(path), ".aside-" + os.path.basename(path))
        with open(target, "wb") as file:
            file.write(content)
        if aside:
            os.rename(target, path)
        return path

    def app(self, sources, streams=None, sinks=None, name="app", interval="100ms", file=None,
            **more):
        """Writes an app file and returns its name. sinks None: the last stream (or source) goes
        to the console."""
        if sinks is None:
            last = list(streams or sources)[-1]
            sinks = {"screen": {"from": last, "type": "console"}}
        app = {"version": 1, "name": name, "batch": {"interval": interval}, "sources": sources}
        if streams:
            app["streams"] = streams
        app["sinks"] = sinks
        app.update(more)
        file = file or name + ".json"
        self.write(file, json.dumps(app, indent=2))
        return file

    # ---- runs ----

    def start(self, app, *options, **popen):
        """Starts `dstream run`, with progress as JSON unless it is said otherwise."""
        arguments = ["run", app, *options]
        if "--progress" not in options:
            arguments += ["--progress", "json"]
        if self.HEARTBEAT and not any("executors.heartbeat" in option for option in options):
            arguments += ["--set", "executors.heartbeat=" + self.HEARTBEAT]
        if self.MODE:
            arguments += ["--set", "executors.mode=" + self.MODE]
        return Run(self, arguments, **popen)

    def run_now(self, app, *options, status=DONE, text=None, **popen):
        """Runs with --available-now to the end; text is for standard input."""
        if text is not None:
            path = self.write("../stdin-%d" % len(self.runs), text, aside=False)
            with open(path, "rb") as file:
                run = self.start(app, "--available-now", *options, stdin=file, **popen)
        else:
            run = self.start(app, "--available-now", *options, **popen)
        run.wait(status)
        return run

    def kill(self, pid):
        """kill -9; whoever is gone already (as executors are soon after their driver) is dead."""
        try:
            os.kill(pid, signals.SIGKILL)
        except ProcessLookupError:
            pass

    def command(self, *arguments, status=DONE, **popen):
        run = Run(self, list(arguments), **popen)
        run.wait(status)
        return run

    # ---- what file sinks hold ----

    def folders(self, dir="out"):
        """Output times (ms) whose folder has _SUCCESS, sorted."""
        path = self.path(dir)
        try:
            names = os.listdir(path)
        except FileNotFoundError:  # a start tries whether it can make it, and takes it away
            names = []
        return sorted(int(name) for name in names
                      if name.isdigit() and os.path.exists(os.path.join(path, name, "_SUCCESS")))

    def parts(self, time_ms, dir="out"):
        """Names of the parts of one folder; anything else but _SUCCESS in it is an error."""
        names = sorted(os.listdir(self.path(dir, str(time_ms))))
        parts = [name for name in names if name.startswith("part-")]
        self.assertEqual(parts + ["_SUCCESS"], sorted(names, key=lambda n: (n == "_SUCCESS", n)))
        return parts

    def text_of(self, time_ms, dir="out"):
        return "".join(read(self.path(dir, str(time_ms), part))
                       for part in self.parts(time_ms, dir))

    def collect(self, dir="out"):
        """{time in ms: rows} of complete folders of a JSON sink."""
        return {time_ms: [json.loads(line) for line in self.text_of(time_ms, dir).splitlines()]
                for time_ms in self.folders(dir)}

    def collect_rows(self, dir="out"):
        return [row for rows in self.collect(dir).values() for row in rows]

    def assertRows(self, got, expected):
        self.assertEqual(canonical(got), canonical(expected))

    # ---- network ----

    def free_port(self):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.ports.append(port)
        return port

    def server(self, port=None):
        """A listening socket of the test; closed at its end."""
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port or 0))
        s.listen(16)
        s.settimeout(PATIENCE)
        self.addCleanup(s.close)
        return s, s.getsockname()[1]

    def accept(self, server):
        connection, _ = server.accept()
        connection.settimeout(PATIENCE)
        self.addCleanup(connection.close)
        return connection

    def connect(self, port):
        """Connects to a port, as soon as somebody listens."""
        def attempt():
            s = socket.socket()
            s.settimeout(PATIENCE)
            try:
                s.connect(("127.0.0.1", port))
                return s
            except OSError:
                s.close()
                return None
        s = until(attempt, "somebody listens on %d" % port)
        self.addCleanup(s.close)
        return s

    def send(self, port, data):
        s = self.connect(port)
        s.sendall(data.encode() if isinstance(data, str) else data)
        s.close()

    def until_read(self, s):
        """Waits until the other side has read all that was sent on a connection."""
        def address(pair):
            return "%08X:%04X" % (int.from_bytes(socket.inet_aton(pair[0]), sys.byteorder), pair[1])
        ends = [address(s.getpeername()), address(s.getsockname())]
        def empty():
            for line in read("/proc/net/tcp").splitlines()[1:]:
                fields = line.split()
                if fields[1:3] == ends:
                    return int(fields[4].split(":")[1], 16) == 0
            return False
        until(empty, "the bytes sent are read")

    def background(self, function, *arguments):
        """Runs a function in a thread that the test's end waits for."""
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        thread.start()
        self.addCleanup(thread.join, PATIENCE)
        return thread

    # ---- the end ----

    def finish(self):
        result = getattr(getattr(self, "_outcome", None), "result", None)
        wrong = getattr(result, "failures", []) + getattr(result, "errors", [])
        failed = any(self in (test, getattr(test, "test_case", None)) for test, _ in wrong)
        for run in self.runs:
            run.kill()
        problems = self.leftovers() + self.bad_words()
        for pid in processes_marked(self.mark):
            os.kill(pid, signals.SIGKILL)
        if failed or problems:
            self.show_runs()
        shutil.rmtree(self.outside, ignore_errors=True)
        if problems:
            self.fail("\n".join(problems))

    def show_runs(self):
        for run in self.runs:
            text = run.err()
            if len(text) > 6000:
                text = text[:2000] + "\n[...]\n" + text[-4000:]
            sys.stderr.write("---- %s: %r (status %s)\n%s\n" %
                             (self.id(), run, run.process.returncode, text))

    def leftovers(self):
        """What the apps left behind. Executors of a killed driver are given time to end."""
        problems = []
        def nothing(find):
            try:
                until(lambda: not find(), "gone")
            except AssertionError:
                problems.append("left behind: %s" % find())
        nothing(self.living)
        for run in self.runs:
            nothing(lambda: abstract_sockets(run.pid))
        nothing(lambda: ["port %d" % p for p in listening_ports().intersection(self.ports)])
        # A sanitizer's run time that is killed while it starts leaves a file of its own.
        files = [name for name in os.listdir(self.tmpdir) if not name.startswith("tsan.")]
        if files:
            problems.append("left behind in TMPDIR: %s" % files)
        if self.shm:
            more = [name for name in set(os.listdir("/dev/shm")) - self.shm if "dstream" in name]
            if more:
                problems.append("left behind in /dev/shm: %s" % more)
        return problems

    def living(self):
        """Processes of this test that still live, with their command lines."""
        found = []
        for pid in processes_marked(self.mark):
            try:
                if process_state(pid) not in "ZX":
                    found.append((pid, command_line(pid)))
            except OSError:
                continue
        return found

    def bad_words(self):
        words = ("assertion failed", "Sanitizer", "runtime error:")
        return ["%r says %r" % (run, word)
                for run in self.runs for word in words if word in run.err()]


def main():
    if not os.access(BINARY, os.X_OK):
        sys.exit("there is no binary %s: build it, or name another with DSTREAM" % BINARY)
    unittest.main(module="__main__", verbosity=2)
