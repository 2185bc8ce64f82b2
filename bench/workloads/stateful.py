"""Word count into a state: 100,000 words by Zipf's law, in batches of a second of 350,000 words,
saved every ten; of every batch the 100 most frequent words are written. Spark has the first 12 of
the batches: in the first of them half of the words come into its state, in the first four nine of
ten, so it has a little less to go through than in later ones."""
import collections
import itertools
import os
import tempfile

from harness import contestants, data, live
from harness.failed import Failed
from workloads import words

TITLE = "Stateful words: running word count, checkpoint every 10 batches"
WEIGHT = 110
UNIT = "words"
GOALS = {"spark dstream": 50, "plain C": 0.3}
MERGE = (max,)  # a later count replaces the one before
SIZES = {"full": 4_200_000, "smoke": 240_000}
PIECES = 12
TIMES = 4
WORDS, TOP = 100_000, 100

CEILING = ["words"]
SPARK = ["dstream", "structured"]
BATCH_FOR_EACH_FILE, SPARK_SHARE = True, 1.0


def make(size):
    vocabulary = words.vocabulary(WORDS)
    weights = list(itertools.accumulate(1 / rank for rank in range(1, WORDS + 1)))
    return data.DataSet("zipf-%d" % size, PIECES, lambda file, number: (
        size // PIECES,
        words.write_lines(file, vocabulary, weights, size // PIECES, number)),
        data.merge((sum,)))


def final(result):
    """The top of the last batch: no word that was in an earlier one comes before these."""
    return sorted(result.items(), key=lambda item: (-item[1][0], item[0]))[:TOP]


def verify(part):
    """In a run of its own the top of each batch, from the lines that it had by its progress."""
    with tempfile.TemporaryDirectory() as work:
        progress = live.run_to_end(work, app(part))
        rows = contestants.rows_of_sink(os.path.join(work, "out"))
    check_batches(part, [line["batch_rows_in"] for line in progress], rows)


def check_batches(part, lines_of_batches, rows):
    """`rows`: of all batches, in order."""
    text, counts = text_of(part), collections.Counter()
    for number, lines in enumerate(count for count in lines_of_batches if count > 0):
        for line in itertools.islice(text, lines):
            counts.update(line.split())
        top = ["%s,%d\n" % (word, n) for word, (n,) in final(
            {word: (n,) for word, n in counts.items()})]
        if sorted(rows[:len(top)]) != sorted(top):
            raise Failed("a wrong result in batch %d of its first run" % number)
        rows = rows[len(top):]
    if rows or next(text, None) is not None:
        raise Failed("its first run has rows too many, or did not read all")


def text_of(part):
    for path in part.paths:
        with open(path, encoding="utf-8") as file:
            yield from file


def app(part):
    lines_per_batch = part.records // len(part.paths) // 10
    return {"version": 1, "name": "stateful", "batch": {"interval": "1s"},
            "checkpoint": {"dir": "state", "every": "10s"},
            "sources": {"lines": {"type": "files", "dir": part.folder,
                                  "max_rate": lines_per_batch}},
            "streams": {
                "words": {"from": "lines", "flat_map": {"word": "split(line)"}},
                "counts": {"from": "words", "state": {
                    "key": ["word"], "set": {"n": "coalesce(state.n, 0) + count()"}}},
                "top": {"from": "counts", "order_by": "n desc", "limit": TOP}},
            "sinks": {"out": {"from": "top", "type": "file", "dir": "out", "format": "csv"}}}
