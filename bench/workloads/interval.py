"""The smallest batch interval that holds at half of the load that the app can take.

The app counts words that come over TCP. What it can take is measured first, at full speed with
batches of 100 ms. An interval holds if, in the second half of some seconds at half of that, the
median batch takes less than the interval, and 99 of 100 batches end within two more intervals of
their time.
"""
import os
import tempfile

from harness import feed, live, parts
from workloads import words

TITLE = "Interval: the smallest that holds at half load, words over TCP, two executors"
WEIGHT = 110
INTERVALS_MS = [1, 2, 3, 5, 10, 20, 50, 100]
SPARK_INTERVALS_MS = [50, 100, 200, 500, 1000, 2000]
SPARK_SECONDS = 10


def app(address, interval_ms, mode):
    return {"version": 1, "name": "interval", "batch": {"interval": "%dms" % interval_ms},
            "executors": {"count": 2, **mode},
            "sources": {"lines": {"type": "socket", "connect": address,
                                  "block_interval": "%dms" % max(1, interval_ms // 5)}},
            "streams": {
                "words": {"from": "lines", "flat_map": {"word": "split(line)"}},
                "counts": {"from": "words", "group_by": ["word"],
                           "aggregate": {"n": "count()"}, "having": "n < 0"}},
            "sinks": {"out": {"from": "counts", "type": "file", "dir": "out"}}}


def capacity(path, seconds, mode):
    """Lines a second."""
    with feed.Sender("flood", seconds, path) as sender, tempfile.TemporaryDirectory() as work:
        running = live.App(work, app(sender.address(), 100, mode))
        running.until_batches(3)
        first = running.lines[-1]
        sent = sender.sent()
        running.until(lambda: running.lines[-1]["rows_in"] >= sent)
        last = next(line for line in running.lines if line["rows_in"] >= sent)
        running.stop()
    return (last["rows_in"] - first["rows_in"]) / (live.end_of(last) - live.end_of(first))


def holds(path, rate, seconds, interval_ms, mode):
    with feed.Sender("paced", rate, seconds, path) as sender, \
            tempfile.TemporaryDirectory() as work:
        running = live.App(work, app(sender.address(), interval_ms, mode))
        sent = sender.sent()
        running.until(lambda: running.lines and running.lines[-1]["rows_in"] >= sent, 20)
        running.stop()
    busy = [line for line in running.lines if line["batch_rows_in"] > 0]
    busy = busy[len(busy) // 2:]
    limit = interval_ms * 1000
    return len(busy) > 10 and running.lines[-1]["rows_in"] == sent and \
        live.quantile([line["processing_us"] for line in busy], 0.5) < limit and \
        live.quantile([line["delay_us"] for line in busy], 0.99) < 3 * limit


def dstream(options, name, mode):
    seconds = 1 if options.smoke else 3
    path = words.make(words.SIZES["smoke"]).part(1.0).paths[0]
    rate = capacity(path, seconds, mode)
    yield "%s, what it can take" % name, rate, "lines/s", None, True
    for interval_ms in [50] if options.smoke else INTERVALS_MS:
        if holds(path, rate / 2, seconds, interval_ms, mode):
            yield "%s, smallest interval at half of that" % name, interval_ms, "ms", 5, False
            return
    yield name, None, "no interval held"


def spark_capacity(server, work):
    """Lines a second, of the first that it has compiled its code for."""
    part = words.make(words.SIZES["full"] // 8).part(0.5)
    request = {"api": "dstream", "workload": "words", "total": part.records, "work": work,
               "output": os.path.join(work, "result")}
    for _ in range(3):
        with feed.Sender("files", *part.paths) as sender:
            seconds = server.ask({**request, "port": sender.port})["seconds"]
    return part.records / 10 / seconds


def spark_holds(server, path, rate, interval_ms):
    with feed.Sender("paced", rate, SPARK_SECONDS, path) as sender:
        answer = server.ask({"api": "interval", "port": sender.port, "intervalMs": interval_ms,
                             "count": SPARK_SECONDS})
    late = answer["batches"][len(answer["batches"]) // 2:]
    return len(late) > 2 and \
        live.quantile([processing for processing, _ in late], 0.5) < interval_ms and \
        live.quantile([delay for _, delay in late], 0.99) < 3 * interval_ms


def spark(server):
    path = words.make(words.SIZES["smoke"]).part(1.0).paths[0]
    with tempfile.TemporaryDirectory() as work:
        rate = spark_capacity(server, work)
    yield "spark dstream, what it can take", rate, "lines/s", None, True
    held = next((ms for ms in SPARK_INTERVALS_MS if spark_holds(server, path, rate / 2, ms)), None)
    if held is None:
        yield "spark dstream", None, "no interval held"
    else:
        yield "spark dstream, smallest interval at half of that", held, "ms", None, False


def run(options):
    every = [parts.ours("dstream", dstream(options, "dstream", {})),
             *parts.of_peer("spark", options, lambda peer: spark(peer.PROJECT.server())),
             live.part_with_threads(lambda name, mode: dstream(options, name, mode))]
    return parts.run(TITLE, every, options)
