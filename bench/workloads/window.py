"""Counts over 30 s that slide by 1 s, top 100: 5,000 keys in each pane, 100,000 in the window."""
import collections
import os
import random
import statistics
import tempfile

from harness import data, live, parts, table
from harness.failed import Failed

TITLE = ("Window: counts over 30 panes, top 100 of each slide (dstream: one executor, one task "
         "thread)")
WEIGHT = 160
KEYS, KEYS_OF_PANE, PANES = 100_000, 5_000, 30
LINE = 11  # bytes; all have as many, so that batches do
AS_FEW = 2  # times: what is as good as the same, where a batch takes half a millisecond
AGGREGATES = {"count": "count()", "sum": "sum(v)", "max": "max(v)"}


def write_rows(file, panes, rows, keys, keys_of_pane):
    """Panes go round over the keys; every one has all of its keys if it has that many rows."""
    choose = random.Random(1)
    for pane in range(panes):
        first = pane * keys_of_pane % keys
        for row in range(rows):
            key = first + (row if row < keys_of_pane else choose.randrange(keys_of_pane))
            file.write("%05d,%04d\n" % (key, choose.randrange(10_000)))
    return panes * rows, {"all": (panes * rows,)}


def make(panes, rows, keys=KEYS, keys_of_pane=KEYS_OF_PANE):
    return data.DataSet("window-%d-%d-%d" % (panes, rows, keys), 1, lambda file, _: write_rows(
        file, panes, rows, keys, keys_of_pane), data.merge((sum,))).part(1.0)


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
    """As (key, value)."""
    with open(part.paths[0], "rb") as file:
        file.seek(first * LINE)
        for line in file.read((end - first) * LINE).splitlines():
            yield int(line[:5]), int(line[6:])


def expected_top(rows, aggregate):
    values = collections.defaultdict(int)
    for key, value in rows:
        if aggregate == "max":
            values[key] = max(values[key], value)
        else:
            values[key] += 1 if aggregate == "count" else value
    return sorted(((k, n) for k, n in values.items()), key=lambda item: (-item[1], item[0]))[:100]


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
    for last in checked_batches(len(lines), panes):
        first, at = max(0, last + 1 - max(1, panes)), lines[last]["batch_time"]
        inside = rows_between(part, ends[first - 1] if first > 0 else 0, ends[last])
        if found[at] != expected_top(inside, aggregate):
            raise Failed("%s over %d panes has a wrong result at %s" % (aggregate, panes, at))


def checked_batches(count, panes):
    """Some while the window fills, one in which it is full, and the last one; fewer where it takes
    seconds to compute one."""
    some = {0, 1, panes // 2, panes + 1, count - 1} if panes < 1000 else {1, count - 1}
    return sorted(batch for batch in some if batch < count)


def measured(work, part, rows, aggregate, panes, checked):
    output = []
    lines = live.run_to_end(work, app(part, rows, aggregate, panes), output.append)
    if checked:
        check(part, output, lines, aggregate, panes)
    return [line for line in lines if line["batch_rows_in"] > 0]


def of_those_without(name):
    return "with a window, %s, of those without" % name


def throughput(work, options, rows, names):
    """Records a second with and without the window, in turns; by the time that batches took."""
    part, found = make(36 if options.smoke else 60, rows), collections.defaultdict(list)
    ways = [("without a window", "count", 0)] + [(name, name, PANES) for name in names]
    for number in range(options.uncounted + options.rounds):
        for what, aggregate, panes in ways:
            lines = measured(work, part, rows, aggregate, panes, number == 0)
            late = lines[PANES:]  # the window is full
            seconds = sum(line["processing_us"] for line in late) / 1e6
            found[what].append(sum(line["batch_rows_in"] for line in late) / seconds)
    rates = {what: statistics.median(values[options.uncounted:]) for what, values in found.items()}
    base = rates["without a window"]
    title = "{:,} rows a batch".format(rows)
    yield "records/s, %s, without a window" % title, base, "1/s"
    for name in names:
        yield of_those_without(name), rates[name] / base, "of that"


def milliseconds(work, part, rows, aggregate, panes, checked, first=0):
    """Of the batches in which the window is full, from some on."""
    lines = measured(work, part, rows, aggregate, panes, checked)
    return [line["processing_us"] / 1000 for line in lines[max(panes, first):]]


SHOWN = {"median": 0.5, "p99": 0.99, "slowest": 1}


def in_turns(options, ways, most):
    """`ways`: name -> milliseconds(checked). By name the medians over the rounds of what SHOWN has."""
    found = collections.defaultdict(list)
    for number in range(parts.rounds(options, most)):
        for name, run_once in ways.items():
            times = run_once(number == 0)
            found[name].append([live.quantile(times, q) for q in SHOWN.values()])
    return {name: dict(zip(SHOWN, map(statistics.median, zip(*rounds))))
            for name, rounds in found.items()}


def slide_of(aggregate):
    return "a batch of 5,000 rows, 100,000 keys in the window, with its slide, %s, median" % aggregate


def slides(work, options):
    """What a batch of 5,000 rows takes, all told."""
    part = make(40 if options.smoke else 200, KEYS_OF_PANE)
    found = in_turns(options, {
        name: lambda checked, name=name: milliseconds(
            work, part, KEYS_OF_PANE, name, PANES, checked) for name in AGGREGATES}, 5)
    for name, times in found.items():
        yield slide_of(name), times["median"], "ms"
        yield "the same, p99", times["p99"], "ms"


def counts_of_panes(options):
    return [2, 30] if options.smoke else [2, 30, 300, 3600]


def by_few(aggregate, count, name):
    return "1,000 rows, {} over {:,} panes, {} by that with 2 panes".format(aggregate, count, name)


def panes(work, options, aggregate):
    """What a batch takes does not hang on the number of panes: 1,000 keys in all of them. So what
    counts is how many times as long as with two panes, which have their turns in the same rounds."""
    counts = counts_of_panes(options)
    first, full = (5, 20) if options.smoke else (100, 400)  # also few panes are to be warmed up
    part_of = {count: make(max(count, first) + full, 1000, 1000, 1000) for count in counts}
    found = in_turns(options, {
        count: lambda checked, count=count: milliseconds(
            work, part_of[count], 1000, aggregate, count, checked, first) for count in counts}, 5)
    for count, times in found.items():
        for name, time in times.items():
            yield "1,000 rows, {} over {:,} panes, {}".format(aggregate, count, name), time, "ms"
        for name in JUDGED if count > counts[0] else ():
            yield by_few(aggregate, count, name), times[name] / found[counts[0]][name], \
                "times"


JUDGED = "median", "p99"


def files_of_panes(folder, part, panes, rows):
    """One for each."""
    with open(part.paths[0], "rb") as file:
        for pane in range(panes):
            path = os.path.join(folder, "pane-%03d" % pane)
            with open(path, "wb") as out:
                out.write(file.read(rows * LINE))
            yield [path]


def check_spark(part, path, panes, rows):
    """Its last batch, and one with a full window before."""
    found = collections.defaultdict(list)
    with open(path, encoding="utf-8") as file:
        for line in file:
            pane, key, n = map(int, line.split(","))
            found[pane].append((key, n))
    for last in PANES + 1, panes - 1:
        inside = rows_between(part, (last + 1 - PANES) * rows, (last + 1) * rows)
        if found[last] != expected_top(inside, "count"):
            raise Failed("a wrong result in batch %d" % last)


def spark_measured(server, part, panes, rows):
    """Milliseconds of the batches with a full window; once before, so that its code is compiled."""
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "result")
        request = {"api": "window", "count": PANES, "output": path, "work": work,
                   "batches": list(files_of_panes(work, part, panes, rows))}
        for _ in range(2):
            micros = server.ask(request)["micros"]
        check_spark(part, path, panes, rows)
    return [value / 1000 for value in micros[PANES:panes]]


def spark(options, server):
    """reduceByKeyAndWindow with an inverse function, two cores."""
    rows = int(100_000 * options.scale)
    times = spark_measured(server, make(60, rows), 60, rows)
    yield "spark dstream, records/s, {:,} rows a batch, with a window, count".format(rows), \
        rows * len(times) / sum(times) * 1000, "1/s"
    times = spark_measured(server, make(200, KEYS_OF_PANE), 80, KEYS_OF_PANE)
    yield "spark dstream, a batch of 5,000 rows, 100,000 keys in the window, count, median", \
        statistics.median(times), "ms"
    yield "the same, p99", live.quantile(times, 0.99), "ms"


def ours(work, options):
    """The parts of dstream, with their goals."""
    few = parts.ours("records/s, a row for each key and pane", throughput(
        work, options, KEYS_OF_PANE, ["count"]))
    many = parts.ours("records/s", throughput(
        work, options, int(100_000 * options.scale), list(AGGREGATES)),
        [table.Wanted(of_those_without(name), 0.8, "of that", True) for name in AGGREGATES])
    slide = parts.ours("slides", slides(work, options), [
        table.Wanted(slide_of(name), 5, "ms") for name in AGGREGATES])
    of_panes = [parts.ours("panes, " + name, panes(work, options, name), [
        table.Wanted(by_few(name, count, figure), AS_FEW, "times")
        for count in counts_of_panes(options)[1:] for figure in JUDGED])
                for name in (["count"] if options.smoke else AGGREGATES)]
    return [few, slide, *of_panes] if options.smoke else [many, slide, *of_panes, few]


def run(options):
    with tempfile.TemporaryDirectory() as work:
        return parts.run(TITLE, [
            *ours(work, options),
            *parts.of_peer("spark", options, lambda peer: spark(options, peer.PROJECT.server())),
            *parts.without("spark structured", options, "has windows of event time only")], options)
