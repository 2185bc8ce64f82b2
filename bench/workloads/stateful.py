"""Word count into a state: 100,000 words by Zipf's law, in batches of a second of 350,000 words,
saved every ten; of every batch the 100 most frequent words are written. Spark has the first 12 of
the batches, in which most words are not yet in its state, which is less to go through."""
import itertools

from harness import data
from workloads import words

TITLE = "Stateful words: running word count, checkpoint every 10 batches"
WEIGHT = 90
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
