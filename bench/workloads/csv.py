"""Bids as the Nexmark generator has them, as CSV: count, sum and max of the price by auction."""
import random

from harness import data

TITLE = "CSV: count, sum and max of bids by auction"
WEIGHT = 100
UNIT = "bids"
GOALS = {"duckdb": 1.2}
MERGE = (sum, sum, max)
SIZES = {"full": 6_000_000, "smoke": 50_000}
PIECES = 8
MAWK_SHARE, SPARK_SHARE = 0.125, 0.25
AUCTIONS = 500_000
COLUMNS = {"auction": "int", "bidder": "int", "price": "int", "channel": "string",
           "url": "string", "date_time": "int"}

CEILING = ["csv"]
MAWK = r"""BEGIN{FS=","} {c[$1]++; s[$1]+=$3; if($3>m[$1])m[$1]=$3}
           END{for(a in c) printf "%s,%d,%.0f,%d\n", a, c[a], s[a], m[a]}"""
SPARK = ["dstream", "structured"]
SQL = """SELECT auction, count(*), sum(price), max(price)
         FROM read_csv({files}, header = false, auto_detect = false, delim = ',', quote = '"',
              columns = {{'auction': 'BIGINT', 'bidder': 'BIGINT', 'price': 'BIGINT',
                          'channel': 'VARCHAR', 'url': 'VARCHAR', 'date_time': 'BIGINT'}})
         GROUP BY auction"""


def write_piece(file, bids, seed):
    """Prices as in Nexmark: 100 times ten to a random power up to six. Each bid is for any
    auction, all alike: no auction is hot, which would be less to do for everybody."""
    choose, result = random.Random(seed), {}
    channels = ["Google", "Facebook", "Baidu", "Apple"] + ["channel-%d" % n for n in range(96)]
    urls = ["https://www.nexmark.com/%s/item.htm?query=1&channel_id=%d" % (
        "".join(choose.choices("abcdefghijklmnopqrstuvwxyz_", k=14)), n) for n in range(1000)]
    for number in range(bids):
        auction = 1000 + choose.randrange(AUCTIONS)
        price = int(100 * 10 ** (choose.random() * 6))
        file.write("%d,%d,%d,%s,%s,%d\n" % (
            auction, 1000 + choose.randrange(100_000), price, choose.choice(channels),
            choose.choice(urls), 1_700_000_000_000 + seed * bids + number))
        key = str(auction)
        old = result.get(key)
        result[key] = (1, price, price) if old is None else (
            old[0] + 1, old[1] + price, max(old[2], price))
    return bids, result


def make(size):
    return data.DataSet("csv-%d" % size, PIECES,
                        lambda file, number: write_piece(file, size // PIECES, number),
                        data.merge(MERGE))


def app(part):
    return {"version": 1, "name": "bids", "batch": {"interval": "1s"},
            "sources": {"bids": {"type": "files", "dir": part.folder, "format": "csv",
                                 "schema": COLUMNS}},
            "streams": {
                "result": {"from": "bids", "group_by": ["auction"],
                           "aggregate": {"n": "count()", "total": "sum(price)",
                                         "most": "max(price)"}}},
            "sinks": {"out": {"from": "result", "type": "file", "dir": "out", "format": "csv"}}}
