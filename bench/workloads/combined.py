"""A web server's access log in the Combined Log Format: requests by status and path. Fields are
found by the format; with a pattern for lines the same is workloads/regex.py."""
import collections
import re
import subprocess

from harness import data, machine

TITLE = "Combined: requests by status and path"
WEIGHT = 65
UNIT = "lines"
GOALS = {"mawk": 5}
MERGE = (sum,)
SIZES = {"full": 2_000_000, "smoke": 50_000}
PIECES = 8
TIMES = 4
DUCKDB_SHARE = 1.0  # all pieces, but once
LINE = re.compile(r'\S+ \S+ \S+ \[[^]]*\] "\S+ (\S+) \S+" (\d+) ')

CEILING = ["combined"]
SPARK = ["dstream", "structured"]
MAWK = r"""BEGIN{FS="\""} {split($2,r," "); split($3,f," "); c[f[1] "," r[2]]++}
           END{for(k in c) printf "%s,%d\n", k, c[k]}"""
# A log is nearly a CSV with blanks between its fields, which is the fastest way that was tried.
SQL = """SELECT status, split_part(request, ' ', 2), count(*)
         FROM read_csv({files}, header = false, auto_detect = false, delim = ' ', quote = '"',
              escape = '', columns = {{
                'host': 'VARCHAR', 'ident': 'VARCHAR', 'user': 'VARCHAR', 'time': 'VARCHAR',
                'zone': 'VARCHAR', 'request': 'VARCHAR', 'status': 'VARCHAR', 'bytes': 'VARCHAR',
                'referer': 'VARCHAR', 'agent': 'VARCHAR'}}) GROUP BY ALL"""


def write_piece(file, lines, seed):
    subprocess.run([machine.LOGGEN, "--lines", str(lines), "--rate", "0", "--seed", str(seed + 1),
                    "--time", "1763600000"], stdout=file, check=True)
    counts = collections.Counter()
    with open(file.name, encoding="utf-8") as written:
        for line in written:
            path, status = LINE.match(line).groups()
            counts[status + "," + path] += 1
    return lines, {key: (n,) for key, n in counts.items()}


def make(size):
    return data.DataSet("combined-%d" % size, PIECES,
                        lambda file, number: write_piece(file, size // PIECES, number),
                        data.merge(MERGE))


def app(part):
    return {"version": 1, "name": "combined", "batch": {"interval": "1s"},
            "sources": {"log": {"type": "files", "dir": part.folder, "format": "combined"}},
            "streams": {
                "result": {"from": "log", "group_by": ["status", "path"],
                           "aggregate": {"n": "count()"}}},
            "sinks": {"out": {"from": "result", "type": "file", "dir": "out", "format": "csv"}}}

