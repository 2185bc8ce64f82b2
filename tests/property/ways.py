"""Runs an app with the real binary, in one of several ways, and compares what comes out."""
import collections
import copy
import json
import math
import os
import random
import resource
import shutil
import subprocess
import tempfile
import time

from evaluate import Evaluation, Stream, Table
from expressions import time_text
from records import csv_row, json_value

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.path.abspath(os.environ.get("DSTREAM", os.path.join(HERE, "../../build/dstream")))
PATIENCE = float(os.environ.get("DSTREAM_PATIENCE", "60"))  # seconds for one run
MOST_BYTES = 16 << 20  # of an app file
MOST_MEMORY = 3 << 30  # of this program

# Thousands of small files are made and synced: where that costs nothing, if there is such a place.
FOLDERS = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

# How an app is run: options of `dstream run`. "test" is `dstream test`.
WAYS = {
    "one": ["--executors", "1", "--set", "executors.key_partitions=1"],
    "four": ["--executors", "4"],
    "threads": ["--executors", "2", "--cores", "2", "--set", "executors.mode=threads",
                "--set", "executors.key_partitions=7"],
    "test": None,
}

# For apps with much data: with so little memory that most of them have to use the disk.
WIDE_WAYS = {
    "plenty": ["--executors", "2", "--cores", "2"],
    "spill": ["--executors", "2", "--set", "executors.memory=16MiB", "--set",
              "limits.memory=48MiB"],
}

# Not by default, since a run cannot be repeated: an executor is killed, or the driver, which is
# started again. Only for apps that keep nothing from batch to batch.
WITH_DEATHS = {
    "killed": ["--executors", "4"],
    "restarted": ["--executors", "2", "--set", "checkpoint.dir=kept"],
}


class Difference(Exception):
    """What was expected did not come out."""


# ---- comparing ----


def same_value(expected, got):
    if isinstance(expected, float):
        return isinstance(got, float) and (
            expected == got or math.isclose(expected, got, rel_tol=1e-9, abs_tol=1e-9))
    if isinstance(expected, list):
        return isinstance(got, list) and len(expected) == len(got) and \
            all(map(same_value, expected, got))
    return type(expected) is type(got) and expected == got


def same_row(expected, got):
    return list(expected) == list(got) and all(map(same_value, expected.values(), got.values()))


def text_of(rows):
    lines = ["    " + json.dumps(row, ensure_ascii=False) for row in rows[:30]]
    if len(rows) > 30:
        lines.append("    ... (%d)" % len(rows))
    return "\n".join(lines) or "    nothing"


def unmatched(expected, got):
    """Rows of each that the other lacks."""
    text = lambda row: json.dumps(row, ensure_ascii=False)
    counts = collections.Counter(map(text, got))
    missing = []
    for row in expected:
        if counts[text(row)] > 0:
            counts[text(row)] -= 1
        else:
            missing.append(row)
    more = [json.loads(row) for row in counts.elements()]
    # What is left may differ in the last digits of floats: near each other when sorted.
    missing.sort(key=text)
    more.sort(key=text)
    if len(missing) == len(more) and all(map(same_row, missing, more)):
        return [], []
    for row in missing[:1000]:
        found = next((g for g in more if same_row(row, g)), None)
        if found is not None:
            missing.remove(row)
            more.remove(found)
    return missing, more


def compare_rows(expected, got, ordered):
    """Raises Difference unless the rows are the same, as a list or as a multiset."""
    if ordered:
        missing = [e for e, g in zip(expected, got) if not same_row(e, g)] + expected[len(got):]
        more = [g for e, g in zip(expected, got) if not same_row(e, g)] + got[len(expected):]
    else:
        missing, more = unmatched(expected, got)
    if missing or more:
        raise Difference("  expected:\n%s\n  came out:\n%s" % (text_of(missing), text_of(more)))


def expected_rows(app, evaluation, dataset, k):
    types = {c.name: c.type for c in dataset.columns}
    return [{name: json_value(types[name], value) for name, value in row.items()}
            for _, row in evaluation.rows(dataset.name, k)]


# ---- running ----


def limit_memory():
    """An evaluation that grows without end is an error of this test, not of the machine."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def without_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def launch(arguments, folder):
    return subprocess.Popen([BINARY, *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env=dict(os.environ, TMPDIR=folder), preexec_fn=without_limit)


def finish(process):
    """Waits for the end; returns status and standard error."""
    try:
        out, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
        raise Difference("no end after %g s\n%s" % (PATIENCE, readable(out.decode(errors="replace")))) from None
    return process.returncode, out.decode(errors="replace")


def readable(log):
    """The end of a log, without lines of progress."""
    lines = [line for line in log.splitlines() if not line.startswith('{"batch_time"')]
    return "\n".join(lines)[-4000:]


def start(arguments, folder):
    return finish(launch(arguments, folder))


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open("/proc/%s/stat" % entry, encoding="utf-8") as file:
                if int(file.read().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(entry))
        except (OSError, ValueError):
            continue
    return found


def start_and_kill(arguments, folder, way):
    """Kills an executor at some time; or the driver, up to three times, and starts it again."""
    for _ in range(random.randrange(1, 4) if way == "restarted" else 1):
        process = launch(arguments, folder)
        time.sleep(random.random() ** 2 * 0.08)
        victims = [process.pid] if way == "restarted" else children(process.pid)
        if victims and process.poll() is None:
            try:
                os.kill(random.choice(victims), 9)
            except ProcessLookupError:
                pass
        status, log = finish(process)
    if way == "killed" or status == 0:
        return status, log
    return start(arguments, folder)


def outputs(app, folder, dataset):
    """{time in ms: rows} of a sink."""
    path = os.path.join(folder, "out", dataset.name)
    read = json.loads
    if dataset.name in app.csv_sinks:
        read = lambda line: csv_row(dataset.columns, line.rstrip("\n"))
    found = {}
    for entry in os.listdir(path) if os.path.isdir(path) else []:
        if entry.isdigit():
            rows = []
            for part in sorted(os.listdir(os.path.join(path, entry))):
                if part.startswith("part-"):
                    with open(os.path.join(path, entry, part), encoding="utf-8",
                              newline="\n") as file:
                        rows += [read(line) for line in file]
            found[int(entry)] = rows
    return found


def write_app(app_json, folder):
    path = os.path.join(folder, "app.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(app_json, file, ensure_ascii=False, indent=None if "tests" in app_json else 1)
    return path


def check_dataset(app, evaluation, dataset, found, last):
    """All times of one sink: those up to the last, each as evaluated, and no others."""
    ordered = isinstance(dataset, Stream) and dataset.repartition is None and \
        (dataset.order_by is not None or dataset.limit is not None)
    for k in range(1, last + 1):
        got = found.pop(evaluation.time(k) // 1000, [])
        due = evaluation.rows(dataset.name, k) is not None
        expected = expected_rows(app, evaluation, dataset, k) if due else []
        try:
            compare_rows(expected, got, ordered)
        except Difference as difference:
            raise Difference("%s at batch %d (%s)\n%s" % (
                dataset.name, k, time_text(evaluation.time(k)), difference)) from None
    if found:
        raise Difference("%s has rows at %s" % (dataset.name, sorted(found)))


def last_batch(app, evaluation, n_times=0):
    """The first due time of every stream at or after the last input, which came in batch n_times if
    it was cut into more than were given."""
    n = max(app.n_batches(), n_times)
    return max(next(k for k in range(n, n + 1000) if evaluation.due(dataset, k))
               for dataset in app.datasets())


def write_files(app, folder):
    """The inputs of `files` sources; the last record of a file may lack its end."""
    for source in app.sources:
        if source.format is None:
            continue
        path = os.path.join(folder, "in", source.name)
        os.makedirs(path)
        header = source.format.header()
        for i, records in enumerate(source.files):
            lines = [text for text, _ in records]
            text = "\n".join(([header] if header is not None else []) + lines)
            # A blank last line is a record only if it has an end.
            with open(os.path.join(path, "%02d" % i), "w", encoding="utf-8") as file:
                file.write(text + ("\n" if lines and (i % 2 or not lines[-1].strip()) else ""))


def check_bad_records(app, log):
    """What the last progress line says of bad records."""
    progress = [line for line in log.splitlines() if line.startswith('{"batch_time"')]
    sources = json.loads(progress[-1])["sources"] if progress else {}
    for source in app.sources:
        got = sum(sources.get(source.name, {}).get("bad", {}).values())
        if got != source.bad:
            raise Difference("%s has %d bad records, not %d\n%s" % (source.name, got, source.bad,
                                                                  readable(log)))


class Evaluated(Evaluation):
    """Batch times as they were: after a restart there may be gaps."""

    def __init__(self, datasets, interval, times):
        super().__init__(datasets, times[0] - interval, interval)
        self.times = times

    def time(self, k):
        return self.times[k - 1] if 1 <= k <= len(self.times) else super().time(k)


def datasets_as_cut(app, found, times):
    """With little memory not all files are taken in the first batch: as what came out says."""
    datasets = []
    for dataset in app.datasets():
        if getattr(dataset, "format", None) is not None and not isinstance(dataset, Table):
            rows, at, batches = dataset.batches[0], 0, []
            for time_ms in times:
                n = len(found[dataset.name].get(time_ms, []))
                batches.append(rows[at:at + n])
                at += n
            if at == len(rows):  # else it will be told as a difference
                dataset = copy.copy(dataset)
                dataset.batches = batches
        datasets.append(dataset)
    return datasets


def run_way(app, way, folder):
    path = write_app(app.json(), folder)
    write_files(app, folder)
    arguments = ["run", path, "--available-now", "--progress", "json",
                 "--set", "executors.heartbeat=20s"]
    if way in WITH_DEATHS:
        status, log = start_and_kill(arguments + WITH_DEATHS[way], folder, way)
    else:
        status, log = start(arguments + (WAYS | WIDE_WAYS)[way], folder)
    if status != 0:
        raise Difference("ended with %d\n%s" % (status, readable(log)))
    clock = outputs(app, folder, app.sources[0])
    if len(clock) != len(app.sources[0].batches):
        raise Difference("%d of %d batches\n%s" % (len(clock), len(app.sources[0].batches),
                                                  readable(log)))
    found = {dataset.name: outputs(app, folder, dataset) for dataset in app.datasets()}
    times = sorted(set(clock) | {time_ms for source in app.sources if not isinstance(source, Table)
                                 for time_ms in found[source.name]})
    if way in WITH_DEATHS:  # a driver that begins when all is done runs one more batch
        times += sorted({time_ms for out in found.values() for time_ms in out
                         if time_ms > times[-1]})
    else:
        check_bad_records(app, log)
    evaluation = Evaluated(datasets_as_cut(app, found, times), app.interval_ms * 1000,
                           [time_ms * 1000 for time_ms in times])
    last = last_batch(app, evaluation, len(times))
    for dataset in app.datasets():
        check_dataset(app, evaluation, dataset, found[dataset.name], last)


def test_way(app, folder):
    """The same as a test in the file: what is expected is written there."""
    interval = app.interval_ms
    zero = 1790000000 * 1000 // interval * interval + app.n_batches() * interval
    evaluation = Evaluation(app.datasets(), zero * 1000, interval * 1000)
    n = app.n_batches() + 5
    expect = {}
    for stream in app.streams:
        exact = [c.name for c in stream.columns if c.exact]
        expect[stream.name] = [
            [{name: row[name] for name in exact}
             for row in expected_rows(app, evaluation, stream, k)] if exact else []
            for k in range(1, n + 1) if evaluation.due(stream, k)]
        if not exact:
            del expect[stream.name]
    whole = app.json(sinks=False)
    given = {}
    for source in app.sources:
        if source.format is not None:
            header = source.format.header()
            given[source.name] = ([header] if header is not None else []) + \
                [text for records in source.files for text, _ in records]
    whole["tests"] = [{"name": "as evaluated", "start": time_text(zero * 1000), "batches": n,
                       "expect": expect, "expect_errors": {s.name: s.bad for s in app.sources}}]
    if given:
        whole["tests"][0]["input"] = [given]
    path = write_app(whole, folder)
    if os.path.getsize(path) > MOST_BYTES:
        return
    status, log = start(["test", path], folder)
    if status != 0:
        raise Difference("dstream test ended with %d\n%s" % (status, readable(log)))


def check(app, way, keep=None):
    """Raises Difference if the app gives something else in this way. The files go to keep."""
    folder = tempfile.mkdtemp(prefix="property-", dir=FOLDERS)
    try:
        if way == "test":
            test_way(app, folder)
        elif way not in WITH_DEATHS or not app.remembers():
            run_way(app, way, folder)
    finally:
        if keep:
            shutil.copytree(folder, keep, dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
