"""Lines of 100 bytes, of which one in a thousand has a needle: how many have it, per batch."""
import random
import string

from harness import data

TITLE = "Grep: lines with '%needle%', from files"
WEIGHT = 50
UNIT = "lines"
GOALS = {"spark dstream": 20, "plain C": 0.3}
MERGE = (sum,)
SIZES = {"full": 6_000_000, "smoke": 100_000}
PIECES = 8
TIMES = 5
DUCKDB_SHARE = 1.0  # all pieces, but once
NEEDLE = "needle"

CEILING = ["grep", NEEDLE]
MAWK = '/needle/{n++} END{printf "all,%d\\n", n}'
SQL = "SELECT 'all', count(*) FROM {lines} WHERE line LIKE '%needle%'"
SPARK = ["dstream", "structured"]


def write_piece(file, lines, seed):
    """The text is cut from a pool at random places, which makes lines different enough."""
    choose = random.Random(seed)
    letters = string.ascii_lowercase.replace("d", "") + " "  # so no needle is there by chance
    pool = "".join(choose.choices(letters, k=1 << 20))
    found = 0
    for number in range(lines):
        at = choose.randrange(len(pool) - 100)
        line = pool[at:at + 99]
        if choose.randrange(1000) == 0 or number == lines - 1:
            where = choose.randrange(99 - len(NEEDLE))
            line = line[:where] + NEEDLE + line[where + len(NEEDLE):]
            found += 1
        file.write(line + "\n")
    return lines, {"all": (found,)}


def make(size):
    return data.DataSet("grep-%d" % size, PIECES,
                        lambda file, number: write_piece(file, size // PIECES, number),
                        data.merge(MERGE))


def app(part):
    return {"version": 1, "name": "grep", "batch": {"interval": "1s"},
            "sources": {"lines": {"type": "files", "dir": part.folder}},
            "streams": {
                "found": {"from": "lines", "where": "line like '%needle%'"},
                "counts": {"from": "found", "aggregate": {"n": "count()"}},
                "result": {"from": "counts", "select": {"k": "'all'", "n": "n"}}},
            "sinks": {"out": {"from": "result", "type": "file", "dir": "out", "format": "csv"}}}
