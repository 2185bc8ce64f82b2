"""Wall time, CPU time and memory of processes and all below them."""
import collections
import os
import signal
import subprocess
import threading
import time

from harness import machine
from harness.failed import Failed

Figures = collections.namedtuple("Figures", "records wall cpu peak")  # seconds, MiB
TICK = os.sysconf("SC_CLK_TCK")
PATIENCE = 120  # seconds, for one turn


def tree(root):
    """A process and all its descendants."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as file:
                    parent = int(file.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def pss_of_tree(root):
    """Proportional memory of a process and all its descendants, in KiB."""
    total = 0
    for pid in tree(root):
        try:
            with open("/proc/%d/smaps_rollup" % pid) as file:
                total += next((int(line.split()[1]) for line in file if line.startswith("Pss:")), 0)
        except OSError:
            pass
    return total


def cpu_of(pid):
    """CPU seconds of a process so far, with its threads that ended, in steps of a tick."""
    with open("/proc/%d/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def exact_cpu_of(pid, without=()):
    """CPU seconds of the threads that a process has now, but for those of these names."""
    total = 0
    for thread in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/comm" % (pid, thread)) as file:
                if file.read().strip() in without:
                    continue
            with open("/proc/%d/task/%s/schedstat" % (pid, thread)) as file:
                total += int(file.read().split()[0])
        except OSError:
            pass
    return total / 1e9


class Peak:
    """The most memory that a process and those below it take while it is watched. Looking takes
    time of its own, and more for large processes: it is at most a twentieth of the time."""

    def __init__(self, pid):
        self.pid, self.most, self.done = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        pause = 0.005
        while not self.done.wait(pause):
            began = time.monotonic()
            self.most = max(self.most, pss_of_tree(self.pid))
            pause = max(0.01, 20 * (time.monotonic() - began))

    def stop(self):
        """MiB."""
        self.done.set()
        self.thread.join()
        return self.most / 1024


def begun(argv, cores=None, moment=None):
    """The command that begins a program which keeps to these cores, if any are given, and ends with
    this process, however that ends, also while it stands still. It tells the descriptor `moment`
    when it is called."""
    return [machine.starter(), ",".join(map(str, sorted(cores))) if cores else "-",
            "-" if moment is None else str(moment), *argv]


class Limit:
    """Kills the process group of a process that takes longer than so many seconds."""

    def __init__(self, pid, seconds):
        self.pid, self.over = pid, False
        self.timer = threading.Timer(seconds, self.end)
        self.timer.daemon = True  # a run that is ended does not wait for it
        self.timer.start()

    def end(self):
        self.over = True
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def lift(self):
        """Whether it was passed."""
        self.timer.cancel()
        self.timer.join()
        return self.over


def run(argv, records, cwd=None, stdout=subprocess.DEVNULL, cores=None, patience=PATIENCE,
        told=None):
    """Runs a program to its end. The CPU time is that of all its processes. What it writes to
    standard error is appended to the list `told`, if there is one."""
    began = time.monotonic()
    process = subprocess.Popen(begun(argv, cores), cwd=cwd, stdout=stdout, stderr=subprocess.PIPE,
                               start_new_session=True)
    peak, limit = Peak(process.pid), Limit(process.pid, patience)
    errors = process.stderr.read()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    late = limit.lift()  # while the process id is still its own
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    most = peak.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if late:
        raise Failed("not done after %g s" % patience)
    if process.returncode != 0:
        raise Failed("status %d: %s" % (process.returncode, errors.decode(errors="replace")))
    if told is not None:
        told.append(errors.decode(errors="replace"))
    return Figures(records, wall, usage.ru_utime + usage.ru_stime, most)
