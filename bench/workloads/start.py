"""From the exec to the first row, with two executors and batches of 10 ms, and what memory it
takes: idle, and with a million keys."""
import os
import re
import statistics
import tempfile
import time

from harness import live, measure, parts, table
from harness.failed import Failed
from workloads import words

TITLE = "Start and memory: two executors, batches of 10 ms"
WEIGHT = 105
STARTS = 3  # in one turn
KEYS = 1_000_000
WRITTEN = 5  # of the keys


def rows_app(mode):
    return {"version": 1, "name": "start", "batch": {"interval": "10ms"},
            "executors": {"count": 2, **mode},
            "sources": {"rows": {"type": "rate", "rows_per_second": 1000}},
            "streams": {"some": {"from": "rows", "group_by": ["value"],
                                 "aggregate": {"n": "count()"}}},
            "sinks": {"out": {"from": "some", "type": "console", "format": "csv"}}}


def keys_app(mode, keys):
    return {"version": 1, "name": "keys", "batch": {"interval": "10ms"},
            "executors": {"count": 2, **mode},
            "sources": {"rows": {"type": "files", "dir": "in", "format": "csv",
                                 "schema": {"k": "int"}}},
            "streams": {"counts": {"from": "rows", "state": {
                "key": ["k"], "set": {"n": "coalesce(state.n, 0) + count()"}},
                "having": "k %% %d = 0" % (max(WRITTEN, keys) // WRITTEN)}},
            "sinks": {"out": {"from": "counts", "type": "console", "format": "csv"}}}


def first_row(mode):
    """Milliseconds."""
    rows = []
    with tempfile.TemporaryDirectory() as work:
        running = live.App(work, rows_app(mode),
                           on_row=lambda row: rows.append((time.monotonic(), row)))
        running.until(lambda: rows)
        running.stop()
    when, row = rows[0]
    if not re.fullmatch(r"\d+,1\n", row):  # each value comes once
        raise Failed("a wrong result: %r" % row)
    return (when - running.began) * 1000


def memory(mode, keys):
    """MiB, a second after the keys were read. A few of them are written."""
    rows = []
    with tempfile.TemporaryDirectory() as work:
        os.mkdir(os.path.join(work, "in"))
        running = live.App(work, keys_app(mode, keys), on_row=rows.append)
        if keys > 0:
            with open(os.path.join(work, "in", ".keys"), "w", encoding="utf-8") as file:
                file.writelines("%d\n" % key for key in range(keys))
            os.rename(os.path.join(work, "in", ".keys"), os.path.join(work, "in", "keys"))
            running.until(lambda: running.lines and running.lines[-1]["rows_in"] >= keys)
        time.sleep(1)
        taken = running.pss()
        running.stop()
    if sorted(rows) != sorted("%d,1\n" % (keys // WRITTEN * n) for n in range(WRITTEN if keys else 0)):
        raise Failed("a wrong result: %r" % rows)
    return taken


def titles(name, options):
    keys = "{:,}".format(keys_of(options))
    return ["%s, exec to first row, median" % name, "%s, idle, all processes" % name,
            "%s, state of %s keys" % (name, keys)]


def keys_of(options):
    return 10_000 if options.smoke else KEYS


def dstream(options, name, mode):
    first, idle, with_keys = titles(name, options)
    while True:
        yield first, statistics.median(first_row(mode) for _ in range(STARTS)), "ms"
        yield idle, memory(mode, 0), "MiB"
        yield with_keys, memory(mode, keys_of(options)), "MiB"
        yield parts.END_OF_TURN


def goals(name, options, *values):
    return [table.Wanted(what, value, unit)
            for what, value, unit in zip(titles(name, options), values, ("ms", "MiB", "MiB"))]


def spark(peer):
    while True:
        yield from spark_rows(peer)
        yield parts.END_OF_TURN


def spark_rows(peer):
    """A server of its own: from the exec to the first counted words; and when it has counted a
    million different ones into a state, in one batch."""
    began = time.monotonic()
    server = peer.PROJECT.fresh_server()
    try:
        part = words.make(words.SIZES["smoke"]).part(1.0)
        ask_spark(server, "words", part.paths[0])
        yield "spark dstream, exec to first row", (time.monotonic() - began) * 1000, "ms"
        time.sleep(1)
        yield "spark dstream, idle", measure.pss_of_tree(server.process.pid) / 1024, "MiB"
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.writelines("%d\n" % key for key in range(KEYS))
            file.flush()
            ask_spark(server, "stateful", file.name)
        yield "spark dstream, state of %s keys" % "{:,}".format(KEYS), \
            measure.pss_of_tree(server.process.pid) / 1024, "MiB"
    finally:
        server.close()


def ask_spark(server, workload, path):
    with tempfile.TemporaryDirectory() as work:
        server.ask({"api": "dstream", "workload": workload, "folder": work, "tables": {},
                    "batches": [[path]], "output": os.path.join(work, "out"), "work": work})


def run(options):
    return parts.run(TITLE, [
        *live.both_modes(lambda name, mode: dstream(options, name, mode),
                         goals("dstream", options, 100, 20, 120),
                         goals(live.WITH_THREADS, options, 20, 8)),
        *parts.of_peer("spark", options, spark)], options)
