"""A web server's log through files, stdin and socket, in one batch and in many, over 1, 2 and 4
executors: all equal to what awk says of the same lines.

The log is made here. With the environment variable DSTREAM_WEBLOG naming a real one in Combined
Log Format, the same is done with that one.
"""
import os
import random
import unittest

import scenario
from scenario import awk

EXECUTORS = ("1", "2", "4")
PIECES = 8  # of "many batches": each is sent when the one before it was counted

# Lines that are no records are those without six quotes, for awk.
GOOD = 'BEGIN { FS = "\\"" } NF != 7 { next } '
BY_STATUS = GOOD + ('{ split($3, a, " "); n[a[1]]++ } a[2] != "-" { b[a[1]] += a[2]; k[a[1]]++ }'
                    'END { for (s in n) printf "%s %d %s\\n", s, n[s], k[s] ? sprintf("%.0f", b[s])'
                    ' : "null" }')
BY_PATH = GOOD + ('split($2, r, " ") == 3 { n[r[2]]++; next } { other++ }'
                  'END { for (p in n) print n[p], p; if (other) print other }')
BY_MINUTE = GOOD + (
    '{ split($1, a, "["); t = a[2]; m = (index("JanFebMarAprMayJunJulAugSepOctNovDec",'
    ' substr(t, 4, 3)) + 2) / 3; n[sprintf("%s-%02d-%sT%s:00Z", substr(t, 8, 4), m,'
    ' substr(t, 1, 2), substr(t, 13, 5))]++ } END { for (t in n) print t, n[t] }')
WORDS = "{ for (i = 1; i <= NF; i++) n[$i]++ } END { for (w in n) print n[w], w }"


def make_log(n_lines=6000, seed=20):
    """Lines with the skew of a real log, some of them odd, four of them bad."""
    generator = random.Random(seed)
    paths = ["/", "/index.html", "/a", "/\u00fcber", "/search?q=%20x&y"] + [
        "/page/%d" % i for i in range(300)]
    agents = ["Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101", "curl/7.88.1", "-", "bot \u00e9"]
    lines, second = [], 0
    for i in range(n_lines):
        second += generator.choice((0, 0, 1, 5))
        time = "%02d/Feb/2026:%02d:%02d:%02d +0000" % (
            20 + second // 86400, second // 3600 % 24, second // 60 % 60, second % 60)
        path = paths[min(int(generator.paretovariate(0.9)) - 1, len(paths) - 1)]
        request = generator.choices(("GET %s HTTP/1.1" % path, "POST %s HTTP/2" % path, "-",
                                     "GET /old-and-simple"), (90, 8, 1, 1))[0]
        status = generator.choices((200, 304, 404, 500, 301), (80, 8, 7, 2, 3))[0]
        size = "-" if status == 304 else "%d" % generator.expovariate(1e-4)
        lines.append('10.0.%d.%d - %s [%s] "%s" %d %s "%s" "%s"' % (
            generator.randrange(4), generator.randrange(200), generator.choice(("-", "frank")),
            time, request, status, size, generator.choice(("-", "http://example.org/")),
            generator.choice(agents)))
    for place in (10, 2000, 2001, n_lines - 1):  # cut short: the agent has no end
        lines[place] = lines[place][:-1]
    return ("\n".join(lines) + "\n").encode()


class Weblog(scenario.Scenario):
    log = staticmethod(make_log)

    def setUp(self):
        super().setUp()
        self.data = self.log()
        path = os.path.join(self.outside, "oracle.log")
        with open(path, "wb") as file:
            file.write(self.data)
        self.lines = self.data.count(b"\n")
        self.bad_lines = self.lines - len(awk(GOOD + "{ print }", path))
        self.status = {}
        for line in awk(BY_STATUS, path):
            status, n, size = line.split()
            self.status[int(status)] = (int(n), None if size == "null" else int(size))
        self.paths = {}
        for line in awk(BY_PATH, path):
            n, _, name = line.partition(" ")
            self.paths[name or None] = int(n)
        self.minutes = {t: int(n) for t, n in (line.split() for line in awk(BY_MINUTE, path))}
        self.words = {word: int(n) for n, word in
                      (line.split(" ", 1) for line in awk(WORDS, path))}

    # ---- the apps ----

    def combined_app(self, source):
        streams = {
            "status": {"from": "log", "group_by": ["status"],
                       "aggregate": {"n": "count()", "bytes": "sum(bytes)"}},
            "paths": {"from": "log", "group_by": ["path"], "aggregate": {"n": "count()"}},
            "top": {"from": "paths", "where": "path is not null", "order_by": "n desc",
                    "limit": 10},
            "minutes": {"from": "log", "select": {"minute": "date_trunc('minute', time)"},
                        "group_by": ["minute"], "aggregate": {"n": "count()"}}}
        return self.app({"log": {**source, "format": "combined"}}, streams,
                        {name: {"from": name, "type": "file", "dir": "${OUT}/" + name}
                         for name in streams}, name="combined", interval="20ms")

    def words_app(self, source):
        streams = {"words": {"from": "log", "flat_map": {"word": "split(line)"},
                             "group_by": ["word"], "aggregate": {"n": "count()"}}}
        return self.app({"log": source}, streams,
                        {"words": {"from": "words", "type": "file", "dir": "${OUT}/words"}},
                        name="words", interval="20ms")

    # ---- how the lines come ----

    def pieces(self, many):
        if not many:
            return [self.data]
        lines = self.data.splitlines(keepends=True)
        size = -(-len(lines) // PIECES)
        return [b"".join(lines[i:i + size]) for i in range(0, len(lines), size)]

    def records(self, run):
        last = run.last()
        return last.get("rows_in", 0) + last.get("bad_records", 0)

    def feed(self, run, many, write):
        sent = 0
        for piece in self.pieces(many):
            write(piece)
            sent += piece.count(b"\n")
            run.until(lambda: self.records(run) >= sent, "%d records are counted" % sent)

    def through_files(self, make_app, many, executors, out):
        folder = os.path.join(out, "in")
        app = make_app({"type": "files", "dir": folder})
        os.makedirs(self.path(folder))
        run = self.start(app, "--executors", executors, env={"OUT": out})
        number = iter(range(1000))
        self.feed(run, many, lambda piece: self.write("%s/%03d" % (folder, next(number)), piece))
        return run.stop()

    def through_stdin(self, make_app, many, executors, out):
        app = make_app({"type": "stdin"})
        pipe, into = os.pipe()
        run = self.start(app, "--executors", executors, env={"OUT": out}, stdin=pipe)
        os.close(pipe)
        with os.fdopen(into, "wb", buffering=0) as file:
            def write_all(piece):
                while piece:
                    piece = piece[file.write(piece):]
            self.feed(run, many, write_all)
        run.wait()
        return run

    def through_connect(self, make_app, many, executors, out):
        server, port = self.server()
        app = make_app({"type": "socket", "connect": "127.0.0.1:%d" % port})
        run = self.start(app, "--executors", executors, env={"OUT": out})
        self.feed(run, many, self.accept(server).sendall)
        return run.stop()

    def through_listen(self, make_app, many, executors, out):
        port = self.free_port()
        app = make_app({"type": "socket", "listen": "127.0.0.1:%d" % port})
        run = self.start(app, "--executors", executors, env={"OUT": out})
        client = self.connect(port)
        self.feed(run, many, client.sendall)
        client.close()
        return run.stop()

    # ---- the comparison ----

    def added_up(self, dir, key, *values):
        """{key: sums} over all output times."""
        sums = {}
        for row in self.collect_rows(dir):
            at = sums.setdefault(row[key], [None] * len(values))
            for i, name in enumerate(values):
                if row[name] is not None:
                    at[i] = (at[i] or 0) + row[name]
        return {k: v[0] if len(values) == 1 else tuple(v) for k, v in sums.items()}

    def check(self, through):
        for many in (False, True):
            for executors in EXECUTORS:
                out = "out-%s-%s" % (many, executors)
                run = through(self.combined_app, many, executors, out + "/c")
                self.assertEqual(run.last()["bad_records"], self.bad_lines)
                self.assertEqual(run.last()["rows_in"], self.lines - self.bad_lines)
                self.assertEqual(run.last()["driver_bytes"], 0)
                self.assertEqual(run.last()["retries"], 0)
                self.assertEqual(self.added_up(out + "/c/status", "status", "n", "bytes"),
                                 self.status)
                self.assertEqual(self.added_up(out + "/c/paths", "path", "n"), self.paths)
                self.assertEqual(self.added_up(out + "/c/minutes", "minute", "n"), self.minutes)
                times = self.folders(out + "/c/top")
                if len(times) == 1:
                    named = {p: n for p, n in self.paths.items() if p is not None}
                    top = sorted(named, key=lambda p: (-named[p], p.encode()))[:10]
                    self.assertEqual(self.collect_rows(out + "/c/top"),
                                     [{"path": p, "n": named[p]} for p in top])
                if many:
                    self.assertGreaterEqual(len(times), PIECES)
                run = through(self.words_app, many, executors, out + "/w")
                self.assertEqual(self.added_up(out + "/w/words", "word", "n"), self.words)
                self.assertEqual(run.last()["rows_in"], self.lines)

    def test_files(self):
        self.check(self.through_files)

    def test_stdin(self):
        self.check(self.through_stdin)

    def test_socket_connect(self):
        self.check(self.through_connect)

    def test_socket_listen(self):
        self.check(self.through_listen)

    def test_top_paths_in_one_batch(self):
        self.write("in/log", self.data)
        app = self.combined_app({"type": "files", "dir": "in"})
        for executors in EXECUTORS:
            out = "top-" + executors
            run = self.run_now(app, "--executors", executors, env={"OUT": out})
            self.assertEqual(run.last()["batches"], 1)
            named = {p: n for p, n in self.paths.items() if p is not None}
            top = sorted(named, key=lambda p: (-named[p], p.encode()))[:10]
            self.assertEqual(self.collect_rows(out + "/top"),
                             [{"path": p, "n": named[p]} for p in top])


@unittest.skipUnless(os.environ.get("DSTREAM_WEBLOG"), "DSTREAM_WEBLOG names no log")
class RealWeblog(Weblog):
    def log(self):
        with open(os.environ["DSTREAM_WEBLOG"], "rb") as file:
            return file.read()


if __name__ == "__main__":
    scenario.main()
