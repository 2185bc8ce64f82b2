"""From the time a line was to be sent to its arrival at whoever reads the output.

Lines come over TCP at a fixed rate. One in each millisecond is marked with the time at which it
was due, not with the one at which it was sent: a receiver that holds the sender up does not
make its own delay look smaller (no coordinated omission). Marked lines go to standard output, and
count when they are read there.
"""
import tempfile
import time

from harness import data, feed, live, parts, table
from harness.failed import Failed

TITLE = "Latency: batches of 10 ms, from the time of sending that was due to the output's reader"
WEIGHT = 185
INTERVAL_MS = 10
SPARK_INTERVALS_MS = [5, 10, 20, 50, 100]
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


def measured(rate, seconds, mode):
    """Quantiles, in ms."""
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


def dstream(name, rates, seconds, mode):
    while True:
        for rate in rates:
            for quantile, ms in zip(QUANTILES, measured(rate, seconds, mode)):
                yield figure(name, rate, quantile), ms, "ms"
        yield parts.END_OF_TURN


def goals(name, rates):
    return [table.Wanted(figure(name, rate, "p99"), 15, "ms") for rate in rates]


def spark_measured(server, rate, seconds, interval_ms):
    """Milliseconds, or None if it does not keep up."""
    marks = int(seconds / 0.001)
    with feed.Sender("paced", rate, seconds, lines_file()) as sender:
        answer = server.ask({"api": "latency", "port": sender.port, "count": marks,
                             "intervalMs": interval_ms,
                             "blockMs": min(SPARK_BLOCK_MS, interval_ms)})
    late = [value / 1000 for value in answer["latencies"]]
    return late[int(WARM_UP * 1000):] if len(late) == marks else None


def best_for_spark(server, rate, seconds):
    """The interval with which its median is least, or None if it keeps up with none."""
    spark_measured(server, rate, seconds, SPARK_INTERVALS_MS[-1])  # compiles its code
    found = {ms: spark_measured(server, rate, seconds, ms) for ms in reversed(SPARK_INTERVALS_MS)}
    medians = {live.quantile(late, 0.5): ms for ms, late in found.items() if late is not None}
    return medians[min(medians)] if medians else None


def spark(rates, seconds, server):
    best = {rate: best_for_spark(server, rate, seconds) for rate in rates}
    while True:
        for rate, interval_ms in best.items():
            yield from spark_rows(server, rate, seconds, interval_ms)
        yield parts.END_OF_TURN


def spark_rows(server, rate, seconds, interval_ms):
    what = "spark dstream, {:,} records/s".format(rate)
    late = interval_ms and spark_measured(server, rate, seconds, interval_ms)
    for name, quantile in ("%s, batches of %s ms, median" % (what, interval_ms), 0.5), \
            ("the same, p99", 0.99):
        yield (name, live.quantile(late, quantile), "ms") if late else (
            name, None, "does not keep up")


def run(options):
    rates, seconds = ([20_000], 2) if options.smoke else ([100_000, 1_000_000], 3)
    return parts.run(TITLE, [
        *live.both_modes(lambda name, mode: dstream(name, rates, seconds, mode),
                         goals("dstream", rates), goals(live.WITH_THREADS, rates)),
        *parts.of_peer("spark", options, lambda peer: spark(rates, seconds,
                                                            peer.PROJECT.server()))], options)
