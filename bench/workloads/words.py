"""Word count per batch: lines of ten words, 5,000 different ones, all equally frequent."""
import collections
import random

from harness import data

TITLE = "Words: word count"
WEIGHT = 60
UNIT = "words"
GOALS = {"duckdb": 1.5, "mawk": 4, "spark dstream": 20, "plain C": 0.4}
MERGE = (sum,)
SIZES = {"full": 24_000_000, "smoke": 400_000}
PIECES = 8
TIMES = 3
DUCKDB_SHARE = 1.0  # all pieces, but once

CEILING = ["words"]
MAWK = r'BEGIN{RS="[ \n]"} {c[$0]++} END{for(w in c) printf "%s,%d\n", w, c[w]}'
SQL = """SELECT word, count(*) FROM (SELECT unnest(string_split(line, ' ')) AS word FROM {lines})
         GROUP BY word"""
SPARK = ["dstream", "structured"]
SPARK_SHARE = 0.25


def vocabulary(count):
    """Words of 3 to 10 letters."""
    choose, found = random.Random(1), {}
    while len(found) < count:
        found["".join(choose.choices("abcdefghijklmnopqrstuvwxyz",
                                     k=choose.randint(3, 10)))] = True
    return list(found)


def write_lines(file, words, weights, count, seed):
    """Lines of ten of the words; `weights` are running sums. Counts them."""
    choose, counts = random.Random(seed), collections.Counter()
    while count > 0:
        some = choose.choices(words, cum_weights=weights, k=min(count, 100_000))
        file.writelines(" ".join(some[at:at + 10]) + "\n" for at in range(0, len(some), 10))
        counts.update(some)
        count -= len(some)
    return {word: (n,) for word, n in counts.items()}


def make(size):
    words = vocabulary(5000)
    return data.DataSet("words-%d" % size, PIECES, lambda file, number: (
        size // PIECES, write_lines(file, words, None, size // PIECES, number)),
        data.merge(MERGE))


def app(part):
    return {"version": 1, "name": "words", "batch": {"interval": "1s"},
            "sources": {"lines": {"type": "files", "dir": part.folder}},
            "streams": {
                "words": {"from": "lines", "flat_map": {"word": "split(line)"}},
                "counts": {"from": "words", "group_by": ["word"],
                           "aggregate": {"n": "count()"}}},
            "sinks": {"out": {"from": "counts", "type": "file", "dir": "out", "format": "csv"}}}
