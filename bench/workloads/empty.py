"""Batches with no input, and as little to do in each task as can be.

A batch in which nothing can come out is not run at all. So there is a state that tells all of its
keys in every batch, one for each task, and drops them: one stage. For two, they go to other tasks,
which drop them.
"""
import os
import statistics
import tempfile

from harness import live, parts
from harness.failed import Failed

TITLE = "Empty batch: one and two stages, two executors with one task thread each"
WEIGHT = 110
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
        running.until_batches(batches // 4)
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


def dstream(options, name, mode, goal_ms):
    batches, found = 20 if options.smoke else 150, {}
    for stages in 1, 2:
        for tasks in (1, 8) if options.smoke else (1, 8, 64):
            found[stages, tasks] = ms, cpu = measured(tasks, stages, batches, mode)
            yield "%s, stages %d, tasks %d: a batch, median" % (name, stages, tasks), ms, "ms", \
                goal_ms * stages if tasks == 1 or not mode else None, False
            yield "the same, driver CPU", cpu, "us", None, False
    most = max(tasks for _, tasks in found)
    for stages in 1, 2:
        cpu = found[stages, most][1] - found[stages, 1][1]
        yield "%s, stages %d: driver CPU for one more task" % (name, stages), \
            cpu / (most - 1) / stages, "us", 1, False


def spark(server):
    for stages in 1, 2:
        for tasks in 1, 8, 64:
            answer = server.ask({"api": "empty", "tasks": tasks, "stages": stages, "count": 300})
            yield "spark, stages %d, tasks %d: a batch, median" % (stages, tasks), \
                answer["seconds"] * 1000, "ms", None, False


def run(options):
    every = [parts.ours("dstream", dstream(options, "dstream", {}, 0.5)),
             *parts.of_peer("spark", options, lambda peer: spark(peer.PROJECT.server())),
             live.part_with_threads(lambda name, mode: dstream(options, name, mode, 0.15))]
    return parts.run(TITLE, every, options)
