"""Source `files`: what is read, once, in which order, in every format."""
import glob
import json
import os
import random
import shutil

import scenario
from scenario import NO_INPUT, awk


class Folder(scenario.Scenario):
    """Which files of the folder are read, and when."""

    def lines_app(self, **source):
        return self.app({"in": {"type": "files", "dir": "in", **source}})

    def lines(self, run):
        return sorted(row["line"] for row in run.rows())

    def test_names_that_are_passed_over(self):
        for name in ("a", "b.log", ".hidden", "c.tmp", ".d.tmp", "tmp", "e.tmp.log"):
            self.write("in/" + name, name + "\n", aside=False)
        self.write("in/folder/deep", "deep\n")
        run = self.run_now(self.lines_app())
        self.assertEqual(self.lines(run), ["a", "b.log", "e.tmp.log", "tmp"])

    def test_pattern(self):
        for name in ("a.log", "b.log", "a.txt", "log", ".x.log", "y.log.tmp"):
            self.write("in/" + name, name + "\n", aside=False)
        for pattern, names in (("*.log", ["a.log", "b.log"]), ("nothing*", []),
                               ("[ab].*", ["a.log", "a.txt", "b.log"])):
            run = self.run_now(self.lines_app(pattern=pattern))
            self.assertEqual(self.lines(run), names)

    def test_missing_folder(self):
        for options in ((), ("--available-now",)):
            run = self.start(self.lines_app(), *options)
            run.wait(NO_INPUT)
            self.assertIn("cannot open the folder in: No such file or directory", run.log())
            self.assertEqual(run.out(), "")

    def test_a_file_in_place_of_the_folder(self):
        self.write("in", "x\n")
        run = self.start(self.lines_app())
        run.wait(NO_INPUT)
        self.assertIn("Not a directory", run.log())

    def test_an_empty_folder(self):
        os.mkdir(self.path("in"))
        self.assertEqual(self.run_now(self.lines_app()).out(), "")
        run = self.start(self.lines_app())
        run.until_executors(2)
        self.write("in/a", "1\n")
        run.until(lambda: self.lines(run) == ["1"], "the file is read")
        run.stop()

    def test_files_that_appear_later(self):
        self.write("in/first", "1\n")
        run = self.start(self.lines_app())
        run.until(lambda: self.lines(run) == ["1"], "the first file is read")
        self.write("in/second", "2\n")
        run.until(lambda: self.lines(run) == ["1", "2"], "the second file is read")
        self.write("in/third.tmp", "3\n")
        self.write("in/fourth", "4\n")
        run.until(lambda: self.lines(run) == ["1", "2", "4"], "the fourth file is read")
        os.rename(self.path("in/third.tmp"), self.path("in/third"))
        run.until(lambda: self.lines(run) == ["1", "2", "3", "4"], "the renamed file is read")
        run.stop()

    def test_each_file_once(self):
        self.write("in/a", "1\n")
        run = self.start(self.lines_app())
        run.until(lambda: self.lines(run) == ["1"], "the file is read")
        with open(self.path("in/a"), "a") as file:
            file.write("more\n")  # growing files are another source's
        self.write("in/b", "2\n")
        run.until(lambda: "2" in self.lines(run), "the second file is read")
        self.write("in/a", "another file of that name\n")
        self.write("in/c", "3\n")
        run.until(lambda: "3" in self.lines(run), "the third file is read")
        run.stop()
        self.assertEqual(self.lines(run), ["1", "2", "3"])

    def test_new_files_only(self):
        # The ticks of a second source tell that the folder was listed.
        self.write("in/old", "old\n")
        app = self.app({"in": {"type": "files", "dir": "in", "new_files_only": True},
                        "ticks": {"type": "rate", "rows_per_second": 100}},
                       {"no_ticks": {"from": "ticks", "where": "false"}},
                       {"screen": {"from": "in", "type": "console"},
                        "nothing": {"from": "no_ticks", "type": "file", "dir": "nothing"}})
        run = self.start(app)
        run.until_batches(2)
        self.write("in/new", "new\n")
        run.until(lambda: self.lines(run) == ["new"], "the new file is read")
        run.stop()
        self.assertEqual(self.lines(run), ["new"])
        self.assertFalse(os.path.exists(self.path("nothing")), "no folder without rows")

    def test_the_folder_vanishes_and_comes_back(self):
        self.write("in/a", "1\n")
        run = self.start(self.lines_app())
        run.until(lambda: self.lines(run) == ["1"], "the file is read")
        shutil.rmtree(self.path("in"))
        run.until_log("cannot open the folder in")
        self.write("in/b", "2\n")
        run.until(lambda: self.lines(run) == ["1", "2"], "the second file is read")
        run.stop()
        self.assertEqual(run.log().count("cannot open the folder in"), 1)


class Bytes(scenario.Scenario):
    """Every byte of every file, whatever the sizes."""

    def counted(self, n_lines, executors=2, **limits):
        """Counts, sums and orders the lines of in/: records are numbers from 0."""
        app = self.app(
            {"in": {"type": "files", "dir": "in", "format": "csv", "schema": {"n": "int"}}},
            {"all": {"from": "in", "aggregate": {
                "rows": "count()", "distinct": "count_distinct(n)", "least": "min(n)",
                "most": "max(n)", "sum": "sum(n)"}},
             "total": {"from": "all", "where": "rows > 0"}},
            {"out": {"from": "total", "type": "file", "dir": "out"}},
            executors={"count": executors}, limits=limits)
        run = self.run_now(app)
        rows = self.collect_rows()
        shutil.rmtree(self.path("out"))
        self.assertEqual(sum(row["rows"] for row in rows), n_lines)
        self.assertEqual(sum(row["distinct"] for row in rows), n_lines)
        self.assertEqual(sum(row["sum"] for row in rows), n_lines * (n_lines - 1) // 2)
        self.assertEqual(run.last()["rows_in"], n_lines)
        self.assertEqual(run.last()["bad_records"], 0)
        return run

    def test_many_small_files(self):
        for i in range(2000):
            self.write("in/%04d.csv" % i, "%d\n" % i, aside=False)
        run = self.counted(2000)
        self.assertEqual(run.last()["batches"], 1)

    def test_a_file_of_many_blocks(self):
        generator = random.Random(1)
        lines = ["%d" % i for i in range(150000)]
        generator.shuffle(lines)
        self.write("in/big.csv", "\n".join(lines))  # the last record has no end
        for block in ("64KiB", "128KiB", "4MiB"):
            for executors in (1, 2):
                self.counted(150000, executors, block=block)

    def test_more_than_a_batch_takes(self):
        # A batch takes a bounded number of bytes; the rest is for the batches after it.
        # Holes in sparse files are NULs without line ends, which makes records cheap: each file
        # has one too long record in its hole, and one good one behind it.
        for i in range(3):
            with open(self.write("in/%d" % i, b""), "r+b") as file:
                file.truncate(120 << 20)
                file.seek(0, os.SEEK_END)
                file.write(b"\ngood\n")
        app = self.app({"in": {"type": "files", "dir": "in"}},
                       {"n": {"from": "in", "aggregate": {"n": "count()"}},
                        "some": {"from": "n", "where": "n > 0"}})
        run = self.run_now(app)
        self.assertEqual(sum(row["n"] for row in run.rows()), 3)
        self.assertEqual(run.bad("too_long"), 3)
        self.assertEqual(run.last()["batches"], 2)

    def test_ends_of_lines(self):
        self.write("in/1", b"a\r\nb\n\n \t\r\nc\rd\r\n")
        self.write("in/2", b"no end")
        self.write("in/3", b"\n")
        self.write("in/4", b"")
        self.write("in/5", b"cr at the end\r")
        app = self.app({"in": {"type": "files", "dir": "in"}},
                       {"l": {"from": "in", "aggregate": {"l": "collect_list(line)"}}})
        lines = self.run_now(app).rows()[0]["l"]
        self.assertEqual(lines, ["a", "b", "", " \t", "c\rd", "no end", "", "cr at the end\r"])

    def test_the_order_of_records(self):
        # By name of the source, then of the file, then by position, whoever read it.
        expected = []
        for name in ("a", "b", "c"):
            lines = ["%s%06d" % (name, i) for i in range(5000)]
            self.write("in/" + name, "\n".join(lines) + "\n")
            expected += lines
        for executors in ("1", "2", "4"):
            app = self.app({"in": {"type": "files", "dir": "in"}},
                           {"l": {"from": "in", "aggregate": {
                               "l": "collect_list(line)", "first": "first(line)",
                               "last": "last(line)"}}},
                           limits={"record": "1KiB", "block": "4KiB"})
            row = self.run_now(app, "--executors", executors).rows()[0]
            self.assertEqual(row["l"], expected)
            self.assertEqual((row["first"], row["last"]), (expected[0], expected[-1]))


class Formats(scenario.Scenario):
    def rows_of(self, **source):
        return self.run_now(self.app({"in": {"type": "files", "dir": "in", **source}})).rows()

    def test_json(self):
        self.write("in/a.json", '{"user": {"id": 7}, "ms": 1.5, "tag": "x", "other": [1]}\n'
                   '\n  \t\n{"ms": 2, "tag": null, "ms": 3}\n{"user": 5, "at": '
                   '"2026-01-01T00:00:10.5Z", "ok": true}')
        rows = self.rows_of(format="json", schema={
            "uid": {"type": "int", "path": "user.id"}, "ms": "float", "tag": "string",
            "at": "timestamp", "ok": "bool"})
        nulls = {"uid": None, "ms": None, "tag": None, "at": None, "ok": None}
        self.assertRows(rows, [dict(nulls, uid=7, ms=1.5, tag="x"), dict(nulls, ms=3.0),
                               dict(nulls, at="2026-01-01T00:00:10.5Z", ok=True)])

    def test_csv(self):
        self.write("in/a.csv", '1;"a ""quoted"" ; text";true;2026-01-01T00:00:00Z\n;"";;\n\n'
                   '+3;x;FALSE;\n')
        rows = self.rows_of(format="csv", delimiter=";", schema={
            "n": "int", "s": "string", "b": "bool", "t": "timestamp"})
        self.assertRows(rows, [
            {"n": 1, "s": 'a "quoted" ; text', "b": True, "t": "2026-01-01T00:00:00Z"},
            {"n": None, "s": "", "b": None, "t": None},
            {"n": 3, "s": "x", "b": False, "t": None}])

    def test_csv_header_of_each_file(self):
        self.write("in/1.csv", "n,s\n1,a\n2,b\n")
        self.write("in/2.csv", "other,s,n\nx,c,3\n")
        self.write("in/3.csv", '\n\n"s","n"\r\nd,4')
        self.write("in/4.csv", "n,s\n")
        self.write("in/5.csv", "")
        self.write("in/5b.csv", " \n \t")
        self.write("in/6.csv", "n,x\n5,a\n6,b\n")  # no column s: all of it is bad
        app = self.app({"in": {"type": "files", "dir": "in", "format": "csv", "header": True,
                               "schema": {"s": "string", "n": "int"}}})
        run = self.run_now(app)
        self.assertRows(run.rows(), [{"s": "a", "n": 1}, {"s": "b", "n": 2}, {"s": "c", "n": 3},
                                     {"s": "d", "n": 4}])
        self.assertEqual(run.bad("header"), 2)
        self.assertIn("in/6.csv", run.log())
        self.assertIn('"s"', run.log())

    def test_csv_header_of_a_file_of_many_blocks(self):
        rows = 20000
        for name in ("a", "b"):
            columns = "n,s" if name == "a" else "s,n"
            self.write("in/" + name, columns + "\n" + "".join(
                ("%d,%s\n" if name == "a" else "%d,%s\n") % (i, i) for i in range(rows)))
        app = self.app({"in": {"type": "files", "dir": "in", "format": "csv", "header": True,
                               "schema": {"s": "string", "n": "int"}}},
                       {"n": {"from": "in", "aggregate": {
                           "n": "count()", "sum": "sum(n)",
                           "right": "count() filter (where cast(s as int) = n)"}}},
                       limits={"record": "1KiB", "block": "16KiB"})
        run = self.run_now(app)
        self.assertEqual(run.rows(), [{"n": 2 * rows, "sum": rows * (rows - 1),
                                       "right": 2 * rows}])
        self.assertEqual(run.last()["bad_records"], 0)

    def test_combined(self):
        self.write("in/a.log", "\n".join((
            '10.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a?b=1 HTTP/1.0" 200 2326 '
            '"http://x/\\"y\\"" "Mozilla/4.08 [en]"',
            'h - - [01/Jan/2026:00:00:00 +0000] "-" 408 -',
            'h - - [01/Jan/2026:00:00:00 +0000] "quit" 400 0 "-" "-"')) + "\n")
        rows = self.rows_of(format="combined")
        common = {"ident": None, "user": None, "method": None, "path": None, "protocol": None,
                  "referer": None, "agent": None, "host": "h", "time": "2026-01-01T00:00:00Z"}
        self.assertRows(rows, [
            {"host": "10.0.0.1", "ident": None, "user": "frank", "time": "2000-10-10T20:55:36Z",
             "method": "GET", "path": "/a?b=1", "protocol": "HTTP/1.0", "status": 200,
             "bytes": 2326, "referer": 'http://x/\\"y\\"', "agent": "Mozilla/4.08 [en]"},
            dict(common, status=408, bytes=None), dict(common, status=400, bytes=0)])

    def test_text_is_the_default(self):
        self.write("in/a", "plain\n")
        self.assertEqual(self.rows_of(), [{"line": "plain"}])

    def test_words_equal_awk(self):
        generator = random.Random(7)
        words = ["w%d" % int(generator.paretovariate(0.6)) for _ in range(30000)]
        path = self.write("in/a", "".join(w + generator.choice((" ", "\t", "\n", "  "))
                                          for w in words))
        app = self.app({"in": {"type": "files", "dir": "in"}},
                       {"words": {"from": "in", "flat_map": {"word": "split(line)"}},
                        "n": {"from": "words", "group_by": ["word"],
                              "aggregate": {"n": "count()"}}})
        expected = {w: int(n) for w, n in (line.split() for line in awk(
            "{ for (i = 1; i <= NF; i++) n[$i]++ } END { for (w in n) print w, n[w] }", path))}
        rows = self.run_now(app).rows()
        self.assertEqual({row["word"]: row["n"] for row in rows}, expected)
        self.assertEqual(len(rows), len(expected))
        self.assertEqual(json.dumps(rows[0])[:8], '{"word":')


class Restart(scenario.Scenario):
    """What a driver before gave to a batch, and did not finish."""

    def test_the_folder_is_empty(self):
        # Say its disk is not mounted.
        app = self.app({"in": {"type": "files", "dir": "in"}}, None,
                       {"rows": {"from": "in", "type": "file", "dir": "rows"}},
                       interval="20ms", checkpoint={"dir": "state"}, executors={"count": 1})
        self.write("in/a", "a\n")
        run = self.start(app)
        run.until_rows_in(1)
        scenario.halt(run.until_executors(1)[0])  # tasks wait
        os.mkdir(self.path("new"))
        for name in ("b", "c"):
            self.write("new/" + name, name * 3 + "\n", aside=False)
            os.rename(self.path("new", name), self.path("in", name))
        run.until(lambda: all('/%s"' % name in self.allotted() for name in "bc"), "they are allotted")
        run.kill()
        os.rename(self.path("in"), self.path("disk"))
        os.mkdir(self.path("in"))
        run = self.start(app)
        run.until_log("the file vanished before it was read", 2)
        self.write("in/d", "d\n")
        run.until_rows_in(1)
        shutil.rmtree(self.path("in"))
        os.rename(self.path("disk"), self.path("in"))  # files that were read are not read again
        self.write("in/e", "e\n")
        run.until_rows_in(2)
        run.stop()
        self.assertEqual(sorted(row["line"] for row in self.collect_rows("rows")), ["a", "d", "e"])
        self.assertEqual(run.last()["bytes_lost"], 8)
        self.assertEqual(run.last()["failed_batches"], 0)
        self.assertIn("source in: 8 bytes were gone before they were read", run.log())

    def allotted(self):
        return "".join(scenario.read(name) for name in glob.glob(self.path("state/metadata/*")))


if __name__ == "__main__":
    scenario.main()
