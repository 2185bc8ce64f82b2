"""The command line: wrong app files, options, --set, variables, other commands; what goes to
standard output and what does not."""
import json
import os
import re
import subprocess
import unittest

import scenario
from scenario import IO_ERROR, NO_INPUT, USAGE, WRONG_APP

GOOD = {
    "version": 1, "name": "good", "batch": {"interval": "100ms"},
    "sources": {"in": {"type": "queue", "schema": {"k": "string", "n": "int"},
                       "batches": [[{"k": "a", "n": 1}, {"k": "b", "n": 2}], [{"k": "a"}]]}},
    "streams": {"by": {"from": "in", "group_by": ["k"],
                       "aggregate": {"rows": "count()", "sum": "sum(n)"}}},
    "sinks": {"screen": {"from": "by", "type": "console"}},
}


def changed(path, value):
    """GOOD with one value replaced (or, for None, removed) by its path."""
    app = json.loads(json.dumps(GOOD))
    at = app
    *before, last = path.split("/")
    for name in before:
        at = at.setdefault(name, {})
    if value is None:
        del at[last]
    else:
        at[last] = value
    return app


class WrongApps(scenario.Scenario):
    HEARTBEAT = None

    def refuse(self, text, *words, status=WRONG_APP):
        """validate and run say the same, and nothing is run."""
        if not isinstance(text, str):
            text = json.dumps(text, indent=2)
        self.write("app.json", text)
        validate = self.command("validate", "app.json", status=status)
        run = self.start("app.json", "--progress", "none")
        run.wait(status)
        self.assertEqual(validate.err(), run.err())
        self.assertEqual(validate.out() + run.out(), "")
        for word in words:
            self.assertIn(word, run.err())
        self.assertRegex(run.err(), r"(?m)^app\.json:\d+:\d+: ")
        return run.err()

    def test_places(self):
        self.refuse('{\n  "version": 1,\n  "nmae": "x", "sinks": {"x": {"from": "x", "type": '
                    '"console"}}\n}', 'app.json:3:3: ', '"name"')
        self.refuse('{\n  "version": 1,\n', "app.json:3:1")
        self.refuse(changed("streams/by/where", "n > 'x'"), "streams.by.where", "^")
        self.refuse(changed("streams/by/aggregate", {"x": "sun(n)"}), '"sum"')
        self.refuse(changed("streams/by/from", "inn"), '"in"')
        self.refuse(changed("sinks/screen/from", "bye"), '"by"')
        self.refuse(changed("batch/interval", "0ms"), "batch.interval")
        self.refuse(changed("version", 2), "version")
        repeated = json.dumps(GOOD)[:-1] + ', "version": 1}'
        self.refuse(repeated, "app.json:1:%d: " % (repeated.rindex('"version"') + 1), "version")
        self.refuse("[]", "app.json:1:1")
        self.refuse('{"version": 1} x', "app.json:1:16")

    def places(self, err):
        found = re.findall(r"(?m)^app\.json:(\d+):(\d+): (?!warning)", err)
        return [(int(line), int(column)) for line, column in found]

    def test_all_errors_at_once(self):
        app = changed("batch/interval", "1 s")
        app["sinks"]["screen"]["tpye"] = "console"
        app["sources"]["in"]["batches"][0][0]["n"] = "x"
        app["streams"]["by"]["from"] = "inn"
        err = self.refuse(app, "sources.in.batches", "batch.interval", "tpye", "inn")
        self.assertEqual(len(self.places(err)), 4)
        self.assertEqual(self.places(err), sorted(self.places(err)))
        app = changed("streams/by/aggregate", {"x": "sun(n)", "y": "sum(m)"})
        app["streams"]["other"] = {"from": "in", "where": "n + 'x'"}
        app["streams"]["third"] = {"from": "in", "order_by": "z"}
        app["streams"]["of_by"] = {"from": "by", "where": "x > 0"}  # nothing is known of it
        err = self.refuse(app)
        self.assertEqual(len(self.places(err)), 4)

    def test_errors_of_all_kinds_at_once(self):
        # Expressions are looked at when something else is wrong, ...
        app = changed("streams/by/aggregate", {"x": "sun(n)", "y": "sum(m)"})
        app["batch"]["interval"] = "1 s"
        self.assertEqual(len(self.places(self.refuse(app))), 3)

    def test_errors_of_all_clauses_at_once(self):
        # ... and those of a clause when another clause is wrong.
        app = changed("streams/by/where", "n + 'x'")
        app["streams"]["by"].update(having="m > 5", order_by="z")
        self.assertEqual(len(self.places(self.refuse(app))), 3)

    def test_carets_stand_under_the_place(self):
        self.write("app.json", json.dumps(changed("streams/by/where", "n > 1 and lengt(k) = 2")))
        err = self.refuse(changed("streams/by/where", "n > 1 and lengt(k) = 2"), '"length"')
        lines = err.splitlines()
        caret = next(i for i, line in enumerate(lines) if set(line) <= set(" ^") and "^" in line)
        column = lines[caret].index("^")
        self.assertTrue(lines[caret - 1][column:].startswith("lengt("), err)

    def test_no_sink(self):
        app = changed("sinks", None)
        self.write("app.json", json.dumps(app))
        self.command("validate", "app.json")
        run = self.start("app.json", "--progress", "none")
        run.wait(WRONG_APP)
        self.assertIn("sinks", run.err())

    def test_loops_and_slides(self):
        app = changed("streams/loop", {"from": "loop2"})
        app["streams"]["loop2"] = {"from": "loop"}
        self.refuse(app, "loop")
        app = changed("streams/slow", {"from": "in", "window": "1s"})
        app["streams"]["u"] = {"from": ["in", "slow"]}
        self.refuse(app, "streams.u")
        self.refuse(changed("streams/by/window", "150ms"), "multiple")

    def test_what_is_not_available_yet(self):
        self.refuse(changed("concurrent_jobs", 2), "not available yet")

    def test_a_missing_file(self):
        for command in ("run", "validate", "explain"):
            run = self.command(command, "none.json", status=NO_INPUT)
            self.assertIn("none.json", run.err())
            self.assertEqual(run.out(), "")

    def test_a_folder_instead_of_a_file(self):
        os.mkdir(self.path("folder.json"))
        run = self.command("validate", "folder.json", status=None)
        self.assertIn(run.process.returncode, (NO_INPUT, IO_ERROR))

    def test_several_files(self):
        self.write("good.json", json.dumps(GOOD))
        self.write("bad.json", json.dumps(changed("name", "1x")))
        self.command("validate", "good.json", "good.json")
        run = self.command("validate", "good.json", "bad.json", "good.json", status=WRONG_APP)
        self.assertIn("bad.json:", run.err())
        self.assertEqual(run.err().count("good.json: valid"), 2)

    def test_warning_about_windows(self):
        self.write("app.json", json.dumps(changed("streams/by/window", "1s")))
        run = self.command("validate", "app.json")
        self.assertIn("checkpoint", run.err())
        self.assertIn("warning", run.err())

    def test_validate_opens_nothing(self):
        app = changed("sources/in", {"type": "files", "dir": "no/such/folder"})
        app["streams"]["by"].update(group_by=["line"], aggregate={"rows": "count()"})
        app["sinks"]["kept"] = {"from": "by", "type": "file", "dir": "out"}
        app["checkpoint"] = {"dir": "state"}
        self.write("app.json", json.dumps(app))
        self.command("validate", "app.json")
        self.assertEqual(os.listdir(self.dir), ["app.json"])


class Options(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.write("app.json", json.dumps(GOOD))

    def test_wrong_usage(self):
        for arguments in ((), ("runn", "app.json"), ("run",), ("run", "app.json", "app.json"),
                          ("run", "app.json", "--no-such-option"), ("run", "--set"),
                          ("run", "app.json", "--progress", "some"),
                          ("run", "app.json", "--log-level", "loud"),
                          ("run", "app.json", "--log-format", "xml"),
                          ("run", "app.json", "--executors", "x"),
                          ("run", "app.json", "--executors", "-1"),
                          ("run", "app.json", "--cores", "0"),
                          ("run", "app.json", "-x"),
                          ("run", "app.json", "--set", "no.such=1"),
                          ("run", "app.json", "--set", "batch.interval=soon"),
                          ("run", "app.json", "--set", "batch.interval"),
                          ("run", "app.json", "--set", "streams.no.limit=1"),
                          ("validate",), ("validate", "--quiet", "app.json"),
                          ("explain",), ("explain", "app.json", "app.json"),
                          ("executor",), ("executor", "--driver"),
                          ("executor", "--driver", "nonsense://x"),
                          ("schema", "x"), ("version", "x"), ("help", "nothing")):
            run = self.command(*arguments, status=USAGE)
            self.assertEqual(run.out(), "", arguments)
            self.assertNotEqual(run.err(), "", arguments)

    def test_nearest_command(self):
        self.assertIn('"run"', self.command("rum", status=USAGE).err())
        self.assertIn("--progess", self.command("run", "app.json", "--progess=none",
                                                status=USAGE).err())

    def test_help_and_version(self):
        for arguments in (("help",), ("--help",), ("-h",), ("help", "run"), ("run", "--help"),
                          ("version",), ("--version",), ("schema",)):
            run = self.command(*arguments)
            self.assertNotEqual(run.out(), "", arguments)
            self.assertEqual(run.err(), "", arguments)
        for command in ("run", "validate", "test", "explain", "executor", "schema", "version",
                        "help"):
            self.assertIn("dstream " + command, self.command("help", command).out())
            self.assertIn("dstream " + command, self.command("help").out())
        for option in ("--available-now", "--set", "--executors", "--cores", "--progress",
                       "--log-format", "--log-level"):
            self.assertIn(option, self.command("help", "run").out())

    def test_schema_is_json(self):
        schema = json.loads(self.command("schema").out())
        self.assertIn("$schema", schema)
        self.assertIn("sources", schema["properties"])

    def test_options_before_and_after_the_file(self):
        for arguments in (("--available-now", "app.json"), ("app.json", "--available-now"),
                          ("--progress=none", "--", "app.json")):
            run = self.command("run", *arguments)
            self.assertEqual(len(run.rows()), 3)

    def test_set(self):
        run = self.run_now("app.json", "--set", "streams.by.group_by=[\"n\"]", "--set",
                           'streams.by.aggregate={"rows": "count()"}')
        self.assertRows(run.rows(), [{"n": 1, "rows": 1}, {"n": 2, "rows": 1},
                                     {"n": None, "rows": 1}])
        run = self.run_now("app.json", "--set", "batch.interval=2s")
        self.assertEqual(scenario.ms(run.last()["batch_time"]) % 2000, 0)
        run = self.run_now("app.json", "--set", "streams.by.where=k = 'b'")
        self.assertRows(run.rows(), [{"k": "b", "rows": 1, "sum": 2}])
        run = self.run_now("app.json", "--set", "checkpoint.dir=state")
        self.assertIn("metadata", os.listdir(self.path("state")))
        run = self.run_now("app.json", "--set", "sources.in.batches[1]=[]")
        self.assertEqual(len(run.rows()), 2)
        self.start("app.json", "--set", "streams.by.where=nothing").wait(USAGE)

    def test_executors_and_cores(self):
        app = self.app({"in": {"type": "stdin"}}, executors={"count": 2, "cores": 1})
        for n, cores in ((1, 3), (4, 2)):
            out, into = os.pipe()
            run = self.start(app, "--executors", str(n), "--cores", str(cores), stdin=out)
            os.close(out)
            run.until_log("reading standard input")
            pids = run.executors()
            self.assertEqual(len(pids), n)
            for pid in pids:
                arguments = scenario.command_line(pid)
                self.assertEqual(arguments[arguments.index("--cores") + 1], str(cores))
            os.write(into, b"x\n")
            os.close(into)
            run.wait()
            self.assertEqual(run.rows(), [{"line": "x"}])
            self.assertEqual(run.last()["executors"], n)

    def test_variables(self):
        app = changed("streams/by/where", "k <> '${SKIP:-none}'")
        app["streams"]["by"]["limit"] = "${LIMIT:-5}"
        app["streams"]["by"]["having"] = "'${TEXT}' = '$${TEXT}' or true"
        self.write("app.json", json.dumps(app))
        run = self.run_now("app.json", env={"TEXT": "x"})
        self.assertEqual(len(run.rows()), 3)
        run = self.run_now("app.json", env={"TEXT": "x", "SKIP": "a", "LIMIT": ""})
        self.assertEqual([row["k"] for row in run.rows()], ["b"])
        run = self.run_now("app.json", env={"TEXT": "x", "LIMIT": "1"})
        self.assertEqual([row["k"] for row in run.rows()], ["a", "a"])
        run = self.run_now("app.json", status=WRONG_APP)
        self.assertIn("TEXT", run.err())
        run = self.run_now("app.json", env={"TEXT": "x", "LIMIT": "many"}, status=WRONG_APP)
        self.assertIn("streams.by.limit", run.err())
        app["name"] = "${NAME:?a name is wanted}"
        self.write("app.json", json.dumps(app))
        run = self.run_now("app.json", env={"TEXT": "x"}, status=WRONG_APP)
        self.assertIn("a name is wanted", run.err())


class Output(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.write("app.json", json.dumps(GOOD))

    def test_only_data_on_standard_output(self):
        for progress in ("auto", "plain", "json", "none"):
            for log in ("text", "json"):
                run = self.command("run", "app.json", "--available-now", "--progress", progress,
                                   "--log-format", log, "--log-level", "debug")
                self.assertEqual(len(run.rows()), 3)
        self.assertEqual(set(run.rows()[0]), {"k", "rows", "sum"})

    def test_quiet(self):
        run = self.command("run", "app.json", "--available-now", "--progress", "none",
                           "--log-level", "error")
        self.assertEqual(run.err(), "")

    def test_progress_plain(self):
        run = self.command("run", "app.json", "--available-now", "--progress", "plain")
        lines = [line for line in run.err().splitlines() if line.startswith("batch ")]
        self.assertEqual(len(lines), 2)
        self.assertIn("rows in 2", lines[0])

    def test_progress_json(self):
        run = self.run_now("app.json")
        progress = run.progress()
        self.assertEqual([p["batches"] for p in progress], [1, 2])
        self.assertEqual([p["batch_rows_in"] for p in progress], [2, 1])
        self.assertEqual(progress[-1]["rows_in"], 3)
        self.assertEqual(progress[-1]["rows_out"], 3)
        self.assertEqual(progress[-1]["sources"]["in"]["rows"], 3)

    def test_log_json(self):
        run = self.command("run", "app.json", "--progress", "json", "--log-format", "json",
                           "--log-level", "debug")
        for line in run.err().splitlines():
            json.loads(line)

    def test_status_line_on_a_terminal(self):
        import pty
        import threading
        driver_end, terminal = pty.openpty()
        seen = []
        def drain():
            try:
                while True:
                    seen.append(os.read(driver_end, 65536))
            except OSError:
                pass
        thread = threading.Thread(target=drain)
        thread.start()
        process = subprocess.run([scenario.BINARY, "run", "app.json"], cwd=self.dir,
                                 stdout=subprocess.PIPE, stderr=terminal,
                                 stdin=subprocess.DEVNULL)
        os.close(terminal)
        thread.join()
        os.close(driver_end)
        text = b"".join(seen).decode()
        self.assertEqual(process.returncode, 0)
        self.assertEqual(len(process.stdout.splitlines()), 3)
        for word in ("rows/s", "delay", "bad", "memory", "\r\x1b[K"):
            self.assertIn(word, text)

    def test_the_reader_of_the_rows_goes_away(self):
        # As in `dstream run app.json | head -1`: it ends and says why.
        app = self.app({"r": {"type": "rate", "rows_per_second": 1000}})
        run = self.start(app, stdout=subprocess.PIPE)
        run.process.stdout.readline()
        run.process.stdout.close()
        run.wait(IO_ERROR)
        self.assertIn("standard output", run.log())

    def test_standard_output_is_closed(self):
        run = self.start("app.json", stdout=None, preexec_fn=lambda: os.close(1))
        run.wait(IO_ERROR)
        self.assertIn("standard output", run.log())

    def test_standard_error_is_closed(self):
        run = self.start("app.json", preexec_fn=lambda: os.close(2))
        run.wait()
        self.assertEqual(len(run.rows()), 3)


if __name__ == "__main__":
    scenario.main()
