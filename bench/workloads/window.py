"""Counts over 30 s that slide by 1 s, top 100: 5,000 keys in each pane, 100,000 in the window."""
import collections
import itertools
import os
import statistics
import tempfile

from harness import live, machine, measure, parts, table
from workloads import window_spark
from workloads.window_rows import AGGREGATES, KEYS_OF_PANE, PANES, app, check, dataset, make

TITLE = ("Window: counts over 30 panes, top 100 of each slide (dstream: one executor, one task "
         "thread)")
WEIGHT = 390
AS_FEW = 2  # times: what is as good as the same, where a batch takes half a millisecond
TIMES = 3  # the rows are read in one run, where it is about records a second

# `rate`: records/s while the window is full; seconds for a million records and MiB of a whole run.
Turn = collections.namedtuple("Turn", "rate cpu peak")


def turn(figures, batches):
    """`batches`: (rows, microseconds) of each."""
    rows, micros = map(sum, zip(*batches[PANES:]))
    return Turn(rows / micros * 1e6, figures.cpu / figures.records * 1e6, figures.peak)


def with_rows(lines):
    return [line for line in lines if line["batch_rows_in"] > 0]


def dstream_turn(work, part, rows, aggregate, panes, checked):
    figures, lines, path = live.measured(work, app(part, rows, aggregate, panes), part.records)
    if checked:
        with open(path, encoding="utf-8") as output:
            check(part, output, lines, aggregate, panes)
    return turn(figures, [(line["batch_rows_in"], line["processing_us"])
                          for line in with_rows(lines)])


def plain_c_turn(work, part, rows, aggregate, panes, checked):
    """It tells of each pane how long it took; without a window it has one pane."""
    path, told = os.path.join(work, "result"), []
    with open(path, "wb") as file:
        figures = measure.run(
            [machine.ceiling("window"), aggregate, str(max(1, panes)), str(rows), *part.paths],
            part.records, work, file, machine.one_core(), told=told)
    micros = list(map(int, told[0].split()))
    if checked:
        lines = [{"batch_time": str(pane), "batch_rows_in": rows} for pane in range(len(micros))]
        with open(path, encoding="utf-8") as output:
            check(part, output, lines, aggregate, panes)
    return turn(figures, [(rows, time) for time in micros])


def of_those_without(name):
    return "with a window, %s, of those without" % name


def throughput(work, options, rows, names):
    """Records a second with the window, and of the same aggregate without; dstream and plain C. One
    turn more, the first, is checked, and brings the rows into memory."""
    part = dataset(36 if options.smoke else 60, rows).repeated(1 if options.smoke else TIMES)
    ways = [(name, panes) for name in names for panes in (0, PANES)]

    def turns_of_all(checked):
        return {(name, panes): [take_turn(work, part, rows, name, panes, checked)
                                for take_turn in (dstream_turn, plain_c_turn)]
                for name, panes in ways}

    turns_of_all(True)
    while True:
        found = turns_of_all(False)
        for (name, panes), (ours, plain_c) in found.items():
            yield "records/s, {:,} rows a batch, {}{}".format(
                rows, name, "" if panes else " without a window"), ours.rate, "1/s"
            if panes:
                yield of_those_without(name), ours.rate / found[name, 0][0].rate, "of that"
            yield from compared(ours, plain_c)
        yield parts.END_OF_TURN


def compared(ours, plain_c):
    """Lines below that of the records a second."""
    yield "the same, CPU time", ours.cpu, "s/million"
    yield "the same, peak memory", ours.peak, "MiB"
    yield "plain C, records/s", plain_c.rate, "1/s"
    yield "plain C, CPU time", plain_c.cpu, "s/million"
    yield "plain C, peak memory", plain_c.peak, "MiB"
    yield "dstream by plain C, records/s", ours.rate / plain_c.rate, "times"
    yield "plain C by dstream, CPU time", plain_c.cpu / ours.cpu, "times"


def milliseconds(work, part, rows, aggregate, panes, checked):
    """Of all batches."""
    output = []
    lines = live.run_to_end(work, app(part, rows, aggregate, panes), output.append)
    if checked:
        check(part, output, lines, aggregate, panes)
    return [line["processing_us"] / 1000 for line in with_rows(lines)]


def slide_of(aggregate):
    return "a batch of 5,000 rows, 100,000 keys in the window, with its slide, %s, median" % aggregate


def slides(work, options):
    """What a batch of 5,000 rows takes, all told, when the window is full."""
    part = make(40 if options.smoke else 200, KEYS_OF_PANE)
    for number in itertools.count():
        for name in AGGREGATES:
            times = milliseconds(work, part, KEYS_OF_PANE, name, PANES, number == 0)[PANES:]
            yield slide_of(name), live.quantile(times, 0.5), "ms"
            yield "the same, p99", live.quantile(times, 0.99), "ms"
        yield parts.END_OF_TURN


def counts_of_panes(options):
    return [2, 30] if options.smoke else [2, 30, 300, 3600]


def over(aggregate, count, name):
    return "1,000 rows, {} over {:,} panes, {}".format(aggregate, count, name)


def by_few(aggregate, count, name):
    return over(aggregate, count, name) + " by that with 2 panes"


LEAST, SLOWEST = "slowest (least of the rounds)", "slowest (median of the rounds)"
JUDGED = "median", "p99", "p99.9", LEAST
NEAR = 5  # batches, before and after: one of these eleven has a save


def least_slowest(rounds):
    """The slowest batch that is the program's own doing. For each batch the slowest one near it,
    the least of that over the rounds, and the worst of these. What others do on the machine meets
    another batch in each round; what the rows ask for comes in all of them, there or near. What
    comes of work beside the batches may come anywhere: see p99.9."""
    return max(min(max(times[max(0, number - NEAR):number + NEAR + 1]) for times in rounds)
               for number in range(min(map(len, rounds))))


def median_of(rounds, q):
    """Of the quantiles of the rounds."""
    return statistics.median(live.quantile(times, q) for times in rounds)


def rounds_of_panes(work, options, aggregate, batches):
    """Milliseconds of all batches of each round, by the number of panes: in turns."""
    part, found = make(batches, 1000, 1000, 1000), collections.defaultdict(list)
    for number in range(parts.rounds(options, 5)):
        for count in counts_of_panes(options):
            found[count].append(milliseconds(work, part, 1000, aggregate, count, number == 0))
    return found


def panes(work, options, aggregate):
    """What a batch takes does not hang on the number of panes: 1,000 keys in all of them. So what
    counts is how many times as long as with two panes, in the same rounds. The last batches, in
    which all windows are full, make median and p99; all but the first ones, also those while it
    fills, the rest."""
    batches, first, full = (50, 5, 20) if options.smoke else (4000, 100, 400)
    few = None
    for count, rounds in rounds_of_panes(work, options, aggregate, batches).items():
        late, most = [times[-full:] for times in rounds], [times[first:] for times in rounds]
        figures = {"median": median_of(late, 0.5), "p99": median_of(late, 0.99),
                   "p99.9": median_of(most, 0.999), SLOWEST: median_of(most, 1),
                   LEAST: least_slowest(most)}
        for name, time in figures.items():
            yield over(aggregate, count, name), time, "ms"
        for name in JUDGED if few else ():
            yield by_few(aggregate, count, name), figures[name] / few[name], "times"
        few = few or figures


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
            *parts.of_peer("spark", options, lambda peer: window_spark.rows(
                options, peer.PROJECT.server())),
            *parts.without("spark structured", options, "has windows of event time only")], options)
