"""As grep, but the lines come over TCP as fast as they are taken."""
from workloads import grep

TITLE = "Grep: lines with '%needle%', over TCP"
WEIGHT = 65
UNIT, GOALS, MERGE, SIZES = grep.UNIT, grep.GOALS, grep.MERGE, grep.SIZES
TIMES = 5
CEILING, MAWK, SQL = grep.CEILING, grep.MAWK, grep.SQL
SPARK = ["dstream", "structured"]
DUCKDB_SHARE, SPARK_SHARE = 1.0, 0.25


def make(size):
    dataset = grep.make(size)
    dataset.over_tcp = True
    return dataset


def app(part):
    files = grep.app(part)
    return {**files, "sources": {"lines": {"type": "socket", "connect": "127.0.0.1:{port}"}}}
