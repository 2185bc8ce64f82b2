"""What checkpoints add to a batch, and what they write as more keys of a large state change.

A state is given all of its keys in the first batch, and then in every batch the next of some
keys, so that all of those change from one save to the next. With a checkpoint the state is
saved every ten batches, and the metadata of a batch with every one. Keys are written when they
have changed as often as they are to, which is in the last ten batches; these do not count.

What a save wrote is told by its record in the checkpoint's journal: the parts that have what changed,
and those that have a whole partition, which are written now and then so that a restart has less to
read. The first save, of all keys, does not count.
"""
import glob
import itertools
import json
import os
import statistics
import subprocess
import tempfile

from harness import contestants, live, machine, measure, parts, table
from harness.failed import Failed

TITLE = "Checkpoint: one executor, one task thread, a save every ten batches"
WEIGHT = 45
CHANGED = {1_000: 1000, 10_000: 600, 100_000: 200}  # keys: batches, for a second or so
EVERY = 10  # batches
TRIES = 5
TENFOLD = (8, 12)  # times the bytes for ten times the keys


def app(rows, checkpoint, times):
    files = {"type": "files", "format": "csv", "schema": {"k": "int"}}
    return {"version": 1, "name": "checkpoint", "batch": {"interval": "1s"},
            **({"checkpoint": {"dir": "state", "every": "%ds" % EVERY}} if checkpoint else {}),
            "sources": {"keys": {**files, "dir": "keys"},
                        "some": {**files, "dir": "some", "max_rate": rows}},
            "streams": {
                "rows": {"from": ["keys", "some"]},
                "counts": {"from": "rows", "having": "n = %d" % times, "state": {
                    "key": ["k"], "set": {"n": "coalesce(state.n, 0) + count()"}}}},
            "sinks": {"out": {"from": "counts", "type": "file", "dir": "out", "format": "csv"}}}


def write_keys(path, keys):
    """Lines of one length, so that batches have as many."""
    os.makedirs(os.path.dirname(path))
    with open(path, "w", encoding="utf-8") as file:
        file.writelines("%09d\n" % key for key in keys)


def measured(keys, changed, batches, checkpoint):
    """(milliseconds of each batch, (bytes of changes, of whole partitions) of each save)"""
    rows = changed // EVERY
    with tempfile.TemporaryDirectory() as work:
        write_keys(os.path.join(work, "keys", "all"), range(keys))
        write_keys(os.path.join(work, "some", "of"),
                   (n % changed * (keys // changed) for n in range(rows * batches)))
        times = batches // EVERY + 1  # once with all keys
        lines = live.run_to_end(work, app(rows, checkpoint, times))
        check(keys, changed, times, contestants.rows_of_sink(os.path.join(work, "out")))
        saves = saves_of(os.path.join(work, "state", "metadata"))
    busy = [line["processing_us"] / 1000 for line in lines if line["batch_rows_in"] > 0]
    return busy[20:-EVERY], saves


def check(keys, changed, times, rows):
    """All that change are there, once."""
    expected = ["%d,%d\n" % (n * (keys // changed), times) for n in range(changed)]
    if sorted(rows) != sorted(expected):
        raise Failed("a wrong result, of %d keys of %d" % (len(rows), changed))


def saves_of(folder):
    """By the journal, but for the first."""
    saves = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.jsonl"))):
        with open(path, encoding="utf-8") as file:
            for record in map(json.loads, file):
                if record.get("record") == "saved":
                    some = [part for stream in record["streams"] for part in stream["parts"]]
                    saves[record["save"]] = tuple(
                        sum(part["bytes"] for part in some if part["whole"] == whole)
                        for whole in (False, True))
    return [saves[number] for number in sorted(saves)][1:]


def synced():
    """Milliseconds of as many syncs of as many bytes by a plain C program."""
    with tempfile.TemporaryDirectory() as work:
        argv = [machine.ceiling("sync"), os.path.join(work, "journal"), "80", "400", "300"]
        done = subprocess.run(measure.begun(argv, machine.one_core()), check=True, text=True,
                              stdout=subprocess.PIPE, timeout=measure.PATIENCE)
    return [float(line) for line in done.stdout.split()]


def added(options, keys):
    """To batches of 1,000 rows, with and without one after the other; and what the disk takes by
    itself."""
    batches = 100 if options.smoke else 230
    for number in itertools.count():
        with_it, without = [measured(keys, 10_000, batches, checkpoint)[0]
                            for checkpoint in (True, False)]
        disk = synced()
        if number < options.uncounted:
            continue
        yield "a batch of 1,000 rows without a checkpoint, median", statistics.median(without), "ms"
        # One batch of ten has a save: the median has none, the mean a tenth, the p99 a whole.
        for name, of in (("median", statistics.median), ("mean", statistics.mean),
                         ("p99", lambda times: live.quantile(times, 0.99))):
            yield ADDED + name, of(with_it) - of(without), "ms"
            yield "an append and fdatasync in plain C, " + name, of(disk), "ms"
        yield parts.END_OF_TURN


ADDED = "with one: more than that, "
GOALS_OF_ADDED = [table.Wanted(ADDED + name, 1, "ms") for name in ("median", "p99")]


def compared(some, fewer):
    return "changes of {:,} keys by those of {:,}".format(some, fewer)


def written(keys, counts):
    """`counts`: of keys that change, with the batches that are run."""
    while True:
        before = None
        for changed, batches in counts.items():
            sizes = saved(keys, changed, batches)
            changes, wholes = map(statistics.mean, zip(*sizes))
            what = "a save, {:,} keys of {:,} changed: ".format(changed, keys)
            yield what + "changes, mean", changes / 1000, "kB"
            yield what + "whole partitions, mean", wholes / 1000, "kB"
            yield what + "saves that have such", \
                statistics.mean(100 * (whole > 0) for _, whole in sizes), "%"
            if before is not None:
                yield compared(changed, before[0]), changes / before[1], "times"
            before = changed, changes
        yield parts.END_OF_TURN


def saved(keys, changed, batches):
    """Bytes of each save. One that is due while another is being written is not begun, so there are
    fewer than one in ten batches where the disk is slow; and if there is none that counts, another
    run is to have some."""
    for _ in range(TRIES):
        sizes = measured(keys, changed, batches, True)[1]
        if sizes:
            return sizes
    raise Failed("none but the first save was finished, %d times" % TRIES)


def run(options):
    keys, counts = (10_000, {100: 200, 1000: 200}) if options.smoke else (1_000_000, CHANGED)
    goals = [table.Wanted(compared(some, fewer), TENFOLD, "times")
             for fewer, some in zip(counts, list(counts)[1:])]
    return parts.run(TITLE, [parts.ours("what it adds", added(options, keys), GOALS_OF_ADDED),
                             parts.ours("what is written", written(keys, counts), goals),
                             *parts.without("spark", options, "updateStateByKey writes all of the "
                                            "state, in a job of its own: see stateful")],
                     options)
