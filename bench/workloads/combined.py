"""A web server's access log in the Combined Log Format: requests by status and path."""
import collections
import re
import subprocess

from harness import data, machine

TITLE = "Combined: requests by status and path"
WEIGHT = 35
UNIT = "lines"
GOALS = {"mawk": 5}
MERGE = (sum,)
SIZES = {"full": 2_000_000, "smoke": 50_000}
PIECES = 8
LINE = re.compile(r'\S+ \S+ \S+ \[[^]]*\] "\S+ (\S+) \S+" (\d+) ')

CEILING = ["combined"]
MAWK = r"""BEGIN{FS="\""} {split($2,r," "); split($3,f," "); c[f[1] "," r[2]]++}
           END{for(k in c) printf "%s,%d\n", k, c[k]}"""
SQL = r"""SELECT m.status, m.path, count(*) FROM (
            SELECT regexp_extract(line, '^\S+ \S+ \S+ \[[^]]*\] "\S+ (\S+) \S+" (\d+) ',
                                  ['path', 'status']) AS m FROM {lines})
          GROUP BY ALL"""


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


def app(part, log_format=None):
    return {"version": 1, "name": "combined", "batch": {"interval": "1s"},
            "sources": {"log": {"type": "files", "dir": part.folder,
                                **(log_format or {"format": "combined"})}},
            "streams": {
                "result": {"from": "log", "group_by": ["status", "path"],
                           "aggregate": {"n": "count()"}}},
            "sinks": {"out": {"from": "result", "type": "file", "dir": "out", "format": "csv"}}}


VARIANTS = {"dstream, format regex": lambda part: app(part, {
    "format": "regex", "schema": {"status": "int"},
    "regex": r'^\S+ \S+ \S+ \[[^]]*\] "\S+ (?<path>\S+) \S+" (?<status>\d+) '})}
