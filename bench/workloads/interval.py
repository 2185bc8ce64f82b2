"""The smallest batch interval that holds at half of the load that the app can take.

The app counts words that come over TCP. What it can take is measured first, at full speed with
batches of 100 ms. An interval holds if, in the second half of some seconds at half of that, the
median batch takes less than the interval, and 99 of 100 batches end within two more intervals of
their time; and if it does in most of three trials. Of one word, and of the marks of the sender, the
counts go to standard output, so that it is known whether they are right.
"""
import os
import tempfile

from harness import feed, live, parts, sender, table
from harness.failed import Failed
from workloads import words

TITLE = "Interval: the smallest that holds at half load, words over TCP, two executors"
WEIGHT = 150
TRIALS = 3
INTERVALS_MS = [1, 2, 3, 5, 10, 20, 50, 100]
SPARK_INTERVALS_MS = [10, 20, 50, 100, 200, 500, 1000, 2000]
SPARK_SECONDS = 6


def app(address, interval_ms, mode, word):
    return {"version": 1, "name": "interval", "batch": {"interval": "%dms" % interval_ms},
            "executors": {"count": 2, **mode},
            "sources": {"lines": {"type": "socket", "connect": address,
                                  "block_interval": "%dms" % max(1, interval_ms // 5)}},
            "streams": {
                "words": {"from": "lines", "flat_map": {"word": "split(line)"}},
                "counts": {"from": "words", "group_by": ["word"],
                           "aggregate": {"n": "count()"},
                           "having": "word = '%s' or word = 'p'" % word}},
            "sinks": {"out": {"from": "counts", "type": "console", "format": "csv"}}}


class Counts:
    """What comes out, added up."""

    def __init__(self, word):
        self.found = {word: 0, "p": 0}

    def on_row(self, row):
        word, n = row.split(",")
        self.found[word] += int(n)

    def check(self, expected):
        if self.found != expected:
            raise Failed("a wrong result, %r and not %r" % (self.found, expected))


def one_word(path):
    """A word, how often it is in a file, and how many lines that has."""
    text = sender.read(path).split()
    with open(path, "rb") as file:
        return text[0].decode(), text.count(text[0]), sum(1 for _ in file)


def capacity(path, seconds, mode):
    """Lines a second."""
    word, times, lines = one_word(path)
    counts = Counts(word)
    with feed.Sender("flood", seconds, path) as sending, tempfile.TemporaryDirectory() as work:
        running = live.App(work, app(sending.address(), 100, mode, word), on_row=counts.on_row)
        running.until_batches(3)
        first = running.lines[-1]
        sent = sending.sent()
        running.until(lambda: running.lines[-1]["rows_in"] >= sent)
        last = next(line for line in running.lines if line["rows_in"] >= sent)
        running.stop()
    counts.check({word: sent // lines * times, "p": 0})
    return (last["rows_in"] - first["rows_in"]) / (live.end_of(last) - live.end_of(first))


def holds(path, rate, seconds, interval_ms, mode):
    word = "p"  # of each tick's mark
    counts = Counts(word)
    with feed.Sender("paced", rate, seconds, path) as sending, \
            tempfile.TemporaryDirectory() as work:
        running = live.App(work, app(sending.address(), interval_ms, mode, word),
                           on_row=counts.on_row)
        sent = sending.sent()
        whole = running.until(
            lambda: running.lines and running.lines[-1]["rows_in"] >= sent, 20)
        running.stop()
    if not whole:
        return False
    counts.check({word: sent // sender.lines_of_tick(rate)})
    busy = [line for line in running.lines if line["batch_rows_in"] > 0]
    busy = busy[len(busy) // 2:]
    limit = interval_ms * 1000
    return len(busy) > 10 and running.lines[-1]["rows_in"] == sent and \
        live.quantile([line["processing_us"] for line in busy], 0.5) < limit and \
        live.quantile([line["delay_us"] for line in busy], 0.99) < 3 * limit


def in_most(trial, trials=TRIALS):
    """Whether it holds in most of so many trials; there are no more of them than needed."""
    outcomes = []
    while max(outcomes.count(True), outcomes.count(False)) * 2 <= trials:
        outcomes.append(trial())
    return outcomes.count(True) * 2 > trials


def smallest(name):
    return "%s, smallest interval at half of that" % name


def held(name, intervals_ms, trial, trials=TRIALS):
    """A row: the first for which trial(milliseconds) holds in most trials."""
    found = next((ms for ms in intervals_ms if in_most(lambda ms=ms: trial(ms), trials)), None)
    return (smallest(name), None, "no interval held") if found is None else (
        smallest(name), found, "ms")


def dstream(options, name, mode):
    seconds = 1 if options.smoke else 3
    path = words.make(words.SIZES["smoke"]).part(1.0).paths[0]
    rate = capacity(path, seconds, mode)
    yield "%s, what it can take" % name, rate, "lines/s"
    yield held(name, [50] if options.smoke else INTERVALS_MS,
               lambda ms: holds(path, rate / 2, seconds, ms, mode), 1 if options.smoke else TRIALS)


def spark_capacity(server, work):
    """Lines a second, with its code compiled, of some 1,200,000."""
    part = words.make(words.SIZES["full"]).part(0.5)
    request = {"api": "dstream", "workload": "words", "total": part.records, "work": work,
               "output": os.path.join(work, "result")}
    for _ in range(3):
        with feed.Sender("files", *part.paths) as sender:
            seconds = server.ask({**request, "port": sender.port})["seconds"]
    return part.records / 10 / seconds


def spark_holds(server, path, rate, interval_ms):
    """Also all that was sent has to be in its batches."""
    lines = sender.lines_of_tick(rate) * round(SPARK_SECONDS / sender.TICK)
    with feed.Sender("paced", rate, SPARK_SECONDS, path) as sending:
        answer = server.ask({"api": "interval", "port": sending.port, "intervalMs": interval_ms,
                             "blockMs": max(2, interval_ms // 5), "total": lines})
    late = answer["batches"][len(answer["batches"]) // 2:]
    return len(late) > 2 and \
        live.quantile([processing for processing, _ in late], 0.5) < interval_ms and \
        live.quantile([delay for _, delay in late], 0.99) < 3 * interval_ms


def spark(server):
    path = words.make(words.SIZES["smoke"]).part(1.0).paths[0]
    with tempfile.TemporaryDirectory() as work:
        rate = spark_capacity(server, work)
    yield "spark dstream, what it can take", rate, "lines/s"
    yield held("spark dstream", SPARK_INTERVALS_MS,
               lambda ms: spark_holds(server, path, rate / 2, ms))


def run(options):
    goals = [[table.Wanted(smallest(name), 5, "ms")] for name in ("dstream", live.WITH_THREADS)]
    every = [parts.ours("dstream", dstream(options, "dstream", {}), goals[0]),
             live.part_with_threads(lambda name, mode: dstream(options, name, mode), goals[1]),
             *parts.of_peer("spark", options, lambda peer: spark(peer.PROJECT.server()))]
    return parts.run(TITLE, every, options)
