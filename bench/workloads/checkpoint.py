"""What checkpoints add to a batch, and what they write as more keys of a large state change.

A state is given all of its keys in the first batch, and then in every batch the next of some
keys, so that all of those change from one save to the next. With a checkpoint the state is
saved every ten batches, and the metadata of a batch with every one.
"""
import glob
import os
import statistics
import subprocess
import tempfile

from harness import live, machine, measure, parts

TITLE = "Checkpoint: one executor, one task thread, a save every ten batches"
WEIGHT = 35
CHANGED = [1_000, 10_000, 100_000]
EVERY = 10  # batches


def app(rows, checkpoint):
    files = {"type": "files", "format": "csv", "schema": {"k": "int"}}
    return {"version": 1, "name": "checkpoint", "batch": {"interval": "1s"},
            **({"checkpoint": {"dir": "state", "every": "%ds" % EVERY}} if checkpoint else {}),
            "sources": {"keys": {**files, "dir": "keys"},
                        "some": {**files, "dir": "some", "max_rate": rows}},
            "streams": {
                "rows": {"from": ["keys", "some"]},
                "counts": {"from": "rows", "having": "n < 0", "state": {
                    "key": ["k"], "set": {"n": "coalesce(state.n, 0) + count()"}}}},
            "sinks": {"out": {"from": "counts", "type": "file", "dir": "out"}}}


def write_keys(path, keys):
    """Lines of one length, so that batches have as many."""
    os.makedirs(os.path.dirname(path))
    with open(path, "w", encoding="utf-8") as file:
        file.writelines("%09d\n" % key for key in keys)


def measured(keys, changed, batches, checkpoint):
    """(milliseconds of each batch, bytes of each file of saves that is there at the end)"""
    rows = changed // EVERY
    with tempfile.TemporaryDirectory() as work:
        write_keys(os.path.join(work, "keys", "all"), range(keys))
        write_keys(os.path.join(work, "some", "of"),
                   (n % changed * (keys // changed) for n in range(rows * batches)))
        lines = live.run_to_end(work, app(rows, checkpoint))
        saves = [os.path.getsize(path) for path in
                 glob.glob(os.path.join(work, "state", "kept", "*"))]
    busy = [line["processing_us"] / 1000 for line in lines if line["batch_rows_in"] > 0]
    return busy[20:], saves


def synced():
    """Milliseconds of as many syncs of as many bytes by a plain C program."""
    with tempfile.TemporaryDirectory() as work:
        argv = [machine.ceiling("sync"), os.path.join(work, "journal"), "80", "400", "300"]
        done = subprocess.run(measure.begun(argv, machine.one_core()), check=True, text=True,
                              stdout=subprocess.PIPE, timeout=measure.PATIENCE)
    return [float(line) for line in done.stdout.split()]


def added(options, keys):
    """To batches of 1,000 rows, with and without in turns; and what the disk takes by itself."""
    with_it, without, disk = [], [], []
    for number in range(options.uncounted + min(3, options.rounds)):
        pair = [measured(keys, 10_000, 100, checkpoint)[0] for checkpoint in (True, False)]
        alone = synced()
        if number >= options.uncounted:
            with_it += pair[0]
            without += pair[1]
            disk += alone
    yield "a batch of 1,000 rows without a checkpoint, median", statistics.median(without), \
        "ms", None, False
    # One batch of ten has a save: the median has none, the mean a tenth of each, the p99 a whole.
    for name, of, goal in (("median", statistics.median, 1), ("mean", statistics.mean, None),
                           ("p99", lambda times: live.quantile(times, 0.99), 1)):
        yield "with one: more than that, " + name, of(with_it) - of(without), "ms", goal, False
        yield "an append and fdatasync in plain C, " + name, of(disk), "ms", None, False


def of_changes(sizes):
    """The first save has all keys, and the one at the end what changed since the last: of the few
    files there are, the largest but one has all that may have changed."""
    return sorted(sizes)[-2]


def written(keys, counts):
    """The median, as a save now and then has more than what changed, to make later ones shorter."""
    before = None
    for changed in counts:
        size = of_changes(measured(keys, changed, 60, True)[1])
        yield "a save, {:,} keys of {:,} changed".format(changed, keys), size / 1000, "kB", None, \
            False
        if before is not None:
            yield "that save by the one before", size / before, "times", 11, False
        before = size


def run(options):
    keys, counts = (10_000, [1000]) if options.smoke else (1_000_000, CHANGED)
    return parts.run(TITLE, [parts.ours("what it adds", added(options, keys)),
                             parts.ours("what is written", written(keys, counts)),
                             *parts.without("spark", options, "updateStateByKey writes all of the "
                                            "state, in a job of its own: see stateful")],
                     options)
