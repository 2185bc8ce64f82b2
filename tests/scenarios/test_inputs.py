"""Sources `stdin`, `rate` and `queue`, and what happens when the input ends."""
import os
import subprocess
import time

import scenario
from scenario import NO_INPUT


def rows_n(rows):
    return sum(row["n"] for row in rows)


class Stdin(scenario.Scenario):
    def lines_app(self, **more):
        return self.app({"in": {"type": "stdin"}},
                        {"l": {"from": "in", "aggregate": {"l": "collect_list(line)"}},
                         "some": {"from": "l", "where": "l is not null"}}, **more)

    def lines(self, run):
        return [line for row in run.rows() for line in row["l"]]

    def piped(self, app, *options):
        """A run and the end of a pipe that it reads."""
        out, into = os.pipe()
        run = self.start(app, *options, stdin=out)
        os.close(out)
        file = os.fdopen(into, "wb", buffering=0)
        self.addCleanup(file.close)
        return run, file

    def test_a_file(self):
        for options in ((), ("--available-now",)):
            path = self.write("text", "a\n\nb\r\nlast without end")
            with open(path, "rb") as file:
                run = self.start(self.lines_app(), *options, stdin=file)
                run.wait()
            self.assertEqual(self.lines(run), ["a", "", "b", "last without end"])
            self.assertEqual(run.last()["bad_records"], 0)

    def test_nothing(self):
        for stdin in (open(self.write("empty", "")), open("/dev/null")):
            with stdin:
                run = self.start(self.lines_app(), stdin=stdin)
                run.wait()
            self.assertEqual(run.out(), "")

    def test_a_pipe(self):
        run, pipe = self.piped(self.lines_app())
        pipe.write(b"one\ntw")
        run.until(lambda: self.lines(run) == ["one"], "the first line is there")
        pipe.write(b"o\nthree")
        run.until(lambda: self.lines(run) == ["one", "two"], "the second line is there")
        pipe.close()
        run.wait()
        self.assertEqual(self.lines(run), ["one", "two", "three"])

    def test_an_empty_pipe(self):
        run, pipe = self.piped(self.lines_app())
        pipe.close()
        run.wait()
        self.assertEqual(run.out(), "")

    def test_closed(self):
        app = self.lines_app()
        run = self.start(app, stdin=None, preexec_fn=lambda: os.close(0))
        run.wait(NO_INPUT)
        self.assertIn("standard input is not open", run.log())

    def test_stop_with_an_open_pipe(self):
        run, pipe = self.piped(self.lines_app(interval="1s"))
        pipe.write(b"one\ntwo\nthr")
        run.until_log("reading standard input")
        scenario.until(lambda: self.unread(pipe) == 0, "the pipe is empty")
        run.stop()
        self.assertEqual(self.lines(run), ["one", "two", "thr"])

    def unread(self, pipe):
        import array
        import fcntl
        import termios
        n = array.array("i", [0])
        fcntl.ioctl(pipe.fileno(), termios.FIONREAD, n)
        return n[0]

    def test_the_pipe_stays_blocking(self):
        # O_NONBLOCK on a shared descriptor would break the shell that started us.
        run, pipe = self.piped(self.lines_app())
        pipe.write(b"one\n")
        run.until(lambda: self.lines(run) == ["one"], "the line is there")
        self.assertTrue(os.get_blocking(pipe.fileno()))
        pipe.close()
        run.wait()

    def test_many_lines_through_a_pipe(self):
        app = self.app({"in": {"type": "stdin", "format": "csv", "schema": {"n": "int"}}},
                       {"n": {"from": "in", "aggregate": {"n": "count()", "s": "sum(n)"}},
                        "out": {"from": "n", "where": "n > 0"}},
                       limits={"block": "64KiB"}, interval="20ms")
        sender = subprocess.Popen(["seq", "0", "999999"], stdout=subprocess.PIPE)
        run = self.start(app, stdin=sender.stdout)
        sender.stdout.close()
        run.wait()
        self.assertEqual(sender.wait(), 0)
        self.assertEqual(rows_n(run.rows()), 1000000)
        self.assertEqual(sum(row["s"] for row in run.rows()), 999999 * 500000)
        self.assertEqual(run.last()["driver_bytes"], len(run.out()))

    def test_formats(self):
        for source, text, expected in (
                ({"format": "json", "schema": {"a": "int"}}, '{"a":1}\n{"a":2}', [1, 2]),
                ({"format": "csv", "schema": {"a": "int"}}, "1\n2", [1, 2]),
                ({"format": "csv", "header": True, "schema": {"a": "int"}},
                 "b,a\nx,1\ny,2\n", [1, 2]),
                ({"format": "combined"}, 'h - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" '
                 '200 7', [7])):
            column = "bytes" if source["format"] == "combined" else "a"
            app = self.app({"in": {"type": "stdin", **source}},
                           {"a": {"from": "in", "select": {"a": column}}})
            run = self.run_now(app, text=text)
            self.assertEqual([row["a"] for row in run.rows()], expected)


class Rate(scenario.Scenario):
    def test_values_and_times(self):
        app = self.app({"r": {"type": "rate", "rows_per_second": 700}},
                       {"n": {"from": "r", "aggregate": {
                           "n": "count()", "from": "min(value)", "to": "max(value)",
                           "early": "min(timestamp)", "late": "max(timestamp)",
                           "least": "min(batch_time())",
                           "order": "bool_and(timestamp < batch_time() and "
                                    "timestamp >= batch_time() - interval '100ms')"}}},
                       {"out": {"from": "n", "type": "file", "dir": "out"}})
        run = self.start(app)
        run.until_batches(8)
        run.stop()
        next_value, times = 0, self.folders()
        for time_ms, (row,) in self.collect().items():
            self.assertEqual(row["n"], 70)
            self.assertEqual((row["from"], row["to"]), (next_value, next_value + 69))
            self.assertTrue(row["order"], row)
            self.assertEqual(scenario.ms(row["least"]), time_ms)
            next_value += 70
        self.assertEqual(times, list(range(times[0], times[-1] + 100, 100)))

    def test_a_rate_that_is_no_multiple(self):
        # 7 rows a second in batches of 100 ms: none is lost to rounding.
        app = self.app({"r": {"type": "rate", "rows_per_second": 7}},
                       {"n": {"from": "r", "aggregate": {"n": "count()", "to": "max(value)"}}},
                       {"out": {"from": "n", "type": "file", "dir": "out"}})
        run = self.start(app)
        run.until_batches(22)
        run.stop()
        rows = list(self.collect().values())
        counts = [row["n"] for (row,) in rows]
        for i in range(len(counts) - 10):
            self.assertEqual(sum(counts[i:i + 10]), 7)
        self.assertEqual(max(row["to"] for (row,) in rows if row["n"]), sum(counts) - 1)

    def test_a_high_rate(self):
        app = self.app({"r": {"type": "rate", "rows_per_second": 2000000}},
                       {"n": {"from": "r", "aggregate": {"n": "count()", "s": "sum(value)"}}},
                       {"out": {"from": "n", "type": "file", "dir": "out"}})
        run = self.start(app)
        run.until_batches(5)
        run.stop()
        n = 0
        for (row,) in self.collect().values():
            self.assertEqual(row["n"], 200000)
            self.assertEqual(row["s"], sum(range(n, n + 200000)))
            n += 200000

    def test_available_now_is_one_batch(self):
        app = self.app({"r": {"type": "rate", "rows_per_second": 100}})
        self.assertEqual(len(self.run_now(app).rows()), 10)


class Queue(scenario.Scenario):
    schema = {"i": "int", "f": "float", "s": "string", "b": "bool", "t": "timestamp",
              "l": "list<int>"}

    def test_the_nth_list_is_the_nth_batch(self):
        batches = [[{"i": 1}], [], [{"i": 2}, {"i": 3}], [], [], [{"i": 4}]]
        app = self.app({"q": {"type": "queue", "schema": {"i": "int"}, "batches": batches}},
                       {"l": {"from": "q", "aggregate": {"l": "collect_list(i)"}}},
                       {"out": {"from": "l", "type": "file", "dir": "out"}})
        for options in ((), ("--available-now",)):
            run = self.start(app, *options)
            run.wait()
            times = self.folders()[-6:]
            self.assertEqual(times, list(range(times[0], times[0] + 600, 100)))
            lists = [self.collect()[t][0]["l"] for t in times]
            self.assertEqual(lists, [[1], None, [2, 3], None, None, [4]])

    def test_batches_follow_the_clock(self):
        batches = [[{"i": 1}]] * 5
        app = self.app({"q": {"type": "queue", "schema": {"i": "int"}, "batches": batches}},
                       None, {"out": {"from": "q", "type": "file", "dir": "out"}},
                       interval="200ms")
        began = time.time()
        run = self.start(app)
        run.wait()
        times = self.folders()
        self.assertEqual(times, list(range(times[0], times[0] + 1000, 200)))
        self.assertGreater(times[0], began * 1000)
        # A slow machine starts late.
        self.assertLessEqual(times[0], began * 1000 + 1000 * scenario.PATIENCE)
        self.assertGreaterEqual(time.time() * 1000, times[-1])
        for progress in run.progress():
            self.assertGreaterEqual(progress["delay_us"], 0)

    def test_all_types_and_nulls(self):
        rows = [{"i": -9223372036854775808, "f": 1, "s": "\u00e4\"\\\n", "b": False,
                 "t": "2026-01-01T02:00:00.5+02:00", "l": [1, None]}, {}, {"l": [], "s": ""}]
        app = self.app({"q": {"type": "queue", "schema": self.schema, "batches": [rows]}})
        run = self.run_now(app)
        nulls = {name: None for name in self.schema}
        self.assertRows(run.rows(), [
            dict(rows[0], f=1.0, t="2026-01-01T00:00:00.5Z"),
            nulls, dict(nulls, l=[], s="")])

    def test_no_batches(self):
        app = self.app({"q": {"type": "queue", "schema": {"i": "int"}, "batches": []}},
                       {"n": {"from": "q", "aggregate": {"n": "count()"}}})
        self.start(app).wait()


class Ends(scenario.Scenario):
    """When the input has ended every stream is computed at its first due time at or after its
    last input, without waiting, and then the app ends."""

    def run_windows(self, streams, interval="100ms", batches=None, options=()):
        sinks = {name: {"from": name, "type": "file", "dir": "out-" + name} for name in streams}
        app = self.app({"q": {"type": "queue", "schema": {"i": "int"},
                              "batches": batches or [[{"i": 1}], [{"i": 2}], [{"i": 4}]]}},
                       streams, sinks, interval=interval)
        run = self.start(app, *options)
        run.wait()
        return {name: self.collect("out-" + name) for name in streams}

    def test_tumbling(self):
        # Nobody waits for the hour.
        count = {"n": "count()", "s": "sum(i)", "from": "window_start()", "to": "window_end()"}
        out = self.run_windows({"hour": {"from": "q", "window": "1h", "aggregate": count},
                                "ten": {"from": "q", "window": "10s", "group_by": ["i"],
                                        "aggregate": count}})
        hours = list(out["hour"].items())
        self.assertIn(len(hours), (1, 2))  # two if the batches lie on both sides of the hour
        self.assertEqual(sum(rows[0]["n"] for _, rows in hours), 3)
        for time_ms, rows in hours:
            self.assertEqual(time_ms % 3600000, 0)
            self.assertEqual(scenario.ms(rows[0]["to"]), time_ms)
            self.assertEqual(scenario.ms(rows[0]["from"]), time_ms - 3600000)
        tens = list(out["ten"].items())
        self.assertEqual(sum(row["n"] for _, rows in tens for row in rows), 3)
        self.assertTrue(all(time_ms % 10000 == 0 for time_ms, _ in tens))

    def test_sliding(self):
        # Batches at +1 .. +3 (x 100 ms), windows of 1 s every 500 ms: every due time from the
        # first on up to the first at or after the last input.
        out = self.run_windows({"w": {"from": "q", "window": {"size": "1s", "slide": "500ms"},
                                      "aggregate": {"n": "count()", "l": "collect_list(i)"}}},
                               options=("--available-now",))["w"]
        times = list(out)
        self.assertTrue(all(t % 500 == 0 for t in times))
        self.assertEqual(out[times[-1]][0]["n"], 3)
        self.assertEqual(out[times[-1]][0]["l"], [1, 2, 4])
        self.assertIn(len(times), (1, 2))

    def test_empty_batches_at_the_end(self):
        # The last input counts, not the last batch.
        out = self.run_windows({"w": {"from": "q", "window": "200ms",
                                      "aggregate": {"n": "count()"}}},
                               batches=[[{"i": 1}]] + [[]] * 9, options=("--available-now",))["w"]
        self.assertEqual(sum(rows[0]["n"] for rows in out.values()), 1)
        times = list(out)
        self.assertEqual(times, list(range(times[0], times[-1] + 200, 200)))
        self.assertIn(len(times), (5, 6))

    def test_windows_of_windows(self):
        out = self.run_windows({
            "all": {"from": "q"},
            "a": {"from": "q", "window": "300ms", "aggregate": {"n": "count()", "s": "sum(i)"}},
            "b": {"from": "a", "window": "1200ms", "aggregate": {"n": "sum(n)", "s": "sum(s)",
                                                                 "rows": "count()"}},
            "c": {"from": "b", "window": "2400ms", "aggregate": {"n": "sum(n)"}}},
            batches=[[{"i": k}] for k in range(1, 20)], options=("--available-now",))
        for name, slide in (("a", 300), ("b", 1200), ("c", 2400)):
            self.assertEqual(sum(rows[0]["n"] or 0 for rows in out[name].values()), 19, name)
            times = list(out[name])
            self.assertEqual(times, list(range(times[0], times[-1] + slide, slide)))
        self.assertEqual(sum(rows[0]["s"] or 0 for rows in out["b"].values()), sum(range(1, 20)))
        # Each is due at or after the due time of its parent, and then nothing is left to do.
        last = max(out["all"])
        for name, slide in (("a", 300), ("b", 1200), ("c", 2400)):
            last = -(-last // slide) * slide
            self.assertIn(last, out[name])
        self.assertEqual(max(out["c"]), last)

    def test_a_window_with_gaps(self):
        # Windows of 200 ms every 500 ms: what falls into the gaps is reported by none.
        out = self.run_windows({"w": {"from": "q", "window": {"size": "200ms", "slide": "500ms"},
                                      "aggregate": {"l": "collect_list(i)", "n": "count()"}}},
                               batches=[[{"i": k}] for k in range(20)],
                               options=("--available-now",))["w"]
        for rows in list(out.values())[1:-1]:
            first = rows[0]["l"][0]
            self.assertEqual(rows[0]["l"], [first, first + 1])
        times = list(out)
        self.assertEqual(times, list(range(times[0], times[-1] + 500, 500)))

    def test_window_of_rows(self):
        out = self.run_windows({"w": {"from": "q", "window": {"size": "400ms", "slide": "200ms"},
                                      "select": {"i": "i", "at": "batch_time()"}},
                                "x": {"from": "w", "select": {"i": "i", "at": "at"}}},
                               batches=[[{"i": k}] for k in range(10)],
                               options=("--available-now",))
        self.assertEqual(out["w"], out["x"])
        for time_ms, rows in out["w"].items():
            for row in rows:
                at = scenario.ms(row["at"])
                self.assertTrue(time_ms - 400 < at <= time_ms, (time_ms, row))
        seen = sorted(row["i"] for rows in out["w"].values() for row in rows)
        self.assertGreaterEqual(seen.count(5), 2)
        self.assertEqual(set(seen), set(range(10)))

    def test_stdin_with_a_long_window(self):
        app = self.app({"in": {"type": "stdin"}},
                       {"n": {"from": "in", "window": {"size": "6h", "slide": "1h"},
                              "group_by": ["line"], "aggregate": {"n": "count()"}}})
        run = self.run_now(app, text="a\nb\na\n")
        self.assertRows(run.rows(), [{"line": "a", "n": 2}, {"line": "b", "n": 1}])
        with open(self.write("text", "a\nb\na\n")) as file:
            run = self.start(app, stdin=file)
            run.wait()
        self.assertRows(run.rows(), [{"line": "a", "n": 2}, {"line": "b", "n": 1}])


if __name__ == "__main__":
    scenario.main()
