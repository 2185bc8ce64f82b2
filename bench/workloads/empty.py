"""Batches with no input, and as little to do in each task as can be.

A batch in which nothing can come out is not run at all. So there is a state that tells all of its
keys in every batch, one for each task, and drops them: one stage. For two, they go to other tasks,
which drop them.
"""
import os
import statistics
import tempfile

from harness import live, parts, table
from harness.failed import Failed

TITLE = "Empty batch: one and two stages, two executors with one task thread each"
WEIGHT = 175
INTERVAL_MS = 20


def app(folder, tasks, stages, mode):
    keys = {"from": "rows", "state": {"key": ["k"], "set": {"n": "count()"}, "emit": "all",
                                      "initial": [{"k": k, "n": 0} for k in range(tasks * 4)]}}
    streams = {"none": {**keys, "having": "n < 0"}}
    if stages == 2:
        streams = {"keys": {**keys, "repartition": tasks},
                   "none": {"from": "keys", "where": "n < 0"}}
    return {"version": 1, "name": "empty", "batch": {"interval": "%dms" % INTERVAL_MS},
            "executors": {"count": 2, "key_partitions": tasks, **mode},
            "sources": {"rows": {"type": "files", "dir": folder, "format": "csv",
                                 "schema": {"k": "int"}}},
            "streams": streams,
            "sinks": {"out": {"from": "none", "type": "file", "dir": "out"}}}


def measured(tasks, stages, batches, mode):
    """(median milliseconds of a batch, CPU microseconds of the driver for a batch)"""
    with tempfile.TemporaryDirectory() as work:
        os.mkdir(os.path.join(work, "in"))
        running = live.App(work, app("in", tasks, stages, mode))
        running.until_batches(batches // 3)
        before, cpu = running.lines[-1]["batches"], running.driver_cpu()
        running.until_batches(before + batches)
        cpu, count = running.driver_cpu() - cpu, running.lines[-1]["batches"] - before
        running.stop()
        tasks_run = (running.lines[-1]["tasks"] - running.lines[0]["tasks"]) / (
            running.lines[-1]["batches"] - running.lines[0]["batches"])
        if not 0.9 < tasks_run / (tasks * stages) < 1.1:  # a few may have run twice
            raise Failed("a batch has %g tasks, and not %d" % (tasks_run, tasks * stages))
        times = [line["processing_us"] for line in running.lines if line["batches"] > before]
    return statistics.median(times) / 1000, cpu / count * 1e6


def a_batch(name, stages, tasks):
    return "%s, stages %d, tasks %d: a batch, median" % (name, stages, tasks)


def one_more(name, stages):
    return "%s, stages %d: driver CPU for one more task" % (name, stages)


def counts_of_tasks(options):
    return (1, 8) if options.smoke else (1, 8, 64)


def dstream(options, name, mode):
    batches, counts = 20 if options.smoke else 60, counts_of_tasks(options)
    while True:
        cpu = {}
        for stages in 1, 2:
            for tasks in counts:
                ms, cpu[stages, tasks] = measured(tasks, stages, batches, mode)
                yield a_batch(name, stages, tasks), ms, "ms"
                yield "the same, driver CPU", cpu[stages, tasks], "us"
        for stages in 1, 2:
            more = cpu[stages, counts[-1]] - cpu[stages, 1]
            yield one_more(name, stages), more / (counts[-1] - 1) / stages, "us"
        yield parts.END_OF_TURN


def goals(options, name, ms):
    """`ms`: that a batch may take, by its stages, with any number of tasks."""
    return [*(table.Wanted(a_batch(name, stages, tasks), ms[stages], "ms")
              for stages in ms for tasks in counts_of_tasks(options)),
            *(table.Wanted(one_more(name, stages), 1, "us") for stages in (1, 2))]


def spark(server):
    """The later half of so many batches; more before the first turn, for its code to be compiled."""
    ways = [(stages, tasks) for stages in (1, 2) for tasks in (1, 8, 64)]
    for stages, tasks in ways:
        spark_measured(server, stages, tasks, 150)
    while True:
        for stages, tasks in ways:
            yield a_batch("spark", stages, tasks), spark_measured(server, stages, tasks, 60), "ms"
        yield parts.END_OF_TURN


def spark_measured(server, stages, tasks, batches):
    answer = server.ask({"api": "empty", "tasks": tasks, "stages": stages, "count": batches})
    return answer["seconds"] * 1000


def run(options):
    return parts.run(TITLE, [
        *live.both_modes(lambda name, mode: dstream(options, name, mode),
                         goals(options, "dstream", {1: 0.5, 2: 1}),
                         goals(options, live.WITH_THREADS, {1: 0.15})),
        *parts.of_peer("spark", options, lambda peer: spark(peer.PROJECT.server()))], options)
