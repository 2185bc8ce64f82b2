"""Tables: whole in every batch, read again when their file changes, kept when it cannot be read."""
import json
import os
import unittest

import scenario
from scenario import DATA, IO_ERROR, NO_INPUT, BUG, WRONG_APP

OFF = {"DSTREAM_SHARED_MEMORY": "off"}
SCHEMA = {"id": "int", "name": "string"}


def people(n, version="a"):
    """A table file, and its rows."""
    rows = [{"id": i, "name": "%s%d%s" % (version, i, "." * (i % 40))} for i in range(n)]
    return "id,name\n" + "".join("%(id)d,%(name)s\n" % row for row in rows), rows


def table(**more):
    return {"type": "table", "path": "people.csv", "format": "csv", "header": True,
            "schema": SCHEMA, **more}


class Tables(scenario.Scenario):
    def whole_app(self, reload=None, **more):
        """A clock, and a table as it is in each batch."""
        return self.app(
            {"people": table(**({"reload": reload} if reload else {})),
             "clock": {"type": "rate", "rows_per_second": 10}},
            None, {"all": {"from": "people", "type": "file", "dir": "out"},
                   "ticks": {"from": "clock", "type": "file", "dir": "ticks"}}, **more)

    def until_folders(self, run, n):
        run.until(lambda: len(self.folders()) >= n, "%d folders" % n)

    # ---- what is in a batch ----

    def test_all_rows_in_every_batch(self):
        text, rows = people(3000)
        self.write("people.csv", text)
        app = self.whole_app(limits={"block": "4KiB", "record": "1KiB"})
        for executors in ("1", "2", "4"):
            run = self.start(app, "--executors", executors)
            self.until_folders(run, 3)
            run.stop()
            for got in self.collect().values():
                self.assertRows(got, rows)
            self.assertGreater(len(self.parts(self.folders()[0])), 4)
            counts = run.source("people")
            self.assertEqual((counts["rows"], counts["table_version"]), (3000, 1))
            for time_ms in self.folders():
                os.rename(self.path("out", str(time_ms)), self.path("done-%s-%d" %
                                                                    (executors, time_ms)))

    def test_copied_over_links(self):
        text, rows = people(3000)
        self.write("people.csv", text)
        run = self.start(self.whole_app(limits={"block": "4KiB", "record": "1KiB"}), env=OFF)
        self.until_folders(run, 3)
        run.stop()
        for got in self.collect().values():
            self.assertRows(got, rows)

    def test_it_goes_with_every_slide(self):
        text, rows = people(3)
        self.write("people.csv", text)
        self.write("in/a", "1\n2\n")
        run = self.run_now(self.app(
            {"people": table(), "in": {"type": "files", "dir": "in"}},
            {"names": {"from": "people", "select": {"what": "name"}},
             "n": {"from": "in", "window": "500ms", "aggregate": {"n": "count()"}},
             "counts": {"from": "n", "select": {"what": "cast(n as string)"}},
             "both": {"from": ["counts", "names"]},
             "groups": {"from": "people", "group_by": ["id"], "aggregate": {"n": "count()"}},
             "held": {"from": "people", "window": "500ms", "aggregate": {"n": "count()"}}},
            {"a": {"from": "both", "type": "file", "dir": "both"},
             "b": {"from": "groups", "type": "file", "dir": "groups"},
             "c": {"from": "held", "type": "file", "dir": "held"}}))
        both = self.collect("both")
        self.assertEqual(len(both), 1)
        self.assertRows([row for got in both.values() for row in got],
                        [{"what": row["name"]} for row in rows] + [{"what": "2"}])
        for got in self.collect("groups").values():
            self.assertRows(got, [{"id": i, "n": 1} for i in range(3)])
        (end, held), = self.collect("held").items()
        batches = len([t for t in self.folders("groups") if t <= end])
        self.assertEqual(held, [{"n": 3 * batches}])

    def test_a_table_alone(self):
        text, rows = people(5)
        self.write("people.csv", text)
        app = self.app({"people": table(reload="10ms")})
        run = self.run_now(app)
        self.assertRows(run.rows(), rows)
        self.assertEqual(run.last()["batches"], 1)
        run = self.start(app) # it does not keep the app alive
        run.wait()
        self.assertRows(run.rows(), rows)

    def test_formats(self):
        cases = [({"format": "text"}, "a\nb\n\n", [{"line": "a"}, {"line": "b"}, {"line": ""}]),
                 ({"format": "json", "schema": {"n": "int", "l": "list<int>"}},
                  '{"n":1,"l":[1,2]}\n{"l":null}\n',
                  [{"n": 1, "l": [1, 2]}, {"n": None, "l": None}]),
                 ({"format": "csv", "delimiter": ";", "schema": SCHEMA}, '1;"x;y"\r\n2;\r\n',
                  [{"id": 1, "name": "x;y"}, {"id": 2, "name": None}]),
                 ({"format": "logfmt", "schema": SCHEMA}, "id=1 name=x\nname=y\n",
                  [{"id": 1, "name": "x"}, {"id": None, "name": "y"}]),
                 ({"format": "regex", "regex": "(?<name>[a-z]+)"}, "1 abc 2\n", [{"name": "abc"}])]
        for keys, text, rows in cases:
            self.write("t", text)
            run = self.run_now(self.app({"t": {"type": "table", "path": "t", **keys}}))
            self.assertEqual(run.rows(), rows)

    def test_an_empty_table(self):
        self.write("people.csv", "id,name\n")
        run = self.run_now(self.app(
            {"people": table()}, {"n": {"from": "people", "aggregate": {"n": "count()"}}}))
        self.assertEqual(run.rows(), [{"n": 0}])

    # ---- reload ----

    def check_versions(self, versions):
        """Each folder holds one version whole, and none comes back. Returns which were seen."""
        known = [scenario.canonical(rows) for rows in versions]
        seen = []
        for got in self.collect().values():
            self.assertIn(scenario.canonical(got), known)
            seen.append(known.index(scenario.canonical(got)))
        self.assertEqual(seen, sorted(seen))
        return sorted(set(seen))

    def until_version(self, run, version):
        """A batch that began with it is out."""
        run.until_log("version %d:" % version)
        self.until_folders(run, len(self.folders()) + 6)

    def check_reload(self, executors, env=None):
        versions = [people(n, v) for n, v in ((1000, "a"), (1200, "b"), (1, "c"), (2000, "d"))]
        self.write("people.csv", versions[0][0])
        run = self.start(self.whole_app("20ms", limits={"block": "4KiB", "record": "1KiB"}),
                         "--executors", executors, env=env)
        for number, (text, _) in enumerate(versions, 1):
            self.write("people.csv", text)
            self.until_version(run, number)
        run.stop()
        self.assertEqual(self.check_versions([rows for _, rows in versions]), [0, 1, 2, 3])
        counts = run.source("people")
        self.assertEqual((counts["table_version"], counts["table_failures"]), (4, 0))
        self.assertEqual(counts["rows"], 4201)
        return run

    def test_reload(self):
        self.check_reload("1")

    def test_reload_with_four_executors(self):
        self.check_reload("4")

    def test_reload_over_links(self):
        self.check_reload("2", OFF)

    def test_a_file_that_is_replaced_all_the_time(self):
        """What is read stood there at one moment, however often others take its place."""
        versions = [people(3000 + 10 * i, "abcdefgh"[i]) for i in range(8)]
        self.write("people.csv", versions[0][0])
        run = self.start(self.whole_app("1ms", limits={"block": "4KiB", "record": "1KiB"}))
        self.until_folders(run, 1)
        for i in range(400):
            self.write("people.csv", versions[i % 8][0])
        self.until_folders(run, 5)
        run.stop()
        known = [scenario.canonical(rows) for _, rows in versions]
        for got in self.collect().values():
            self.assertIn(scenario.canonical(got), known)

    def test_a_file_that_grows(self):
        """A file that is written in place is read again until it stands still."""
        text, rows = people(2000)
        self.write("people.csv", "id,name\n")
        run = self.start(self.whole_app("1ms"))
        with open(self.path("people.csv"), "a", encoding="utf-8") as file:
            for row in rows:
                file.write("%(id)d,%(name)s\n" % row)
                file.flush()
        run.until(lambda: self.folders() and len(self.collect()[self.folders()[-1]]) == 2000,
                  "all of it is there")
        run.stop()
        wanted = scenario.canonical(rows)
        self.assertEqual(scenario.canonical(self.collect()[self.folders()[-1]]), wanted)

    def test_what_did_not_change_is_no_new_version(self):
        text, rows = people(10)
        path = self.write("people.csv", text)
        run = self.start(self.whole_app("10ms"))
        self.until_folders(run, 2)
        os.utime(path)
        self.until_folders(run, 4)
        self.write("people.csv", text)
        self.until_folders(run, 8)
        run.stop()
        self.assertEqual(run.source("people")["table_version"], 1)
        self.check_versions([rows])

    def test_without_reload(self):
        text, rows = people(10)
        self.write("people.csv", text)
        run = self.start(self.whole_app())
        self.until_folders(run, 2)
        os.remove(self.path("people.csv"))
        self.until_folders(run, 6)
        run.stop()
        self.check_versions([rows])
        self.assertNotIn("cannot be read", run.log())

    # ---- a file that is of no use ----

    def test_the_last_good_one_stays(self):
        text, rows = people(10)
        path = self.write("people.csv", text)
        run = self.start(self.whole_app("20ms"))
        self.until_folders(run, 2)
        def fails(what):
            before = run.source("people")["table_failures"]
            what()
            run.until(lambda: run.source("people")["table_failures"] > before + 2, "it fails")
        fails(lambda: os.remove(path))
        run.until_log("table people cannot be read again: cannot open people.csv")
        fails(lambda: os.mkdir(path))
        os.rmdir(path)
        fails(lambda: self.write("people.csv", ""))
        fails(lambda: self.write("people.csv", "name;id\nx;1\n"))
        fails(lambda: self.write("people.csv", os.urandom(4000)))
        fails(lambda: self.write("people.csv", "id,name\nx,y\nz,1\n"))
        again, more = people(20, "b")
        self.write("people.csv", again)
        self.until_version(run, 2)
        run.stop()
        self.assertEqual(self.check_versions([rows, more]), [0, 1])
        self.assertIn("table people can be read again", run.log())
        self.assertLess(run.log().count("cannot be read again"), 20) # but for one in five seconds

    def test_bad_records_are_counted_once_for_each_version(self):
        self.write("people.csv", "id,name\n1,a\nx,b\n2,c,d\n")
        run = self.start(self.whole_app("20ms"))
        self.until_folders(run, 3)
        self.assertEqual((run.bad("type", "people"), run.bad("fields", "people")), (1, 1))
        self.write("people.csv", "id,name\n1,a\nx,b\ny,c\n")
        self.until_version(run, 2)
        run.stop()
        self.assertEqual((run.bad("type", "people"), run.bad("fields", "people")), (3, 1))
        self.check_versions([[{"id": 1, "name": "a"}]])
        self.assertIn("source people: bad record (type): record 3: ", run.log())

    def test_a_bad_record_under_fail(self):
        self.write("people.csv", "id,name\n1,a\n")
        app = self.app({"people": table(on_error="fail", reload="20ms"),
                        "clock": {"type": "rate", "rows_per_second": 10}}, None,
                       {"all": {"from": "people", "type": "file", "dir": "out"},
                        "ticks": {"from": "clock", "type": "file", "dir": "ticks"}})
        run = self.start(app)
        self.until_folders(run, 2)
        self.write("people.csv", "id,name\n1,a\nx,b\n")
        run.wait(DATA)
        self.assertIn("source people: bad record: record 3: ", run.log())
        run = self.start(app)
        run.wait(DATA)

    def test_nothing_to_begin_with(self):
        app = self.whole_app("20ms")
        run = self.start(app)
        run.wait(NO_INPUT)
        self.assertIn("source people: cannot open people.csv: No such file", run.log())
        for content, status, said in (("", DATA, "has no header"), ("a,b\n1,2\n", DATA, "\"id\""),
                                      ("id,name\nx,y\n", DATA, "none of the 1 records")):
            self.write("people.csv", content)
            run = self.start(app)
            run.wait(status)
            self.assertIn(said, run.log())
        os.remove(self.path("people.csv"))
        os.mkdir(self.path("people.csv"))
        run = self.start(app)
        run.wait(IO_ERROR)
        self.assertIn("not a regular file", run.log())

    def test_too_large(self):
        text, _ = people(10)
        self.write("people.csv", text + "7,%s\n" % ("x" * 60000) * 200)
        app = self.whole_app(executors={"count": 2, "memory": "32MiB"},
                             limits={"memory": "64MiB", "block": "1MiB"})
        run = self.start(app)
        run.wait(BUG)
        self.assertRegex(run.log(), "people.csv has [0-9]+ bytes; a table takes at most a quarter of")

    def test_a_wrong_app(self):
        for keys, said in (({"dir": "x"}, "belongs to type files"), ({"reload": "0s"}, "1ms or more"),
                           ({"reload": 5}, "duration"), ({"path": None}, "people.path")):
            app = self.app({"people": {**table(), **keys}})
            run = self.command("validate", app, status=WRONG_APP)
            self.assertIn(said, run.err())

    # ---- loss ----

    def check_kill(self, env):
        text, rows = people(2000)
        self.write("people.csv", text)
        run = self.start(self.whole_app(limits={"block": "4KiB", "record": "1KiB"}), env=env)
        for i in range(4):
            self.until_folders(run, len(self.folders()) + 3)
            self.kill(run.until_executors(2)[i % 2])
            run.until(lambda: run.last().get("executors_lost") == i + 1, "it is noticed")
        run.until_executors(2)
        self.until_folders(run, len(self.folders()) + 3)
        run.stop()
        self.check_versions([rows])
        self.assertEqual(run.last()["failed_batches"], 0)
        return run

    def test_executors_are_killed(self):
        run = self.check_kill(None)
        self.assertEqual(run.log().count("version 1:"), 1) # its bytes are held

    def test_executors_are_killed_whose_memory_is_not_shared(self):
        self.check_kill(OFF)

    # ---- checkpoints ----

    def test_a_person_sees_the_version(self):
        text, rows = people(10)
        self.write("people.csv", text)
        app = self.whole_app("20ms", checkpoint={"dir": "state"})
        run = self.start(app)
        self.until_folders(run, 3)
        other, more = people(20, "b")
        self.write("people.csv", other)
        self.until_version(run, 2)
        run.kill()
        versions = {}
        for name in sorted(os.listdir(self.path("state/metadata"))):
            for line in scenario.read(self.path("state/metadata", name)).splitlines():
                record = json.loads(line)
                if record["record"] == "allotted":
                    versions[record["batch_ms"]] = record["tables"]["people"]
        self.assertEqual({v["version"] for v in versions.values()}, {1, 2})
        for time_ms, got in self.collect().items():
            self.assertEqual(versions[time_ms]["bytes"], len(text if len(got) == 10 else other))
            self.assertEqual(versions[time_ms]["file"], "people.csv")

        third, most = people(30, "c") # what it is when the app goes on
        self.write("people.csv", third)
        run = self.start(app)
        self.until_folders(run, len(self.folders()) + 3)
        run.stop()
        self.assertEqual(self.check_versions([rows, more, most]), [0, 1, 2])
        self.assertGreater(run.source("people")["table_version"], 2)

    # ---- tests in the file ----

    def test_in_file_tests(self):
        app = self.app(
            {"people": table(path="nowhere.csv"), "q": {"type": "queue", "schema": {"n": "int"},
                                                       "batches": []}},
            {"n": {"from": "people", "aggregate": {"n": "count()"}}},
            tests=[
                {"name": "records", "batches": 3,
                 "input": [{"people": ["id,name", "1,a", "x,b", "2,c"]}],
                 "expect": {"n": [[{"n": 2}]] * 3, "people": [[{"id": 1}, {"id": 2}]] * 3},
                 "expect_errors": {"people": 1}},
                {"name": "rows", "batches": 2, "input": [{"people": [{"id": 7, "name": "x"}]}],
                 "expect": {"people": [[{"id": 7, "name": "x"}]] * 2}},
                {"name": "none", "batches": 1, "expect": {"n": [[{"n": 0}]]}}])
        run = self.command("test", app)
        self.assertEqual(run.out().count("ok") + run.err().count("ok"), 3)

    def test_in_a_test_a_table_is_given_at_first(self):
        app = self.app({"people": table()}, tests=[
            {"name": "late", "input": [{}, {"people": []}], "expect": {"people": [[], []]}}])
        run = self.command("test", app, status=WRONG_APP)
        self.assertIn("a table is given in the first batch", run.err())


KEYS = 50  # values of the clock, all of which stand in every batch


class Joins(scenario.Scenario):
    def join_app(self, reload=None, **more):
        """What the clock says meets the table on three ways."""
        return self.app(
            {"people": table(**({"reload": reload} if reload else {})),
             "clock": {"type": "rate", "rows_per_second": KEYS * 10}},
            {"ticks": {"from": "clock", "select": {"id": "value %% %d" % KEYS}},
             "known": {"from": "people", "where": "id >= 0",
                       "select": {"id": "id", "name": "upper(name)"}},
             "looked": {"from": "ticks", "join": {"with": "known", "on": ["id"]}},
             "left": {"from": "ticks", "join": {"with": "people", "on": ["id"], "type": "left"}},
             "full": {"from": "ticks", "join": {"with": "people", "on": ["id"], "type": "full"}},
             "counts": {"from": "looked", "aggregate": {"n": "count()", "least": "min(name)"}}},
            {name: {"from": name, "type": "file", "dir": name}
             for name in ("looked", "left", "full", "people", "counts")}, **more)

    def expected(self, rows):
        names = {row["id"]: row["name"] for row in rows}
        met = [{"id": i, "name": names[i]} for i in range(KEYS) if i in names]
        left = [{"id": i, "name": names.get(i)} for i in range(KEYS)]
        return {"looked": [{"id": row["id"], "name": row["name"].upper()} for row in met],
                "left": left, "people": rows,
                "full": left + [row for row in rows if row["id"] >= KEYS],
                "counts": [{"n": len(met),
                            "least": min((row["name"].upper() for row in met), default=None)}]}

    def check_batches(self, versions):
        """All streams of a batch met one version, whole; none comes back. Returns which."""
        known = [{name: scenario.canonical(rows) for name, rows in self.expected(v).items()}
                 for v in versions]
        got = {name: self.collect(name) for name in known[0]}
        seen = []
        for time_ms in self.folders("people"):
            batch = {name: scenario.canonical(rows.get(time_ms, []))
                     for name, rows in got.items()}
            self.assertIn(batch, known)
            seen.append(known.index(batch))
        self.assertEqual(seen, sorted(seen))
        return sorted(set(seen))

    def until_folders(self, run, n):
        run.until(lambda: len(self.folders("people")) >= n, "%d folders" % n)

    def more_folders(self, run, n):
        self.until_folders(run, len(self.folders("people")) + n)

    def newest(self):
        """The table as the newest batch had it."""
        newest = self.folders("people")[-1]
        return scenario.canonical(json.loads(line)
                                  for line in self.text_of(newest, "people").splitlines())

    def check_reload(self, executors, env=None, kill=False):
        versions = [people(n, v) for n, v in ((30, "a"), (300, "b"), (0, "c"), (2000, "d"))]
        versions[2] = ("id,name\n7,only\n", [{"id": 7, "name": "only"}])
        self.write("people.csv", versions[0][0])
        run = self.start(self.join_app("20ms", limits={"block": "4KiB", "record": "1KiB"}),
                         "--executors", executors, env=env)
        self.more_folders(run, 3)
        for text, rows in versions[1:]:
            if kill:
                lost = run.last().get("executors_lost", 0)
                self.kill(run.until_executors(int(executors))[-1])
                run.until(lambda: run.last().get("executors_lost") > lost, "it is noticed")
            self.write("people.csv", text)
            run.until(lambda: self.newest() == scenario.canonical(rows), "it is used")
        run.stop()
        self.assertEqual(self.check_batches([rows for _, rows in versions]), [0, 1, 2, 3])
        self.assertEqual(run.last()["failed_batches"], 0)

    def test_one_executor(self):
        self.check_reload("1")

    def test_two_executors(self):
        self.check_reload("2")

    def test_four_executors_over_links(self):
        self.check_reload("4", OFF)

    def test_executors_are_killed(self):
        self.check_reload("2", kill=True)

    def test_executors_are_killed_whose_memory_is_not_shared(self):
        self.check_reload("2", OFF, kill=True)

    def test_several_batches_of_files(self):
        """Blocks of many tasks, and batches without any rows."""
        text, rows = people(5000)
        self.write("people.csv", text)
        names = {row["id"]: row["name"] for row in rows}
        numbers = [i * 7919 % 6000 for i in range(20000)]
        for part in range(4):
            self.write("in/%d" % part, "".join("%d\n" % n for n in numbers[part::4]))
        app = self.app(
            {"people": table(), "in": {"type": "files", "dir": "in", "format": "csv",
                                       "schema": {"n": "int"}}},
            {"met": {"from": "in", "join": {"with": "people", "on": {"n": "id"}}},
             "by": {"from": "met", "group_by": ["n", "name"], "aggregate": {"c": "count()"}},
             "moving": {"from": "met", "window": "2s", "aggregate": {"c": "count()"}}},
            {"by": {"from": "by", "type": "file", "dir": "by"},
             "moving": {"from": "moving", "type": "console"}},
            limits={"block": "4KiB", "record": "1KiB"})
        wanted = {}
        for n in numbers:
            if n in names:
                wanted[n] = wanted.get(n, 0) + 1
        for executors in ("1", "2", "4"):
            run = self.run_now(app, "--executors", executors)
            self.assertRows(self.collect_rows("by"), [{"n": n, "name": names[n], "c": c}
                                                      for n, c in wanted.items()])
            self.assertEqual(sum(row["c"] for row in run.rows()), sum(wanted.values()))
            os.rename(self.path("by"), self.path("by-" + executors))

    def test_a_restart(self):
        text, rows = people(30)
        self.write("people.csv", text)
        app = self.join_app(checkpoint={"dir": "state"})
        run = self.start(app)
        self.more_folders(run, 3)
        run.kill()
        run = self.start(app)
        self.more_folders(run, 3)
        run.stop()
        self.assertEqual(self.check_batches([rows]), [0])

    def test_too_large_to_hold(self):
        columns = ["c%d" % i for i in range(12)]
        schema = {"id": "int", **{name: "string" for name in columns}}
        self.write("people.csv", "".join("%d%s\n" % (i, ",x" * 12) for i in range(200000)))
        app = self.app(
            {"people": table(header=False, schema=schema),
             "clock": {"type": "rate", "rows_per_second": 10}},
            {"j": {"from": "clock", "join": {"with": "people", "on": {"value": "id"}}}},
            executors={"count": 2, "memory": "32MiB"},
            limits={"memory": "64MiB", "block": "1MiB"})
        run = self.start(app)
        run.wait(BUG)
        self.assertIn("table people does not fit into the memory of an executor", run.log())

    def test_keys_that_cannot_meet(self):
        app = self.app({"people": table(), "clock": {"type": "rate", "rows_per_second": 10}},
                       {"j": {"from": "clock", "join": {"with": "people",
                                                        "on": {"timestamp": "id"}}}})
        run = self.command("validate", app, status=WRONG_APP)
        self.assertIn("keys of different types never meet", run.err())

    def test_explain(self):
        run = self.command("explain", self.join_app())
        self.assertIn("for each version of the table, in every executor", self.explained(
            {"looked": "looked"}))
        for said in ("join looked: inner, on id = id; rows are looked up in table people as they "
                     "pass: no shuffle", "whole rows by id for the right side of join full",
                     "held by every executor for join looked, by id: 24 bytes a row and its text"):
            self.assertIn(said, run.out())

    def explained(self, sinks):
        """The app with some of its sinks alone."""
        app = json.loads(scenario.read(self.path(self.join_app())))
        app["sinks"] = {name: {"from": stream, "type": "console"} for name, stream in sinks.items()}
        self.write("some.json", json.dumps(app))
        return self.command("explain", "some.json").out()

    def test_tests_in_the_file(self):
        kinds = {"inner": [{"id": 1, "name": "ann", "x": 1}],
                 "left": [{"id": 1, "name": "ann", "x": 1}, {"id": 3, "name": None, "x": 3}],
                 "right": [{"id": 1, "name": "ann", "x": 1}, {"id": 2, "name": "bob", "x": None}],
                 "full": [{"id": 1, "name": "ann", "x": 1}, {"id": 3, "name": None, "x": 3},
                          {"id": 2, "name": "bob", "x": None}]}
        streams = {kind: {"from": "q", "join": {"with": "people", "on": ["id"], "type": kind}}
                   for kind in kinds}
        streams.update({"t_" + kind: {"from": "people",
                                      "join": {"with": "q", "on": ["id"], "type": kind}}
                        for kind in kinds})
        other = {"inner": "inner", "left": "right", "right": "left", "full": "full"}
        expect = {}
        alone = [{"id": 1, "name": "ann", "x": None}, {"id": 2, "name": "bob", "x": None}]
        for kind, rows in kinds.items():
            empty = alone if kind in ("right", "full") else []
            expect[kind] = [rows, empty]
            expect["t_" + other[kind]] = [rows, empty]
        app = self.app(
            {"people": table(), "q": {"type": "queue", "schema": {"id": "int", "x": "int"},
                                      "batches": [[{"id": 1, "x": 1}, {"id": 3, "x": 3}], []]}},
            streams,
            tests=[{"name": "kinds", "input": [{"people": ["id,name", "1,ann", "2,bob"]}],
                    "batches": 2, "expect": expect}])
        self.command("test", app)


if __name__ == "__main__":
    scenario.main()
