"""The Yahoo Streaming Benchmark: of JSON events the views, joined with 1,000 ads, counted for each
of 100 campaigns and ten seconds of event time."""
import os
import random

from harness import data

TITLE = "Yahoo: views per campaign and 10 s, from files"
WEIGHT = 65
UNIT = "events"
GOALS = {"duckdb": 2, "mawk": 4, "spark structured": 10, "flink": 10, "plain C": 0.35}
MERGE = (max,)  # a later count of a window replaces the one before
SIZES = {"full": 2_000_000, "smoke": 50_000}
PIECES = 8
TIMES = 5
DUCKDB_SHARE = 1.0  # all pieces, but once
START_MS = 1_700_000_000_000
PER_SECOND = 10_000

CEILING = ["yahoo", "{ads}"]
MAWK = r"""BEGIN{while((getline a < ads)>0){split(a,f,","); campaign[f[1]]=f[2]}}
           /"event_type": "view"/{
              c[campaign[substr($6,2,36)] "," int(substr($12,2,13)/10000)]++}
           END{for(k in c) printf "%s,%d\n", k, c[k]}"""
SQL = """SELECT campaign, event_time::BIGINT // 10000 AS slot, count(*)
         FROM read_json({files}, format = 'newline_delimited', columns = {{
                'ad_id': 'VARCHAR', 'event_type': 'VARCHAR', 'event_time': 'VARCHAR'}}) AS e
         JOIN read_csv('{ads}', header = false, columns = {{
                'ad': 'VARCHAR', 'campaign': 'VARCHAR'}}) AS a ON e.ad_id = a.ad
         WHERE event_type = 'view' GROUP BY ALL"""
SPARK = ["dstream", "structured"]
FLINK = True


def uuids(seed, count):
    choose = random.Random(seed)
    digits = ["%032x" % choose.getrandbits(128) for _ in range(count)]
    return ["-".join((d[:8], d[8:12], d[12:16], d[16:20], d[20:])) for d in digits]


ADS, CAMPAIGNS, USERS, PAGES = uuids(1, 1000), uuids(2, 100), uuids(3, 100), uuids(4, 100)
KINDS = ["banner", "modal", "sponsored-search", "mail", "mobile"]


def campaign_of(ad_number):
    return CAMPAIGNS[ad_number // 10]


def write_piece(file, events, number):
    choose, result = random.Random(number), {}
    for at in range(number * events, (number + 1) * events):
        ad, event = choose.randrange(1000), choose.choice(("view", "click", "purchase"))
        time = START_MS + at * 1000 // PER_SECOND
        file.write('{"user_id": "%s", "page_id": "%s", "ad_id": "%s", "ad_type": "%s", '
                   '"event_type": "%s", "event_time": "%d", "ip_address": "1.2.3.4"}\n' % (
                       choose.choice(USERS), choose.choice(PAGES), ADS[ad], choose.choice(KINDS),
                       event, time))
        if event == "view":
            key = "%s,%d" % (campaign_of(ad), time // 10_000)
            result[key] = (result.get(key, (0,))[0] + 1,)
    return events, result


def make(size):
    dataset = data.DataSet("yahoo-%d" % size, PIECES,
                           lambda file, number: write_piece(file, size // PIECES, number),
                           data.merge((sum,)))
    dataset.tables["ads"] = os.path.join(dataset.folder, "ads.csv")
    with open(dataset.tables["ads"], "w", encoding="utf-8") as file:
        file.writelines("%s,%s\n" % (ad, campaign_of(n)) for n, ad in enumerate(ADS))
    return dataset


def app(part):
    return {"version": 1, "name": "yahoo", "batch": {"interval": "1s"},
            "sources": {
                "events": {"type": "files", "dir": part.folder, "format": "json", "schema": {
                    "ad_id": "string", "event_type": "string", "event_time": "string"}},
                "ads": {"type": "table", "path": part.tables["ads"], "format": "csv",
                        "schema": {"ad_id": "string", "campaign": "string"}}},
            "streams": {
                "views": {"from": "events", "where": "event_type = 'view'", "select": {
                    "ad_id": "ad_id", "slot": "cast(event_time as int) / 10000"}},
                "joined": {"from": "views", "join": {"with": "ads", "on": ["ad_id"]}},
                "counts": {"from": "joined", "state": {
                    "key": ["campaign", "slot"],
                    "set": {"n": "coalesce(state.n, 0) + count()"}}}},
            "sinks": {"out": {"from": "counts", "type": "file", "dir": "out", "format": "csv"}}}
