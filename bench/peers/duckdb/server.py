"""Runs queries that come as lines of JSON, one thread, in memory, and says how it went."""
import json
import sys

import duckdb

connection = duckdb.connect(":memory:")
connection.execute("SET threads = 1")
connection.execute("SET preserve_insertion_order = false")
for line in sys.stdin:
    request = json.loads(line)
    try:
        connection.execute("COPY (%s) TO '%s' (FORMAT csv, HEADER false, QUOTE '')" % (
            request["sql"], request["output"]))
        answer = {}
    except duckdb.Error as error:
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
