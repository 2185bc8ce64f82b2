"""The windows of `window` with Spark: reduceByKeyAndWindow, for counts and sums with an inverse
function, on two cores."""
import collections
import itertools
import os
import statistics
import tempfile

from harness import parts
from harness.failed import Failed
from workloads.window_rows import (AGGREGATES, KEYS_OF_PANE, LINE, PANES, expected_top, make,
                                   rows_of)

COUNTED = 10  # batches, of few rows and of many: one of them makes the checkpoint


def files_of_panes(folder, few, many, rows):
    """One for each batch of a job, and how many rows it has: a window that fills with panes of few
    rows, COUNTED more of these, and COUNTED of many rows. Keys go on from pane to pane."""
    for pane in range(PANES + 2 * COUNTED):
        part, count = (few, KEYS_OF_PANE) if pane < PANES + COUNTED else (many, rows)
        path = os.path.join(folder, "pane-%03d" % pane)
        with open(part.paths[0], "rb") as file, open(path, "wb") as out:
            file.seek(pane * count * LINE)
            out.write(file.read(count * LINE))
        yield path, count


def check(files, path, aggregate):
    """A batch with a full window of few rows each, and the last one."""
    found = collections.defaultdict(list)
    with open(path, encoding="utf-8") as file:
        for line in file:
            pane, key, value = map(int, line.split(","))
            found[pane].append((key, value))
    for end in PANES + 2, len(files):
        inside = itertools.chain.from_iterable(
            rows_of(name, 0, count) for name, count in files[end - PANES:end])
        if found[end - 1] != expected_top(inside, aggregate):
            raise Failed("%s has a wrong result in batch %d" % (aggregate, end - 1))


def measured(server, files, work, aggregate, checked):
    """Rows a second with many rows a batch, and milliseconds of the batches with few."""
    path = os.path.join(work, "result")
    micros = server.ask({"api": "window", "aggregate": aggregate, "count": PANES, "output": path,
                         "work": work, "batches": [[name] for name, _ in files]})["micros"]
    if checked:
        check(files, path, aggregate)
    few, many = micros[PANES:PANES + COUNTED], micros[PANES + COUNTED:PANES + 2 * COUNTED]
    return COUNTED * files[-1][1] / sum(many) * 1e6, statistics.median(few) / 1000


def rows(options, server):
    """One turn more, the first, is checked, and compiles the code."""
    many = int(100_000 * options.scale)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as work:
        files = list(files_of_panes(folder, make(200, KEYS_OF_PANE), make(60, many), many))
        for name in AGGREGATES:
            measured(server, files, work, name, True)
        while True:
            for name in AGGREGATES:
                rate, ms = measured(server, files, work, name, False)
                yield "spark dstream, records/s, {:,} rows a batch, {}".format(many, name), \
                    rate, "1/s"
                yield "spark dstream, a batch of 5,000 rows, with its slide, %s" % name, ms, "ms"
            yield parts.END_OF_TURN
