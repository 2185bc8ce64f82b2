"""Dead letters: every bad record is in their file once, with its reason and place, so that it can be
had again; from every source, whoever dies, however many there are."""
import base64
import json
import os
import random
import shutil
import time

import scenario
from scenario import DATA, DONE, IO_ERROR, UNAVAILABLE, WRONG_APP, read

DEAD = {"on_error": "dead_letter"}


class Letters(scenario.Scenario):
    def dead_app(self, source, streams=None, sinks=None, **more):
        more = {"dead_letters": "dead", "interval": "20ms", **more}
        return self.app({"in": {**source, **DEAD}}, streams,
                        sinks or {"log": {"from": list(streams or {"in": 0})[-1], "type": "append",
                                          "path": "log"}}, **more)

    def letters(self, name="dead"):
        """All letters, but for a last one that is being written."""
        text = read(self.path(name), "")
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def record(self, letter):
        """The bytes of a record."""
        if "base64" in letter:
            self.assertIn("\ufffd", letter["record"])
            return base64.b64decode(letter["base64"], validate=True)
        return letter["record"].encode()

    def rows(self, name="log"):
        return [json.loads(line) for line in read(self.path(name), "").split("\n")[:-1]]

    def until_letters(self, run, n):
        run.until(lambda: len(self.letters()) >= n, "%d letters" % n)


class Reasons(Letters):
    SCHEMA = {"n": "int", "s": "string"}
    CSV = (("1,a", None), ("x,a", "type"), ("2", "fields"), ("3,b,c", "fields"), ("", None),
           ("99999999999999999999,a", "range"), ('4,"open', "syntax"), ("9" * 90, "too_long"),
           ("5,b", None))

    def give(self, via, text, source, **more):
        if via == "files":
            self.write("in/data", text)
            return self.run_now(self.dead_app({"type": "files", "dir": "in", **source}, **more))
        if via == "stdin":
            return self.run_now(self.dead_app({"type": "stdin", **source}, **more), text=text)
        port = self.free_port()
        run = self.start(self.dead_app(
            {"type": "socket", "listen": "127.0.0.1:%d" % port, **source}, **more))
        self.send(port, text)
        run.until(lambda: run.last().get("rows_in", 0) + run.last().get("bad_records", 0) >=
                  text.count("\n") - text.count("\n\n"), "all is read")
        return run.stop()

    def test_every_source_of_records(self):
        text = "".join(record + "\n" for record, _ in self.CSV)
        bad = [(record, reason) for record, reason in self.CSV if reason]
        for via in ("files", "stdin", "socket"):
            with self.subTest(via=via):
                for name in ("log", "dead"):
                    self.write(name, "")
                run = self.give(via, text, {"format": "csv", "schema": self.SCHEMA},
                                limits={"record": "80B"})
                letters = self.letters()
                self.assertEqual([(r["record"], r["reason"]) for r in letters],
                                 [(record[:80], reason) for record, reason in bad])
                numbers = [i + 1 for i, pair in enumerate(self.CSV) if pair[1]]
                offset, offsets = 0, []
                for record, reason in self.CSV:
                    if reason:
                        offsets.append(offset)
                    offset += len(record) + 1
                for letter, number, offset in zip(letters, numbers, offsets):
                    place = {"file": "in/data", "offset": offset} if via == "files" else \
                        {"record": number}
                    self.assertEqual(letter["position"], place)
                    self.assertEqual(letter["source"], "in")
                    self.assertEqual("length" in letter, letter["reason"] == "too_long")
                    self.assertNotIn("base64", letter)
                self.assertEqual(self.rows(), [{"n": 1, "s": "a"}, {"n": 5, "s": "b"}])
                self.assertEqual(run.last()["dead_letters"], len(bad))
                self.assertEqual(run.last()["bad_records"], len(bad))
                self.assertEqual(run.last()["rows_out"], 2)  # letters are no rows

    def test_json_and_bytes_that_are_no_text(self):
        records = [b'{"n":1}', b'{"n":"x"}', b'[]', b'{"n":1,"s":"\xff\xfe"}', b'{"s":"\\u0000"}',
                   b'{"s":"\\ud800"}', b'\x00\x80', "{\"n\":\"ä\u2028😀\"}".encode(), b'"\\"']
        self.give("stdin", b"\n".join(records), {"format": "json", "schema": self.SCHEMA})
        letters = self.letters()
        self.assertEqual([self.record(letter) for letter in letters], records[1:])
        self.assertEqual([letter["reason"] for letter in letters],
                         ["type", "syntax", "encoding", "encoding", "encoding", "encoding",
                          "type", "syntax"])

    def test_other_formats(self):
        for source, good, bad in (
                ({"format": "combined"}, '1.1.1.1 - - [01/Jan/2026:00:00:00 +0000] "GET / X" 200 5',
                 "no log line"),
                ({"format": "logfmt", "schema": {"n": "int"}}, "n=1", "n=x"),
                ({"format": "regex", "regex": "^(?<n>[0-9]+)$"}, "17", "a17")):
            with self.subTest(format=source["format"]):
                for name in ("log", "dead"):
                    self.write(name, "")
                self.give("files", "%s\n%s\n" % (good, bad), source)
                self.assertEqual([letter["record"] for letter in self.letters()], [bad])
                self.assertEqual(len(self.rows()), 1)

    def test_headers(self):
        self.write("in/a", "s,n\nx,1\ny,z\n")
        self.write("in/b", "s,m\nx,1\ny,2\n")
        self.run_now(self.dead_app({"type": "files", "dir": "in", "format": "csv", "header": True,
                                    "schema": self.SCHEMA}))
        self.assertEqual([(r["reason"], r["header"], r["record"], r["position"]["file"])
                          for r in self.letters()],
                         [("type", "s,n", "y,z", "in/a"), ("header", "s,m", "x,1", "in/b"),
                          ("header", "s,m", "y,2", "in/b")])

    def test_records_of_all_lengths(self):
        # The beginning of each is there, wherever blocks and pieces end.
        generator = random.Random(1)
        records = ["%d:" % i + "x" * generator.choice((1, 50, 97, 98, 99, 150, 5000, 70000))
                   for i in range(150)]
        text = "".join(record + "\n" for record in records)
        for via in ("files", "stdin"):
            with self.subTest(via=via):
                for name in ("log", "dead"):
                    self.write(name, "")
                run = self.give(via, text, {"format": "csv", "schema": {"n": "int"}},
                                limits={"record": "100B", "block": "3000B"})
                letters = self.letters()
                self.assertEqual([letter["record"] for letter in letters],
                                 [record[:100] for record in records])
                for letter, record in zip(letters, records):
                    if len(record) > 100:
                        self.assertEqual(letter["reason"], "too_long")
                        self.assertTrue(100 < letter["length"] <= len(record), letter)
                        self.assertGreater(letter["length"], 100)
                self.assertEqual(run.last()["bad_records"], len(records))

    def test_what_was_wrong_can_be_mended_and_read_again(self):
        text = "1,a\nx,b\n3,c\nn o,d\n"
        self.give("files", text, {"format": "csv", "schema": self.SCHEMA})
        mended = "".join(letter["record"].replace("x", "2").replace("n o", "4") + "\n"
                         for letter in self.letters())
        self.write("in/mended", mended)
        os.remove(self.path("in/data"))
        self.run_now(self.dead_app({"type": "files", "dir": "in", "format": "csv",
                                    "schema": self.SCHEMA}))
        self.assertEqual(sorted(row["n"] for row in self.rows()), [1, 2, 3, 4])

    def test_letters_are_a_source(self):
        # A second app reads them: `record` is always a string, `row` always an object.
        self.give("files", "1\nx\n2,3\n9223372036854775807\n", {"format": "csv",
                                                             "schema": {"n": "int"}},
                  streams={"more": {"from": "in", "select": {"m": "n + 1"}}})
        self.write("letters/0", read(self.path("dead")))
        app = self.app({"dead": {"type": "files", "dir": "letters", "format": "json", "schema": {
            "record": "string", "reason": "string", "n": {"type": "int", "path": "row.n"}}}},
            {"by": {"from": "dead", "group_by": ["reason"],
                    "aggregate": {"c": "count()", "r": "count(record)", "n": "max(n)"}}},
            name="second")
        run = self.run_now(app)
        self.assertRows(run.rows(), [{"reason": "type", "c": 1, "r": 1, "n": None},
                                     {"reason": "fields", "c": 1, "r": 1, "n": None},
                                     {"reason": "overflow", "c": 1, "r": 0,
                                      "n": 9223372036854775807}])


class OtherSources(Letters):
    def test_a_tail(self):
        self.write("log.txt", "1\nx\n", aside=False)
        run = self.start(self.dead_app({"type": "tail", "path": "log.txt", "format": "csv",
                                        "start_at": "beginning", "schema": {"n": "int"}}))
        self.until_letters(run, 1)
        with open(self.path("log.txt"), "a") as file:
            file.write("2\n3,y\n")
        self.until_letters(run, 2)
        run.stop()
        self.assertEqual([(r["position"]["offset"], r["record"]) for r in self.letters()],
                         [(2, "x"), (6, "3,y")])
        self.assertIn("log.txt", self.letters()[0]["position"]["file"])
        self.assertEqual([row["n"] for row in self.rows()], [1, 2])

    def test_a_table(self):
        # Once for each load, however many executors and batches use it.
        self.write("t", "1,a\nx,b\n9223372036854775807,c\n2\n")
        app = self.app(
            {"q": {"type": "rate", "rows_per_second": 200},
             "t": {"type": "table", "path": "t", "format": "csv", "reload": "50ms", **DEAD,
                   "schema": {"k": "int", "s": "string"}}},
            {"more": {"from": "t", "select": {"k": "k + 1", "s": "s"}},
             "both": {"from": "q", "join": {"with": "more", "on": {"value": "k"}}}},
            {"log": {"from": "both", "type": "append", "path": "log"}}, interval="20ms",
            dead_letters="dead", checkpoint={"dir": "state"})
        for restart in (False, True):
            self.write("dead", "")
            run = self.start(app, "--executors", "3")
            self.until_letters(run, 3)
            run.until_batches(run.last().get("batches", 0) + 5)
            letters = self.letters()
            self.assertEqual([(r["reason"], r.get("position"), r.get("record"), r.get("row"))
                              for r in letters],
                             [("type", {"file": "t", "record": 2}, "x,b", None),
                              ("fields", {"file": "t", "record": 4}, "2", None),
                              ("overflow", None, None, {"k": 9223372036854775807, "s": "c"})])
            self.write("t", "1,a\nz,b\n")
            self.until_letters(run, 4)
            self.assertEqual(self.letters()[3]["record"], "z,b")
            self.write("t", "1,a\nx,b\n9223372036854775807,c\n2\n")
            self.until_letters(run, 7)
            run.stop()
            self.assertEqual(len(self.letters()), 7)

    def test_a_table_without_other_input(self):
        self.write("t", "1\nx\n")
        app = self.app(
            {"in": {"type": "stdin", "format": "csv", "schema": {"k": "int"}},
             "t": {"type": "table", "path": "t", "format": "csv", "schema": {"k": "int"}, **DEAD}},
            {"both": {"from": "in", "join": {"with": "t", "on": ["k"]}}},
            {"log": {"from": "both", "type": "append", "path": "log"}}, dead_letters="dead")
        self.run_now(app)
        self.assertEqual([r["record"] for r in self.letters()], ["x"])

    def test_functions_of_a_table(self):
        functions = {"low": {"args": ["int"], "returns": "int",
                             "lua": "function(n) if n > 2 then error('too much') end return n end"}}
        self.write("t", "1\n2\n3\n4\n")
        for on_error, status in (("dead_letter", DONE), ("skip", DONE), ("fail", DATA)):
            with self.subTest(on_error):
                self.write("dead", "")
                app = self.app(
                    {"in": {"type": "queue", "schema": {"k": "int"}, "batches": 5 * [[{"k": 1}]]},
                     "t": {"type": "table", "path": "t", "format": "csv", "schema": {"k": "int"},
                           "on_error": on_error}},
                    {"lows": {"from": "t", "where": "low(k) > 0", "select": {"k": "k"}},
                     "both": {"from": "in", "join": {"with": "lows", "on": ["k"]}}},
                    {"log": {"from": "both", "type": "append", "path": "log"}},
                    functions=functions, **({"dead_letters": "dead"} if on_error == "dead_letter"
                                            else {}))
                run = self.run_now(app, "--executors", "2", status=status)
                if status == DATA:
                    self.assertIn("function low failed: functions.low:1: too much", run.log())
                    continue
                self.assertIn("table t: 2 rows were dropped for an error in a function", run.log())
                self.assertIn("function low: ", run.log())
                self.assertEqual(run.last()["function_rows"], 2)
                self.assertEqual([(r["reason"], r["row"]) for r in self.letters()],
                                 [("function", {"k": 3}), ("function", {"k": 4})]
                                 if on_error == "dead_letter" else [])


class Overflows(Letters):
    BIG = 9223372036854775807

    def test_rows_of_sources_without_records(self):
        # The whole row, from any stage: in the task of the source, and behind a shuffle.
        rows = [{"n": n, "k": "k%d" % (n % 3)} for n in (1, self.BIG, 3)]
        streams = {"more": {"from": "in", "where": "n + 1 > 0", "select": {"n": "n"}},
                   "top": {"from": "in", "group_by": ["k"], "aggregate": {"m": "max(n)"}},
                   "next": {"from": "top", "select": {"k": "k", "m": "m + 1"}}}
        for executors in ("1", "2", "4"):
            for name in ("more", "next", "dead"):
                self.write(name, "")
            run = self.run_now(self.dead_app(
                {"type": "queue", "schema": {"n": "int", "k": "string"}, "batches": [rows, [], rows]},
                streams, {name: {"from": name, "type": "append", "path": name}
                          for name in ("more", "next")}), "--executors", executors)
            letters = self.letters()
            self.assertRows([letter["row"] for letter in letters if letter["stream"] == "more"],
                            2 * [rows[1]])
            self.assertRows([letter["row"] for letter in letters if letter["stream"] == "next"],
                            2 * [{"k": rows[1]["k"], "m": self.BIG}])
            self.assertEqual({letter["reason"] for letter in letters}, {"overflow"})
            self.assertEqual(len(letters), 4)
            self.assertEqual([row["n"] for row in self.rows("more")], [1, 3, 1, 3])
            self.assertEqual(len({letter["time"] for letter in letters}), 2)
            self.assertEqual(run.last()["overflow_rows"], 4)
            self.assertEqual(run.last()["bad_records"], 0)

    def test_the_strictest_source_counts(self):
        queue = {"type": "queue", "schema": {"n": "int"}, "batches": [[{"n": self.BIG}]]}
        streams = {"u": {"from": ["a", "b"], "select": {"n": "n + 1"}}}
        for a, b, status, letters in (("skip", "dead_letter", DONE, 2),
                                      ("dead_letter", "dead_letter", DONE, 2),
                                      ("dead_letter", "fail", DATA, 0)):
            self.write("dead", "")
            app = self.app({"a": {**queue, "on_error": a}, "b": {**queue, "on_error": b}}, streams,
                           dead_letters="dead")
            self.run_now(app, status=status)
            self.assertEqual(len(self.letters()), letters)


class Crashes(Letters):
    LINES = 100

    def add_file(self, i):
        lines = ["%d,a" % (i * self.LINES + k) if k % 3 else "x%d" % (i * self.LINES + k)
                 for k in range(self.LINES)]
        self.write("in/%05d" % i, "".join(line + "\n" for line in lines))

    def test_exactly_once(self):
        for seed, executors in ((1, "2"), (2, "1"), (3, "4")):
            with self.subTest(seed=seed):
                for name in os.listdir(self.dir):
                    shutil.rmtree(self.path(name), ignore_errors=True)
                for name in ("log", "dead"):
                    self.write(name, "")
                self.crashes(random.Random(seed), executors)

    def crashes(self, generator, executors):
        app = self.dead_app({"type": "files", "dir": "in", "format": "csv",
                             "schema": {"n": "int", "s": "string"}}, checkpoint={"dir": "state"},
                            limits={"record": "100B", "block": "300B"})
        os.mkdir(self.path("in"))
        number = 0
        for _ in range(7):
            run = self.start(app, "--executors", executors)
            end = time.monotonic() + generator.uniform(0.05, 0.5)
            while time.monotonic() < end:
                self.add_file(number)
                number += 1
                if generator.random() < 0.05:
                    for pid in run.executors()[:1]:
                        self.kill(pid)
                time.sleep(generator.uniform(0, 0.01))
            run.kill()
        self.run_now(app, "--executors", executors)
        bad = [int(letter["record"][1:]) for letter in self.letters()]
        good = [row["n"] for row in self.rows()]
        everything = range(number * self.LINES)
        self.assertEqual(bad, [n for n in everything if n % self.LINES % 3 == 0])
        self.assertEqual(good, [n for n in everything if n % self.LINES % 3])
        self.assertEqual([name for name in os.listdir(self.dir) if name.endswith(".dstream")], [])

    def test_very_many(self):
        # All of them are there; the log shows some; memory and time stay what they are.
        n = 200000
        self.write("in/data", "".join("x%d\n" % i for i in range(n)))
        run = self.run_now(self.dead_app({"type": "files", "dir": "in", "format": "csv",
                                          "schema": {"n": "int"}}))
        text = read(self.path("dead"))
        self.assertEqual(text.count("\n"), n)
        letters = self.letters()
        self.assertEqual([letter["record"] for letter in letters[:3] + letters[-3:]],
                         ["x%d" % i for i in (0, 1, 2, n - 3, n - 2, n - 1)])
        self.assertLess(run.log().count("bad record ("), 30)

    def test_very_many_that_are_received(self):
        n = 100000
        text = "".join("x%d\n" % i for i in range(n))
        self.run_now(self.dead_app({"type": "stdin", "format": "csv", "schema": {"n": "int"}}),
                     text=text)
        letters = self.letters()
        self.assertEqual([letter["position"]["record"] for letter in letters],
                         list(range(1, n + 1)))


class Refused(Letters):
    FILES = {"type": "files", "dir": "in"}

    def refuse(self, what, status=WRONG_APP, **more):
        run = self.start(self.dead_app(self.FILES, **more))
        run.wait(status)
        self.assertIn(what, run.log())

    def test_apps(self):
        self.write("in/0", "")
        app = self.app({"in": {**self.FILES, **DEAD}})
        run = self.start(app)
        run.wait(WRONG_APP)
        self.assertIn('needs "dead_letters"', run.log())
        self.refuse("the dead letters go to this file", dead_letters="./log")
        self.refuse("names a folder", dead_letters="log/")
        self.refuse("there is no such folder: make it first", IO_ERROR, dead_letters="none/dead")
        run = self.command("validate", self.app({"in": self.FILES}, dead_letters="dead"))
        self.assertIn("nothing goes there", run.log())
        run = self.command("explain", self.dead_app(self.FILES))
        self.assertIn("dead letters go to dead, from in", run.out())

    def test_two_apps(self):
        self.write("in/0", "a\n")
        first = self.start(self.dead_app(self.FILES))
        first.until(lambda: self.rows(), "it runs")
        second = self.start(self.dead_app(self.FILES, name="other", sinks={
            "screen": {"from": "in", "type": "console"}}))
        second.wait(UNAVAILABLE)
        self.assertIn("the file dead is in use by another dstream", second.log())
        first.stop()

    def test_tests_write_none(self):
        app = self.dead_app({"type": "stdin", "format": "csv", "schema": {"n": "int"}}, tests=[
            {"name": "t", "input": [{"in": ["1", "x", "2,3"]}, {"in": ["y"]}],
             "expect": {"in": [[{"n": 1}], []]}, "expect_errors": {"in": 3}}])
        self.command("test", app)
        self.assertFalse(os.path.exists(self.path("dead")))
        self.assertFalse(os.path.exists(self.path(".dead.dstream")))


if __name__ == "__main__":
    scenario.main()
