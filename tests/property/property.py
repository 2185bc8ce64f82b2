#!/usr/bin/env python3
"""usage: property.py [--seeds FIRST..LAST | --seed N] [--seconds S] [--ways a,b] [--keep]

Random small apps with random inputs, run by the real binary in several ways (one executor, four,
two cores, ...) and compared, output time by output time, with a plain evaluation (evaluate.py).

A seed that fails is made smaller, and its app, what was expected and what came out are printed.
`property.py --seed N` runs that seed alone. The binary is named by DSTREAM, or is build/dstream.
"""
import argparse
import copy
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import generate  # noqa: E402
from evaluate import Evaluation, Stream  # noqa: E402
from expressions import time_text  # noqa: E402
from records import json_value  # noqa: E402

BINARY = os.path.abspath(os.environ.get("DSTREAM", os.path.join(HERE, "../../build/dstream")))
PATIENCE = float(os.environ.get("DSTREAM_PATIENCE", "60"))  # seconds for one run
# Thousands of small files are made and synced: where that costs nothing, if there is such a place.
FOLDERS = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

# How an app is run: options of `dstream run`. "test" is `dstream test`.
WAYS = {
    "one": ["--executors", "1", "--set", "executors.key_partitions=1"],
    "four": ["--executors", "4"],
    "cores": ["--executors", "1", "--cores", "2", "--set", "executors.key_partitions=7"],
    "test": None,
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
    return "\n".join("    " + json.dumps(row, ensure_ascii=False) for row in rows) or "    nothing"


def compare_rows(expected, got, ordered):
    """Raises Difference unless the rows are the same, as a list or as a multiset."""
    if ordered:
        missing = [e for e, g in zip(expected, got) if not same_row(e, g)] + expected[len(got):]
        more = [g for e, g in zip(expected, got) if not same_row(e, g)] + got[len(expected):]
    else:
        plain = lambda rows: sorted(json.dumps(row, ensure_ascii=False) for row in rows)
        if plain(expected) == plain(got):
            return
        missing, more = [], list(got)
        for row in expected:
            found = next((g for g in more if same_row(row, g)), None)
            if found is None:
                missing.append(row)
            else:
                more.remove(found)
    if missing or more:
        raise Difference("  expected:\n%s\n  came out:\n%s" % (text_of(missing), text_of(more)))


def expected_rows(app, evaluation, dataset, k):
    types = {c.name: c.type for c in dataset.columns}
    return [{name: json_value(types[name], value) for name, value in row.items()}
            for _, row in evaluation.rows(dataset.name, k)]


# ---- running ----


def start(arguments, folder):
    """Runs the binary to its end; returns status and standard error."""
    process = subprocess.Popen([BINARY, *arguments], cwd=folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env=dict(os.environ, TMPDIR=folder))
    try:
        out, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, _ = process.communicate()
        raise Difference("no end after %g s\n%s" % (PATIENCE, out.decode()[-3000:])) from None
    return process.returncode, out.decode(errors="replace")


def outputs(folder, name):
    """{time in ms: rows} of a sink."""
    path = os.path.join(folder, "out", name)
    found = {}
    for entry in os.listdir(path) if os.path.isdir(path) else []:
        if entry.isdigit():
            rows = []
            for part in sorted(os.listdir(os.path.join(path, entry))):
                if part.startswith("part-"):
                    with open(os.path.join(path, entry, part), encoding="utf-8") as file:
                        rows += [json.loads(line) for line in file]
            found[int(entry)] = rows
    return found


def write_app(app_json, folder):
    path = os.path.join(folder, "app.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(app_json, file, ensure_ascii=False, indent=1)
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


def last_batch(app, evaluation):
    """The first due time of every stream at or after the last input."""
    n = app.n_batches()
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
        for i, lines in enumerate(source.files):
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
                                                                  log[:3000]))


def run_way(app, way, folder):
    path = write_app(app.json(), folder)
    write_files(app, folder)
    status, log = start(["run", path, "--available-now", "--progress", "json", *WAYS[way]], folder)
    if status != 0:
        raise Difference("ended with %d\n%s" % (status, log[:3000]))
    clock = outputs(folder, "clock")
    if len(clock) != app.n_batches():
        raise Difference("%d of %d batches\n%s" % (len(clock), app.n_batches(), log[:3000]))
    interval = app.interval_ms
    evaluation = Evaluation(app.datasets(), (min(clock) - interval) * 1000, interval * 1000)
    check_bad_records(app, log)
    last = last_batch(app, evaluation)
    for dataset in app.datasets():
        check_dataset(app, evaluation, dataset, outputs(folder, dataset.name), last)


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
                [line for lines in source.files for line in lines]
    whole["tests"] = [{"name": "as evaluated", "start": time_text(zero * 1000), "batches": n,
                       "expect": expect, "expect_errors": {s.name: s.bad for s in app.sources}}]
    if given:
        whole["tests"][0]["input"] = [given]
    path = write_app(whole, folder)
    status, log = start(["test", path], folder)
    if status != 0:
        raise Difference("dstream test ended with %d\n%s" % (status, log[:6000]))


def check(app, way, keep=None):
    """Raises Difference if the app gives something else in this way. The files go to keep."""
    folder = tempfile.mkdtemp(prefix="property-", dir=FOLDERS)
    try:
        if way == "test":
            test_way(app, folder)
        else:
            run_way(app, way, folder)
    finally:
        if keep:
            shutil.copytree(folder, keep, dirs_exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


# ---- making smaller ----


def kind_of(message):
    """What a difference is about: the stream, or the first line."""
    found = re.search(r"^\s*(\w+) at (batch|\d)", message, re.M)
    return found[1] if found else re.sub(r'"[^"]*"|\S*\d\S*', "", "".join(message.split("\n")[:2]))


def fails(app, way, message):
    """True if the app still fails, and in the same stream. Where windows begin depends on when an
    app is run: several times will tell."""
    try:
        for _ in range(1 if way == "test" else 4):
            check(app, way)
    except Difference as difference:
        return kind_of(str(difference)) == kind_of(message)
    except (KeyError, AttributeError, ValueError):
        return False
    return False


def copy_of(app):
    made = copy.copy(app)
    made.sources = [copy.copy(source) for source in app.sources]
    made.streams = [copy.copy(stream) for stream in app.streams]
    return made


def reads(stream, name):
    return name in stream.parents or (stream.join is not None and stream.join.other == name)


def without_streams(app):
    for i in reversed(range(len(app.streams))):
        name = app.streams[i].name
        if not any(reads(other, name) for other in app.streams):
            smaller = copy_of(app)
            del smaller.streams[i]
            yield smaller
    for i, source in enumerate(app.sources):
        if source.name != "clock" and not any(reads(s, source.name) for s in app.streams):
            smaller = copy_of(app)
            del smaller.sources[i]
            yield smaller


def without_clauses(app):
    for i, stream in enumerate(app.streams):
        for clause in ("having", "order_by", "limit", "where", "flat_map", "distinct", "window",
                       "join", "repartition"):
            if clause == "flat_map" and stream.flat_map and \
                    any(c.name == stream.flat_map[0] for parent in app.datasets()
                        if parent.name in stream.parents for c in parent.columns):
                continue  # it changes the type of a column
            if getattr(stream, clause) is not None:
                smaller = copy_of(app)
                setattr(smaller.streams[i], clause, None)
                yield smaller
        for clause in ("aggregate", "select"):
            columns = getattr(stream, clause) or []
            for j in range(len(columns)):
                smaller = copy_of(app)
                changed = smaller.streams[i]
                setattr(changed, clause, columns[:j] + columns[j + 1:])
                changed.columns = [c for c in stream.columns if c.name != columns[j][0]]
                if len(columns) > 1:
                    yield smaller
        if len(stream.parents) > 1:
            for j in range(len(stream.parents)):
                smaller = copy_of(app)
                smaller.streams[i].parents = stream.parents[:j] + stream.parents[j + 1:]
                yield smaller


def without_rows(app):
    for i, source in enumerate(app.sources):
        if source.name == "clock" or source.format is not None:
            continue
        for b, batch in enumerate(source.batches):
            size = max(1, len(batch) // 2)
            while batch and size >= 1:
                for at in range(0, len(batch), size):
                    smaller = copy_of(app)
                    changed = smaller.sources[i]
                    changed.batches = list(source.batches)
                    changed.batches[b] = batch[:at] + batch[at + size:]
                    yield smaller
                size //= 2


def shrink(app, way, message, seconds=30):
    """The smallest app that it finds, in some time, which still fails."""
    end = time.monotonic() + seconds
    changed = True
    while changed:
        changed = False
        for ways_of in (without_streams, without_clauses, without_rows):
            again = True
            while again:
                again = False
                for smaller in ways_of(app):
                    if time.monotonic() > end:
                        return app
                    if fails(smaller, way, message):
                        app, again, changed = smaller, True, True
                        break
    return app


# ---- seeds ----


def app_text(app_json):
    """The app file with one row, column or clause on a line."""
    def text(value, depth, indent=""):
        if not value or depth == 0 or not isinstance(value, (dict, list)):
            return json.dumps(value, ensure_ascii=False)
        inner, deeper = indent + " ", depth - 1
        if isinstance(value, dict):
            parts = ["%s: %s" % (json.dumps(key, ensure_ascii=False),
                                 text(part, deeper if key not in ("batch", "schema") else 0, inner))
                     for key, part in value.items()]
            return "{\n%s%s\n%s}" % (inner, (",\n" + inner).join(parts), indent)
        return "[\n%s%s\n%s]" % (inner, (",\n" + inner).join(text(part, deeper, inner)
                                                           for part in value), indent)
    return text(app_json, 5)


def report(seed, way, app, message, keep):
    """Makes the app smaller, in the way that has one start if that fails, too; and shows it."""
    if way != "test" and fails(app, "test", message):
        way = "test"
    smaller = shrink(app, way, message)
    try:
        check(smaller, way, keep and "property-%d" % seed)
    except Difference as difference:
        message = str(difference)
    text = app_text(smaller.json(sinks=way != "test"))
    print("seed %d, %s: %s\n%s" % (seed, way, message, text))
    print("again: %s --seed %d --ways %s" % (os.path.relpath(__file__), seed, way), flush=True)


def run_seed(seed, ways, keep):
    """True if all is as it should be."""
    app = generate.Apps(random.Random(seed)).app()
    for way in ways:
        try:
            check(app, way)
        except Difference as difference:
            report(seed, way, app, str(difference), keep)
            return False
    return True


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seeds", default="1..1000000")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--failures", type=int, default=1, help="how many end the run")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--keep", action="store_true", help="leave the files of a failed app in property-SEED")
    options = parser.parse_args()
    if not os.access(BINARY, os.X_OK):
        sys.exit("there is no binary %s: build it, or name another with DSTREAM" % BINARY)
    first, last = (int(n) for n in options.seeds.split(".."))
    if options.seed is not None:
        first = last = options.seed
    end = time.monotonic() + options.seconds
    failed, done = 0, 0
    for seed in range(first, last + 1):
        if time.monotonic() > end or failed >= options.failures:
            break
        failed += not run_seed(seed, options.ways.split(","), options.keep)
        done += 1
    print("%d apps, %d failed" % (done, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
