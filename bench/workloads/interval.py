"""The smallest batch interval that holds at half of the load that the app can take.

The app counts words that come over TCP. What it can take is measured first, at full speed with
batches of 100 ms, from the end of the first batch to that of the last. An interval holds if, in the
second half of some seconds at half of that, the median batch takes less than the interval, and 99
of 100 batches end within two more intervals of their time. Each turn looks for the smallest anew,
with what the app could take in the same turn; it begins where the turn before ended. Of one word,
and of the marks of the sender, the counts go to standard output, so that it is known whether they
are right.
"""
import os
import tempfile

from harness import feed, live, parts, sender, table
from harness.failed import Failed
from workloads import words

TITLE = "Interval: the smallest that holds at half load, words over TCP, two executors"
WEIGHT = 200
SECONDS = 2
INTERVALS_MS = [1, 2, 3, 5, 10, 20, 50, 100]
SPARK_INTERVALS_MS = [10, 20, 50, 100, 200, 500, 1000, 2000]
SPARK_SECONDS = 6
WORDS_OF_LINE = 10


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
    return len(busy) > 5 and running.lines[-1]["rows_in"] == sent and \
        live.quantile([line["processing_us"] for line in busy], 0.5) < limit and \
        live.quantile([line["delay_us"] for line in busy], 0.99) < 3 * limit


def smallest(name):
    return "%s, smallest interval at half of that" % name


def smallest_that_holds(intervals, near, holds):
    """Of rising intervals, by trials from the one at `near` on: its place, or None if none holds."""
    if holds(intervals[near]):
        while near > 0 and holds(intervals[near - 1]):
            near -= 1
        return near
    return next((place for place in range(near + 1, len(intervals)) if holds(intervals[place])),
                None)


def turns(name, intervals, capacity, holds):
    """Of capacity(), lines a second, and holds(rate, milliseconds)."""
    place = 0
    while True:
        rate = capacity()
        yield "%s, what it can take" % name, rate, "lines/s"
        place = smallest_that_holds(intervals, place or 0, lambda ms: holds(rate / 2, ms))
        yield (smallest(name), None, "no interval held") if place is None else (
            smallest(name), intervals[place], "ms")
        yield parts.END_OF_TURN


def dstream(options, name, mode):
    seconds = 1 if options.smoke else SECONDS
    path = words.make(words.SIZES["smoke"]).part(1.0).paths[0]
    return turns(name, [50] if options.smoke else INTERVALS_MS,
                 lambda: capacity(path, seconds, mode),
                 lambda rate, ms: holds(path, rate, seconds, ms, mode))


def spark_capacity(server, share=1.0):
    """Lines a second, of some 2,400,000 or less that come as fast as it takes them."""
    part = words.make(words.SIZES["full"]).part(share)
    lines = part.records // WORDS_OF_LINE
    with feed.Sender("files", *part.paths) as sending:
        batches = spark_batches(server, sending, 100, 50, lines)
    if len(batches) < 2:
        raise Failed("it did not take %d lines" % lines)
    seconds = (batches[-1]["end"] - batches[0]["end"]) / 1000
    return sum(batch["records"] for batch in batches[1:]) / seconds


def spark_batches(server, sending, interval_ms, block_ms, lines):
    """Those with lines, or none if it takes too long until all are in one."""
    return server.ask({"api": "interval", "port": sending.port, "intervalMs": interval_ms,
                       "blockMs": block_ms, "total": lines})["batches"]


def spark_holds(server, path, rate, interval_ms):
    """Also all that was sent has to be in its batches."""
    lines = sender.lines_of_tick(rate) * round(SPARK_SECONDS / sender.TICK)
    with feed.Sender("paced", rate, SPARK_SECONDS, path) as sending:
        batches = spark_batches(server, sending, interval_ms, max(2, interval_ms // 5), lines)
    late = batches[len(batches) // 2:]
    return len(late) > 2 and \
        live.quantile([batch["processing"] for batch in late], 0.5) < interval_ms and \
        live.quantile([batch["delay"] for batch in late], 0.99) < 3 * interval_ms


def spark(server):
    path = words.make(words.SIZES["smoke"]).part(1.0).paths[0]
    for share in 0.25, 0.5:  # its code is compiled
        spark_capacity(server, share)
    yield from turns("spark dstream", SPARK_INTERVALS_MS, lambda: spark_capacity(server),
                     lambda rate, ms: spark_holds(server, path, rate, ms))


def run(options):
    goals = [[table.Wanted(smallest(name), 5, "ms")] for name in ("dstream", live.WITH_THREADS)]
    return parts.run(TITLE, [
        *live.both_modes(lambda name, mode: dstream(options, name, mode), *goals),
        *parts.of_peer("spark", options, lambda peer: spark(peer.PROJECT.server()))], options)
