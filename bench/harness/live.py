"""A running app: its progress, its processes, its output."""
import datetime
import json
import os
import signal
import subprocess
import threading
import time

from harness import machine, measure, parts
from harness.failed import Failed

PATIENCE = 120  # seconds
EXECUTOR_THREADS = {"executor", "task", "receivers", "log"}


def command(work, app, options):
    """Its arguments, of an app file that is written for it."""
    os.makedirs(work, exist_ok=True)
    with open(os.path.join(work, "app.json"), "w", encoding="utf-8") as file:
        json.dump(app, file)
    return [machine.DSTREAM, "run", "--progress", "json", "--log-level", "warn", *options,
            "app.json"]


def is_progress(line):
    return line.startswith('{"batch_time"')


class App:
    """`dstream run` with --progress json. What it writes to standard output goes to `on_row`.
    `began` is when the new process called exec."""

    def __init__(self, work, app, options=(), on_row=None, cores=None):
        self.lines, self.log = [], []
        moment, told = os.pipe()
        self.process = subprocess.Popen(
            measure.begun(command(work, app, options), cores, told), cwd=work,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=(told,))
        os.close(told)
        with os.fdopen(moment) as file:
            self.began = float(file.readline())
        self.threads = [threading.Thread(target=target, daemon=True) for target in
                        (self.listen, lambda: self.read(on_row))]
        for thread in self.threads:
            thread.start()

    def listen(self):
        for line in self.process.stderr:
            if is_progress(line):
                self.lines.append(json.loads(line))
            else:
                self.log.append(line)

    def read(self, on_row):
        for row in self.process.stdout:
            if on_row is not None:
                on_row(row)

    def until(self, condition, patience=PATIENCE):
        """Waits until it holds; whether it does."""
        end = time.monotonic() + patience
        while not condition():
            if time.monotonic() > end:
                return False
            if self.process.poll() is not None:
                self.fail("the app ended (%d)" % self.process.returncode)
            time.sleep(0.002)
        return True

    def until_batches(self, count):
        if not self.until(lambda: self.lines and self.lines[-1]["batches"] >= count):
            self.fail("%d batches did not come" % count)

    def fail(self, why):
        self.process.kill()
        self.process.wait()
        raise Failed("%s: %s" % (why, "".join(self.log[-20:])))

    def driver_cpu(self):
        """Without threads of executors, which may be in the same process."""
        return measure.exact_cpu_of(self.process.pid, EXECUTOR_THREADS)

    def pss(self):
        """MiB, of all its processes."""
        return measure.pss_of_tree(self.process.pid) / 1024

    def stop(self):
        """Lets it end; its lines are whole then."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.finish()

    def finish(self):
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.fail("the app does not end")
        for thread in self.threads:
            thread.join()
        if self.process.returncode != 0:
            self.fail("the app failed (%d)" % self.process.returncode)


TO_END = ["--available-now", "--executors", "1"]


def run_to_end(work, app, on_row=None):
    """The progress of all batches of an app with --available-now."""
    running = App(work, app, TO_END, on_row, cores=machine.one_core())
    running.finish()
    return running.lines


def measured(work, app, records):
    """The same, of an app with so many records: (figures, progress, where its output is)."""
    path, told = os.path.join(work, "output"), []
    with open(path, "wb") as file:
        figures = measure.run(command(work, app, TO_END), records, work, file,
                              machine.one_core(), told=told)
    lines = [json.loads(line) for line in told[0].splitlines() if is_progress(line)]
    return figures, lines, path


def end_of(line):
    """When a batch was committed, in seconds since 1970."""
    time_of_batch = datetime.datetime.fromisoformat(line["batch_time"].replace("Z", "+00:00"))
    return time_of_batch.timestamp() + line["delay_us"] / 1e6


def quantile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def threads_mode():
    """Whether this dstream can run its executors as threads of the driver."""
    app = {"version": 1, "name": "a", "batch": {"interval": "1s"},
           "executors": {"mode": "threads"}, "sources": {"s": {"type": "stdin"}},
           "sinks": {"o": {"from": "s", "type": "console"}}}
    done = subprocess.run([machine.DSTREAM, "validate", "/dev/stdin"], input=json.dumps(app),
                          text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          check=False)
    return done.returncode == 0


WITH_THREADS = "dstream with threads"


def both_modes(rows, goals, goals_with_threads):
    """Parts with rows(name, mode): with executors that are processes, and with threads."""
    processes = parts.ours("dstream", rows("dstream", {}), goals)
    if not threads_mode():
        return [processes, parts.told(WITH_THREADS, "not in this version", goals_with_threads)]
    threads = rows(WITH_THREADS, {"mode": "threads"})
    return [processes, parts.ours(WITH_THREADS, threads, goals_with_threads)]
