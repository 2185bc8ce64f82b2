"""The rows of `window`, the app, and what has to come out."""
import collections
import functools
import heapq
import random

from harness import data
from harness.failed import Failed

KEYS, KEYS_OF_PANE, PANES = 100_000, 5_000, 30
LINE = 11  # bytes; all have as many, so that batches do
AGGREGATES = {"count": "count()", "sum": "sum(v)", "max": "max(v)"}
MUCH = 1_000_000  # rows of a window, of which fewer are computed again


def write_rows(file, panes, rows, keys, keys_of_pane):
    """Panes go round over the keys; every one has all of its keys if it has that many rows."""
    choose = random.Random(1)
    for pane in range(panes):
        first = pane * keys_of_pane % keys
        for row in range(rows):
            key = first + (row if row < keys_of_pane else choose.randrange(keys_of_pane))
            file.write("%05d,%04d\n" % (key, choose.randrange(10_000)))
    return panes * rows, {"all": (panes * rows,)}


def dataset(panes, rows, keys=KEYS, keys_of_pane=KEYS_OF_PANE):
    return data.DataSet("window-%d-%d-%d" % (panes, rows, keys), 1, lambda file, _: write_rows(
        file, panes, rows, keys, keys_of_pane), data.merge((sum,)))


def make(panes, rows, keys=KEYS, keys_of_pane=KEYS_OF_PANE):
    return dataset(panes, rows, keys, keys_of_pane).part(1.0)


def app(part, rows, aggregate, panes):
    """`panes` 0: without a window."""
    stream = {"from": "rows", "group_by": ["k"],
              "aggregate": {"n": AGGREGATES[aggregate], "at": "batch_time()"},
              "order_by": "n desc", "limit": 100}
    if panes > 0:
        stream["window"] = {"size": "%ds" % panes, "slide": "1s"}
    return {"version": 1, "name": "window", "batch": {"interval": "1s"},
            "sources": {"rows": {"type": "files", "dir": part.folder, "format": "csv",
                                 "max_rate": rows, "schema": {"k": "int", "v": "int"}}},
            "streams": {"top": stream},
            "sinks": {"out": {"from": "top", "type": "console", "format": "csv"}}}


def rows_between(part, first, end):
    """As (key, value). All files of a part have as many rows."""
    of_file = part.records // len(part.paths)
    while first < end:
        number, at = divmod(first, of_file)
        count = min(end - first, of_file - at)
        yield from rows_of(part.paths[number], at, count)
        first += count


def rows_of(path, first, count):
    with open(path, "rb") as file:
        file.seek(first * LINE)
        numbers = list(map(int, file.read(count * LINE).replace(b"\n", b",").split(b",")[:-1]))
    return zip(numbers[0::2], numbers[1::2])


def expected_top(rows, aggregate):
    values = collections.defaultdict(int)
    for key, value in rows:
        if aggregate == "count":
            values[key] += 1
        elif aggregate == "sum":
            values[key] += value
        elif value > values[key]:
            values[key] = value
    return heapq.nsmallest(100, values.items(), key=lambda item: (-item[1], item[0]))


@functools.lru_cache(maxsize=64)
def expected_between(part, first, end, aggregate):
    return expected_top(rows_between(part, first, end), aggregate)


def check(part, output, lines, aggregate, panes):
    """What batches had is known from their progress: what is to come out of some is computed
    again."""
    ends, total = [], 0
    for line in lines:
        total += line["batch_rows_in"]
        ends.append(total)
    if total != part.records:
        raise Failed("%d of %d rows were read" % (total, part.records))
    found = collections.defaultdict(list)
    for key, value, at in (row.rstrip("\n").split(",") for row in output):
        found[at].append((int(key), int(value)))
    for last in checked_batches(len(lines), panes, total // len(lines) * panes > MUCH):
        first, at = max(0, last + 1 - max(1, panes)), lines[last]["batch_time"]
        if found[at] != expected_between(
                part, ends[first - 1] if first > 0 else 0, ends[last], aggregate):
            raise Failed("%s over %d panes has a wrong result at %s" % (aggregate, panes, at))


def checked_batches(count, panes, much):
    """Some while the window fills, one in which it is full, and the last one; fewer where it takes
    seconds to compute one."""
    some = {1, count - 1} if much else {0, 1, panes // 2, panes + 1, count - 1}
    return sorted(batch for batch in some if batch < count)
