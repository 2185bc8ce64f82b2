"""From the time a line was to be sent to its arrival at whoever reads the output.

Lines come over TCP at a fixed rate. One in each millisecond is marked with the time at which it
was due, not with the one at which it was sent: a receiver that holds the sender up does not
make its own delay look smaller (no coordinated omission). Marked lines go to standard output, and
count when they are read there. Figures are medians of those of some rounds, in which all rates
have their turns.
"""
import statistics
import tempfile
import time

from harness import data, feed, live, parts, table
from harness.failed import Failed

TITLE = "Latency: batches of 10 ms, from the time of sending that was due to the output's reader"
WEIGHT = 110
INTERVAL_MS = 10
SPARK_INTERVALS_MS = [20, 50, 100]
SPARK_BLOCK_MS = 10
WARM_UP = 1.0  # seconds that do not count


def lines_file():
    """32 bytes a line, none of which is marked."""
    def write(file, _):
        file.writelines("n %029d\n" % number for number in range(200_000))
        return 200_000, {}
    return data.DataSet("lines-32", 1, write, lambda results: results[0]).part(1.0).paths[0]


def app(address, mode):
    return {"version": 1, "name": "latency", "batch": {"interval": "%dms" % INTERVAL_MS},
            "executors": {"count": 2, **mode},
            "sources": {"lines": {"type": "socket", "connect": address}},
            "streams": {"marked": {"from": "lines", "where": "line like 'p%'"}},
            "sinks": {"out": {"from": "marked", "type": "console", "format": "csv"}}}


QUANTILES = {"median": 0.5, "p99": 0.99, "p99.9": 0.999}


def round_of(rate, seconds, mode):
    """Its quantiles, in ms."""
    found = []

    def on_row(row):
        now = time.time() * 1e6
        found.append((now, int(row[2:18])))

    with feed.Sender("paced", rate, seconds, lines_file()) as sender, \
            tempfile.TemporaryDirectory() as work:
        running = live.App(work, app(sender.address(), mode), on_row=on_row)
        sent, marks = sender.sent(), int(seconds / 0.001)
        whole = running.until(lambda: len(found) >= marks, 60)
        running.stop()
    rows_in = running.lines[-1]["rows_in"]
    if not whole or len(found) != marks or rows_in != sent:
        raise Failed("%d of %d marked lines arrived, %d of %d lines" % (
            len(found), marks, rows_in, sent))
    start = found[0][1] + WARM_UP * 1e6
    late = [(now - due) / 1000 for now, due in found if due > start]
    return [live.quantile(late, part) for part in QUANTILES.values()]


def figure(name, rate, quantile):
    return "%s, %s records/s, %s" % (name, "{:,}".format(rate), quantile)


def dstream(options, name, rates, seconds, mode):
    found = {rate: [] for rate in rates}
    for _ in range(parts.rounds(options)):
        for rate in rates:
            found[rate].append(round_of(rate, seconds, mode))
    for rate, rounds in found.items():
        for quantile, values in zip(QUANTILES, zip(*rounds)):
            yield figure(name, rate, quantile), statistics.median(values), "ms"


def goals(name, rates):
    return [table.Wanted(figure(name, rate, "p99"), 15, "ms") for rate in rates]


def spark_round(server, rate, seconds, interval_ms):
    """Milliseconds, or None if it does not keep up."""
    marks = int(seconds / 0.001)
    with feed.Sender("paced", rate, seconds, lines_file()) as sender:
        answer = server.ask({"api": "latency", "port": sender.port, "count": marks,
                             "intervalMs": interval_ms, "blockMs": SPARK_BLOCK_MS})
    late = [value / 1000 for value in answer["latencies"]]
    return late[int(WARM_UP * 1000):] if len(late) == marks else None


def spark(rates, seconds, server):
    """With the batches with which its median is least."""
    for rate in rates:
        spark_round(server, rate, seconds, SPARK_INTERVALS_MS[-1])  # compiles its code
        found = {ms: spark_round(server, rate, seconds, ms) for ms in SPARK_INTERVALS_MS}
        medians = {live.quantile(late, 0.5): ms for ms, late in found.items() if late is not None}
        what = "spark dstream, {:,} records/s".format(rate)
        if not medians:
            yield what, None, "does not keep up"
            continue
        best = medians[min(medians)]
        yield "%s, batches of %d ms, median" % (what, best), min(medians), "ms"
        yield "the same, p99", live.quantile(found[best], 0.99), "ms"


def run(options):
    rates, seconds = ([20_000], 2) if options.smoke else ([100_000, 1_000_000], 4)
    every = [parts.ours("dstream", dstream(options, "dstream", rates, seconds, {}),
                        goals("dstream", rates)),
             live.part_with_threads(
                 lambda name, mode: dstream(options, name, rates, seconds, mode),
                 goals(live.WITH_THREADS, rates)),
             *parts.of_peer("spark", options,
                            lambda peer: spark(rates, seconds, peer.PROJECT.server()))]
    return parts.run(TITLE, every, options)
