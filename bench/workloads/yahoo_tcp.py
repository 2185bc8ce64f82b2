"""As yahoo, but the events come over TCP as fast as they are taken."""
from workloads import yahoo

TITLE = "Yahoo: views per campaign and 10 s, over TCP"
WEIGHT = 100
UNIT, MERGE, SIZES, GOALS = yahoo.UNIT, yahoo.MERGE, yahoo.SIZES, yahoo.GOALS
TIMES = 5
CEILING, MAWK, SQL = yahoo.CEILING, yahoo.MAWK, yahoo.SQL
SPARK, FLINK = ["dstream", "structured"], True
DUCKDB_SHARE = 1.0


def make(size):
    dataset = yahoo.make(size)
    dataset.over_tcp = True
    return dataset


def app(part):
    app_of_files = yahoo.app(part)
    events, ads = app_of_files["sources"]["events"], app_of_files["sources"]["ads"]
    socket = {"type": "socket", "connect": "127.0.0.1:{port}"}
    return {**app_of_files, "sources": {
        "events": {**socket, "format": "json", "schema": events["schema"]}, "ads": ads}}
