"""As combined, but what a line has is told by a regular expression, as for logs of one's own."""
from workloads import combined

TITLE = "Regex: requests by status and path, with a pattern for lines"
WEIGHT = 75
UNIT, MERGE, SIZES, TIMES = combined.UNIT, combined.MERGE, combined.SIZES, combined.TIMES
BY_FIELDS = "mawk by fields"
GOALS = {"mawk": 5, BY_FIELDS: 5}
PATTERN = r'^\S+ \S+ \S+ \[[^]]*\] "\S+ (?<path>\S+) \S+" (?<status>\d+) '

CEILING = ["combined"]
DUCKDB_SHARE = 0.5
SPARK = ["dstream", "structured"]
# It has no groups: what is between the blanks of what fits is cut out.
MAWK = {"mawk": r"""match($0, /"[^ ]+ [^ ]+ [^ ]+" [0-9]+ /) {
                      split(substr($0, RSTART, RLENGTH), f, " "); c[f[4] "," f[2]]++}
                    END{for(k in c) printf "%s,%d\n", k, c[k]}""",
        BY_FIELDS: combined.MAWK}
SQL = r"""SELECT m.status, m.path, count(*) FROM (
            SELECT regexp_extract(line, '^\S+ \S+ \S+ \[[^]]*\] "\S+ (\S+) \S+" (\d+) ',
                                  ['path', 'status']) AS m FROM {lines})
          GROUP BY ALL"""
make = combined.make


def app(part):
    of_format = combined.app(part)
    return {**of_format, "sources": {"log": {
        "type": "files", "dir": part.folder, "format": "regex", "schema": {"status": "int"},
        "regex": PATTERN}}}
