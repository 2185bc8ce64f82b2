"""`max_rate` and `backpressure`: what is taken is bounded, and nothing is lost."""
import os
import threading
import time

import scenario

# Work for about 0.5 to 5 ms a record.
SLOW = ["function slow(s)", "  local x = 0", "  for i = 1, 100000 do x = x + i % 7 end",
        "  return x", "end"]


class Rates(scenario.Scenario):
    def pour(self, s, line, stop, limit=None):
        """Sends lines at full speed until `stop` is set, or that many."""
        chunk = line * 1000
        sent = 0
        try:
            while not stop.is_set() and (limit is None or sent < limit):
                s.sendall(chunk)
                sent += 1000
        except OSError:
            pass  # it was closed

    def check_rate(self, run, rate, begun, records):
        """Waits until so many records came, and looks all the way that it were not too many. What
        the clock says is read behind the number, so a slow machine only makes it more."""
        def enough():
            rows = run.last().get("rows_in", 0)
            allowed = rate * (time.monotonic() - begun) + rate / 10 + 50
            self.assertLessEqual(rows, allowed)
            return rows >= records
        run.until(enough, "%d records were read" % records)


class MaxRate(Rates):
    def test_one_connection(self):
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port,
                               "max_rate": 2000}},
                       {"n": {"from": "in", "aggregate": {"n": "count()"}}})
        begun = time.monotonic()
        run = self.start(app)
        run.until_log("listening on")
        s, stop = self.connect(port), threading.Event()
        self.background(self.pour, s, b"a line of text\n", stop)
        self.check_rate(run, 2000, begun, 3000)
        self.assertEqual(run.source()["rate"], 2000)
        stop.set()
        s.close()
        run.stop()

    def test_many_connections_share_it(self):
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port,
                               "max_rate": 3000}},
                       {"n": {"from": "in", "group_by": ["line"], "aggregate": {"n": "count()"}}},
                       {"out": {"from": "n", "type": "file", "dir": "out"}})
        begun = time.monotonic()
        run = self.start(app)
        run.until_log("listening on")
        stop = threading.Event()
        names = [b"sender %d\n" % i for i in range(20)]
        sockets = [self.connect(port) for _ in names]
        for s, name in zip(sockets, names):
            self.background(self.pour, s, name, stop)
        self.check_rate(run, 3000, begun, 4000)
        # None of them is left out.
        run.until(lambda: len({row["line"] for row in self.collect_rows()}) == len(names),
                  "all senders were read")
        stop.set()
        for s in sockets:
            s.close()
        run.stop()

    def test_standard_input(self):
        app = self.app({"in": {"type": "stdin", "max_rate": 1000}},
                       {"n": {"from": "in", "aggregate": {"n": "count()"}}})
        path = self.write("lines", "".join("line %d\n" % i for i in range(2500)))
        begun = time.monotonic()
        with open(path, "rb") as file:
            run = self.start(app, stdin=file)
        self.check_rate(run, 1000, begun, 2000)
        run.wait()
        self.assertEqual(sum(row["n"] for row in run.rows()), 2500)

    def test_files(self):
        os.mkdir(self.path("in"))
        self.write("in/a", "".join("record %06d\n" % i for i in range(3000)))
        app = self.app({"in": {"type": "files", "dir": "in", "max_rate": 5000}},
                       {"n": {"from": "in", "aggregate": {"n": "count()"}}})
        run = self.run_now(app)
        self.assertEqual(sum(row["n"] for row in run.rows()), 3000)
        took = [row["n"] for row in run.rows() if row["n"] > 0]
        # 500 a batch; the first is cut by a guess.
        self.assertTrue(all(n <= 510 for n in took[1:]), took)
        self.assertLessEqual(took[0], 5000)
        self.assertGreaterEqual(len(took), 3)

    def test_what_is_there_now(self):
        # The times of batches go ahead of the clock only as the input needs them.
        for i in range(5):
            self.write("in/%d" % i, "x\n" * 200)
        app = self.app({"in": {"type": "files", "dir": "in", "max_rate": 2000}},
                       {"n": {"from": "in", "aggregate": {"n": "count()"}}})
        run = self.run_now(app)
        self.assertEqual(sum(row["n"] for row in run.rows()), 1000)
        ahead_ms = scenario.ms(run.last()["batch_time"]) - time.time() * 1000
        self.assertLess(ahead_ms, 60000)

    def test_a_tail(self):
        self.write("log", "".join("record %06d\n" % i for i in range(3000)))
        app = self.app({"in": {"type": "tail", "path": "log", "max_rate": 2000}},
                       {"n": {"from": "in", "aggregate": {"n": "count()"}}})
        run = self.run_now(app)
        took = [row["n"] for row in run.rows() if row["n"] > 0]
        self.assertEqual(sum(took), 3000)
        self.assertTrue(all(n <= 210 for n in took[1:]), took)

    def test_a_generator(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": 10000, "max_rate": 100}},
                       {"n": {"from": "in", "aggregate": {"n": "count()"}}})
        run = self.start(app)
        run.until_batches(5)
        run.stop()
        self.assertEqual({row["n"] for row in run.rows()}, {10})


class Backpressure(Rates):
    def slow_app(self, port, **more):
        return self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port}},
                        {"w": {"from": "in", "select": {"x": "slow(line)"}},
                         "n": {"from": "w", "aggregate": {"n": "count()"}}},
                        {"screen": {"from": "n", "type": "console"}}, interval="100ms",
                        functions={"slow": {"lua": SLOW, "args": ["string"], "returns": "int"}},
                        executors={"count": 1, "cores": 1}, **more)

    def test_the_rate_follows_the_app(self):
        port = self.free_port()
        run = self.start(self.slow_app(port, backpressure={"initial_rate": 4000}))
        run.until_log("listening on")
        s, stop = self.connect(port), threading.Event()
        self.background(self.pour, s, b"some text\n", stop)
        # It begins with what no machine can do, and comes down to what this one does.
        run.until(lambda: 0 < run.source().get("rate", 0) < 3500, "the rate is lower")
        batches = run.last()["batches"]
        run.until_batches(batches + 2)
        self.assertTrue(all(line["sources"]["in"]["rate"] < 3500 for line in run.progress()[-3:]))
        stop.set()

    def test_every_record_arrives(self):
        port = self.free_port()
        run = self.start(self.slow_app(port, backpressure=True))
        run.until_log("listening on")
        s, stop = self.connect(port), threading.Event()
        sender = self.background(self.pour, s, b"abc\n", stop, 1000)
        sender.join()
        s.close()
        run.until_rows_in(1000)
        run.stop()
        self.assertEqual(sum(row["n"] for row in run.rows()), 1000)
        self.assertEqual(run.last()["bad_records"], 0)

    def test_a_rate_is_sent_to_the_receiver_that_takes_over(self):
        port = self.free_port()
        run = self.start(self.slow_app(port, backpressure={"initial_rate": 4000}))
        run.until_log("listening on")
        s, stop = self.connect(port), threading.Event()
        self.background(self.pour, s, b"some text\n", stop)
        run.until(lambda: 0 < run.source().get("rate", 0) < 3500, "the rate is lower")
        self.kill(run.until_executors(1)[0])
        run.until_log("listening on", times=2)
        stop.set()
        s.close()
        s, stop = self.connect(port), threading.Event()
        self.background(self.pour, s, b"some text\n", stop)
        batches = run.last()["batches"]
        run.until_batches(batches + 2)
        self.assertLess(run.source()["rate"], 5000)
        stop.set()


if __name__ == "__main__":
    scenario.main()
