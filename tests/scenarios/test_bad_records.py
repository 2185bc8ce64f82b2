"""Bad records: counted by reason, logged at a limited rate with source and position, never a
crash, never a silent drop; "on_error": "fail" ends with 65."""
import scenario
from scenario import DATA

SCHEMA = {"n": "int", "f": "float", "b": "bool", "t": "timestamp", "s": "string"}


class Bad(scenario.Scenario):
    def one_source(self, source, text, status=0, via="files", limits=None, streams=None,
                   interval="100ms"):
        """Runs text through a source to its end."""
        if isinstance(text, str):
            text = text.encode("utf-8", "surrogateescape")
        if via == "files":
            self.write("in/data", text)
            where = {"type": "files", "dir": "in"}
        elif via == "stdin":
            where = {"type": "stdin"}
        else:
            server, port = self.server()
            where = {"type": "socket", "connect": "127.0.0.1:%d" % port}
        app = self.app({"in": {**where, **source}}, streams, limits=limits or {},
                       interval=interval)
        if via == "stdin":
            return self.run_now(app, text=text, status=status)
        run = self.start(app, "--available-now")
        if via == "socket":
            def send():
                peer = self.accept(server)
                try:
                    peer.sendall(text)
                except OSError:
                    pass  # the app has ended
                peer.close()
            self.background(send)
        run.wait(status)
        return run

    def assertBad(self, run, **expected):
        reasons = {name: n for name, n in run.source()["bad"].items() if n}
        self.assertEqual(reasons, expected)
        self.assertEqual(run.last()["bad_records"], sum(expected.values()))


class Reasons(Bad):
    def test_json(self):
        good = '{"n": 1, "f": 2, "b": true, "t": "2026-01-01T00:00:00Z", "s": "x"}'
        bad = {
            "syntax": ['{"n": 1', '{"n": 1}}', '[1]', '1', 'null', '{n: 1}', "{'n': 1}",
                       '{"n": 01}', '{"n": 1,}', '{"s": "\t"}', '{"n": 1} x', '{"s": "\\q"}',
                       '{"n": NaN}',
                       '{"unknown": [1, }'],
            "type": ['{"n": "5"}', '{"n": 1.0}', '{"n": 1e3}', '{"s": 5}', '{"b": "true"}',
                     '{"f": "1"}', '{"n": {"x": 1}}', '{"s": ["x"]}', '{"n": true}'],
            "range": ['{"n": 9223372036854775808}', '{"f": 1e400}'],
            "encoding": ['{"s": "\\u0000"}', '{"s": "\\ud800"}', '{"s": "\udc80"}',
                         '{"s": "\0"}'.replace("\0", "\udcc0\udc80")],
        }
        lines = [good]
        for records in bad.values():
            for record in records:
                lines += [record, good]
        run = self.one_source({"format": "json", "schema": SCHEMA}, "\n".join(lines))
        self.assertEqual(len(run.rows()), len(lines) - sum(map(len, bad.values())))
        self.assertEqual(len(set(run.out().splitlines())), 1)
        # Which reason a record is counted under is a matter of taste for some: what is promised
        # is that each is counted once, and that the obvious ones are what they are.
        self.assertEqual(run.last()["bad_records"], sum(map(len, bad.values())))
        self.assertEqual(run.bad("type"), len(bad["type"]))
        self.assertEqual(run.bad("range"), len(bad["range"]))
        self.assertEqual(run.last()["rows_in"], len(lines) - run.last()["bad_records"])
        self.assertEqual(run.source()["replaced_characters"], 0)

    def test_csv(self):
        good = "1,2.5,true,2026-01-01T00:00:00Z,x"
        fields = ["1,2", "1,2.5,true,2026-01-01T00:00:00Z,x,y", "just one"]
        types = ["x,,,,", "1.0,,,,", " 1,,,,", ",1.x,,,", ",,yes,,", ",,,yesterday,", "--1,,,,"]
        ranges = ["9223372036854775808,,,,", ",1e999,,,"]
        syntax = [',,,,a"b', ',,,,"a" b', ',,,,"open', '"1"2,,,,']
        bad = fields + types + ranges + syntax
        text = "\n".join(line for record in bad for line in (record, good))
        run = self.one_source({"format": "csv", "schema": SCHEMA}, text)
        self.assertEqual(len(run.rows()), len(bad))
        self.assertBad(run, fields=len(fields), type=len(types), range=len(ranges),
                       syntax=len(syntax))

    def test_combined(self):
        good = 'h - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 7 "-" "x"'
        bad = ["not a log line", good[:-1], good + " more", good.replace("200", "2x0"),
               good.replace("] ", " "), good.replace("Jan", "Foo"), good.replace('"GET', "GET"),
               good.replace(" 7", " seven"), good.replace("01/", "32/")]
        text = "\n".join(line for record in bad for line in (record, good))
        run = self.one_source({"format": "combined"}, text)
        self.assertEqual(len(run.rows()), len(bad))
        self.assertEqual(run.last()["bad_records"], len(bad))

    def test_logfmt(self):
        good = 'n=1 f=2.5 b=true t=2026-01-01T00:00:00Z s="x \\"y\\""'
        types = ["n=x", "n=1.0", 'n=""', "f=1.x", "b=yes", "t=yesterday", 'n=" 1"']
        ranges = ["n=9223372036854775808", "f=1e999"]
        syntax = ['s="x', 's=x"', 's="x"y', '"s"=x', 'other=x"y', 'other="x']
        bad = types + ranges + syntax
        text = "\n".join(line for record in bad for line in (record, good))
        for streams in (None, {"few": {"from": "in", "select": {"b": "b"}}}):
            run = self.one_source({"format": "logfmt", "schema": SCHEMA}, text, streams=streams)
            self.assertEqual(len(run.rows()), len(bad))
            self.assertBad(run, type=len(types), range=len(ranges), syntax=len(syntax))
        self.assertEqual(set(run.out().splitlines()), {'{"b":true}'})

    def test_regex(self):
        source = {"format": "regex", "schema": {"n": "int"},
                  "regex": r"^(?<user>\w+) (?<n>\S+)(?: (?<note>(?:x+)+))?$"}
        good = "ann 1"
        bad = {"syntax": ["ann", "ann 1 y", " ann 1"], "type": ["ann x", "ann 1.0"],
               "range": ["ann 9223372036854775808"], "match_limit": ["ann 1 " + "x" * 60 + "y"]}
        text = "\n".join(line for records in bad.values() for record in records
                         for line in (record, good))
        for streams in (None, {"few": {"from": "in", "select": {"user": "user"}}}):
            run = self.one_source(source, text, streams=streams)
            self.assertEqual(len(run.rows()), 7)
            self.assertBad(run, **{reason: len(records) for reason, records in bad.items()})
        self.assertEqual(set(run.out().splitlines()), {'{"user":"ann"}'})

    def test_replaced_characters(self):
        text = (b"ok\nnul \0 here\n\xff\xfe\n\xe2\x82\n\xe2\x82x\xf0\x9f\x98\n\xc3\xa4\n"
                b"\xed\xa0\x80\n")
        r = "\ufffd"
        expected = ["ok", "nul %s here" % r, r + r, r, r + "x" + r, "\u00e4", r * 3]
        for via in ("files", "stdin", "socket"):
            run = self.one_source({}, text, via=via)
            self.assertEqual([row["line"] for row in run.rows()], expected)
            self.assertBad(run)
            self.assertEqual(run.source()["replaced_characters"], 9)
        run = self.one_source({"format": "csv", "schema": {"s": "string"}}, text)
        self.assertEqual(sorted(row["s"] for row in run.rows()), sorted(expected))
        self.assertEqual(run.source()["replaced_characters"], 9)

    def test_too_long(self):
        # A record of exactly the limit is good, with \n or \r\n or nothing behind it.
        limit = 1000
        good, bad = "g" * limit, "b" * (limit + 1)
        text = "\n".join([good, bad, "x", good + "\r", bad + "\r", "y" * 5, "b" * 100000, "z",
                          "b" * (1 << 20), good, "", bad, good])
        expected = [good, "x", good, "y" * 5, "z", good, "", good]
        for via in ("files", "stdin", "socket"):
            for block in ("1000B", "4KiB", "4MiB"):
                run = self.one_source({}, text, via=via, limits={"record": "1000B",
                                                                 "block": block},
                                      streams={"l": {"from": "in", "aggregate": {
                                          "l": "collect_list(line)"}},
                                          "m": {"from": "l", "where": "l is not null"}})
                lines = [line for row in run.rows() for line in row["l"]]
                self.assertEqual(lines, expected, (via, block))
                self.assertBad(run, too_long=5)
                self.assertIn("source in:", run.log())

    def test_too_long_at_the_end(self):
        for via in ("files", "stdin", "socket"):
            run = self.one_source({}, "x\n" + "b" * 70000, via=via)
            self.assertEqual([row["line"] for row in run.rows()], ["x"])
            self.assertBad(run, too_long=1)

    def test_a_million_empty_lines(self):
        text = "\n" * 1000000
        count = {"n": {"from": "in", "aggregate": {"n": "count()"}},
                 "some": {"from": "n", "where": "n > 0"}}
        for via in ("files", "stdin", "socket"):
            run = self.one_source({}, text, via=via, streams=count)
            self.assertEqual(sum(row["n"] for row in run.rows()), 1000000)
        for source in ({"format": "json", "schema": {"a": "int"}}, {"format": "combined"},
                       {"format": "csv", "schema": {"a": "int"}},
                       {"format": "csv", "schema": {"a": "int"}, "header": True}):
            for via in ("files", "stdin"):
                run = self.one_source(source, text, via=via, streams=count)
                self.assertEqual(run.out(), "")
                self.assertEqual(run.last().get("bad_records", 0), 0)

    def test_random_bytes(self):
        import random
        data = random.Random(11).randbytes(3 << 20)
        for source in ({}, {"format": "json", "schema": SCHEMA}, {"format": "combined"},
                       {"format": "csv", "schema": SCHEMA},
                       {"format": "csv", "schema": SCHEMA, "header": True}):
            for via in ("files", "stdin"):
                run = self.one_source(source, data, via=via, limits={"record": "300B"},
                                      streams={"n": {"from": "in", "aggregate": {
                                          "n": "count()"}}})
                last = run.last()
                lines = data.count(b"\n") + 1 - (1 if source.get("header") else 0)
                blank = sum(1 for line in data.split(b"\n") if not line.strip()) if source else 0
                self.assertEqual(last["rows_in"] + last["bad_records"], lines - blank,
                                 (source, via))


class Log(Bad):
    def test_position_in_a_file(self):
        text = "1\n2\nnot a number\n3\n"
        run = self.one_source({"format": "csv", "schema": {"n": "int"}}, text)
        self.assertIn("source in: bad record (type): in/data at byte 4", run.log())
        self.assertIn("not a number", run.log())

    def test_position_in_a_stream(self):
        for via in ("stdin", "socket"):
            run = self.one_source({"format": "csv", "schema": {"n": "int"}}, "1\n2\nx\n3\n",
                                  via=via)
            self.assertIn("source in: bad record (type): record 3", run.log())

    def test_limited_rate(self):
        for via in ("files", "stdin", "socket"):
            run = self.one_source({"format": "json", "schema": {"n": "int"}},
                                  "bad record\n" * 200000, via=via)
            self.assertBad(run, syntax=200000)
            batches = run.last()["batches"]
            self.assertLessEqual(run.log().count("bad record ("), 10 * batches)
            self.assertGreaterEqual(run.log().count("bad record ("), 1)

    def test_a_hostile_record_does_not_reach_the_terminal(self):
        run = self.one_source({"format": "json", "schema": {"n": "int"}},
                              b"\x1b]0;owned\x07\x1b[2J\r\xff\n" + b"y" * 5000 + b"\n")
        self.assertEqual(run.last()["bad_records"], 2)
        for character in ("\x1b", "\x07", "\r"):
            self.assertNotIn(character, run.err())
        self.assertLess(max(map(len, run.log().splitlines())), 1000)

    def test_json_log(self):
        import json
        self.write("in/data", b'"quote\\ \x01 \xff\n')
        app = self.app({"in": {"type": "files", "dir": "in", "format": "json",
                               "schema": {"n": "int"}}})
        run = self.run_now(app, "--log-format", "json", "--progress", "none")
        events = [json.loads(line) for line in run.err().splitlines()]
        self.assertTrue(any("bad record" in e["message"] and e["level"] == "warn"
                            for e in events), events)


class Fail(Bad):
    def test_each_format(self):
        for source, text in (
                ({"format": "json", "schema": {"n": "int"}}, '{"n":1}\n{"n":"x"}\n'),
                ({"format": "csv", "schema": {"n": "int"}}, "1\nx\n"),
                ({"format": "csv", "schema": {"n": "int"}, "header": True}, "m\n1\n"),
                ({"format": "combined"}, "nothing\n")):
            for via in ("files", "stdin", "socket"):
                run = self.one_source({**source, "on_error": "fail"}, text, DATA, via)
                self.assertIn("source in: bad record", run.log())

    def test_too_long(self):
        for via in ("files", "stdin", "socket"):
            for length in (100, 5 << 20):  # within a block, and far beyond it
                run = self.one_source({"on_error": "fail"}, "x\n" + "b" * length + "\n", DATA,
                                      via, limits={"record": "99B"})
                self.assertIn("source in: bad record", run.log().splitlines()[-1])
                self.assertIn("limits.record", run.log())

    def test_good_records_do_not_fail(self):
        # Replaced characters and blank lines are no bad records.
        run = self.one_source({"on_error": "fail", "format": "csv", "schema": {"s": "string"}},
                              b"\n \nx\xff\0y\n")
        self.assertEqual([row["s"] for row in run.rows()], ["x\ufffd\ufffdy"])

    def test_overflow(self):
        streams = {"m": {"from": "in", "select": {"m": "n * 2", "t": "n"}}}
        text = "1\n9223372036854775807\n-9223372036854775808\n4\n"
        source = {"format": "csv", "schema": {"n": "int"}}
        for via in ("files", "stdin"):
            run = self.one_source(source, text, via=via, streams=streams)
            self.assertEqual([row["m"] for row in run.rows()], [2, 8])
            self.assertBad(run)
            self.assertEqual(run.last()["overflow_rows"], 2)
            self.assertIn("overflow", run.log())
            run = self.one_source({**source, "on_error": "fail"}, text, DATA, via,
                                  streams=streams)
            self.assertIn("overflow", run.log())

    def test_overflow_in_an_aggregate(self):
        streams = {"m": {"from": "in", "aggregate": {"s": "sum(n)", "n": "count()"}}}
        source = {"format": "csv", "schema": {"n": "int"}, "on_error": "fail"}
        run = self.one_source(source, "9223372036854775807\n1\n", streams=streams)
        self.assertEqual(run.rows(), [{"s": None, "n": 2}])
        self.assertEqual(run.last()["overflow_values"], 1)
        self.assertEqual(run.last()["overflow_rows"], 0)
        self.assertIn("overflow", run.log())
        # A sum adds up in a wider type: only a result that does not fit overflows.
        run = self.one_source(source, "9223372036854775807\n1\n-5\n", streams=streams)
        self.assertEqual(run.rows(), [{"s": 9223372036854775803, "n": 3}])

    def test_the_strictest_of_several_sources(self):
        # A row that was made of rows of several sources overflows.
        source = {"type": "files", "dir": "in", "format": "csv", "schema": {"n": "int"}}
        self.write("in/a", "9223372036854775807\n0\n")
        self.write("in/b", "0\n")
        for fail, status in (("skip", 0), ("fail", DATA)):
            app = self.app({"a": {**source, "pattern": "a"},
                            "b": {**source, "pattern": "b", "on_error": fail}},
                           {"u": {"from": ["a", "b"], "group_by": ["n"],
                                  "aggregate": {"rows": "count()"}},
                            "m": {"from": "u", "select": {"m": "n + rows"}}})
            run = self.run_now(app, status=status)
            if status == 0:
                self.assertEqual(run.rows(), [{"m": 2}])
                self.assertEqual(run.last()["overflow_rows"], 1)


if __name__ == "__main__":
    scenario.main()
