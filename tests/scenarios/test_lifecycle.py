"""How an app starts, stops and dies, and that nothing is left of it, however it ends."""
import os
import signal
import time

import scenario


class Stop(scenario.Scenario):
    def window_app(self, port, **more):
        return self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port}},
                        {"lines": {"from": "in"},
                         "long": {"from": "in", "window": scenario.NEVER, "group_by": ["line"],
                                  "aggregate": {"n": "count()"}}},
                        {"lines": {"from": "lines", "type": "file", "dir": "lines"},
                         "long": {"from": "long", "type": "file", "dir": "long"}}, **more)

    def test_last_batch_and_open_windows(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            port = self.free_port()
            run = self.start(self.window_app(port, interval="5s"))
            client = self.connect(port)
            client.sendall(b"a\nb\nunfinished")
            self.until_read(client)
            run.stop(number=number)
            self.assertIn("one last batch", run.log())
            self.assertRegex(run.log(), "stream long: .*window.* open")
            self.assertNotRegex(run.log(), "stream lines: .*window")
        self.assertRows(self.collect_rows("lines"),
                        [{"line": line} for line in ("a", "b", "unfinished")] * 2)
        self.assertEqual(self.folders("long"), [])

    def test_windows_without_rows_are_not_named(self):
        run = self.start(self.window_app(self.free_port()))
        run.until_log("listening")
        run.stop()
        self.assertNotIn("left open", run.log())

    def test_reported_windows_are_not_named(self):
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port}},
                       {"w": {"from": "in", "window": "200ms", "aggregate": {"n": "count()"}}},
                       {"w": {"from": "w", "type": "file", "dir": "out"}})
        run = self.start(app)
        self.send(port, "x\n")
        run.until(lambda: any(row["n"] for row in self.collect_rows()), "the window is reported")
        run.stop()
        self.assertNotIn("left open", run.log())

    def test_at_once_after_the_start(self):
        # Whatever it is doing: starting executors, before the first batch, in it.
        app = self.app({"r": {"type": "rate", "rows_per_second": 1000}}, None,
                       {"out": {"from": "r", "type": "file", "dir": "out"}}, interval="20ms")
        for delay in (0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1):
            run = self.start(app)
            # Signals before the app has taken them over end it as usual.
            run.until(lambda: self.blocks_signals(run.pid), "it has taken over the signals")
            time.sleep(delay)
            run.stop(number=signal.SIGINT)
        self.assertEqual([row for row in self.collect_rows() if set(row) !=
                          {"value", "timestamp"}], [])

    def blocks_signals(self, pid):
        for line in scenario.read("/proc/%d/status" % pid).splitlines():
            if line.startswith("SigBlk:"):
                return int(line.split()[1], 16) >> (signal.SIGINT - 1) & 1
        return False

    def test_a_terminal_interrupts_the_whole_group(self):
        # Ctrl-C goes to a whole process group: executors are in groups of their own.
        port = self.free_port()
        run = self.start(self.window_app(port, interval="5s"), start_new_session=True)
        client = self.connect(port)
        client.sendall(b"a\n")
        self.until_read(client)
        os.killpg(run.pid, signal.SIGINT)
        run.wait()
        self.assertEqual(self.collect_rows("lines"), [{"line": "a"}])
        self.assertNotIn("lost", run.log().replace("windows are lost at a restart", ""))

    def until_up(self, run):
        run.until(run.executors, "executors")

    def stuck(self):
        """A run whose batch cannot be committed, as a file is in the way of its folder."""
        os.makedirs(self.path("in"), exist_ok=True)
        for name in os.listdir(self.path("in")):
            os.remove(self.path("in/" + name))
        run = self.start(self.app({"in": {"type": "files", "dir": "in"}}, None,
                                  {"out": {"from": "in", "type": "file", "dir": "out"}}))
        self.until_up(run)  # the folder was looked at before
        self.write("out", "in the way")
        self.write("in/a", "x\n")
        run.until_log("Not a directory")
        return run

    def test_a_stop_waits_for_the_last_commit(self):
        run = self.stuck()
        run.signal(signal.SIGTERM)
        run.until_log("one last batch")
        time.sleep(0.3)
        self.assertTrue(run.running())
        os.remove(self.path("out"))
        run.wait()
        self.assertEqual(self.collect_rows(), [{"line": "x"}])

    def test_a_second_signal_ends_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM),
                              (signal.SIGINT, signal.SIGINT)):
            run = self.stuck()
            pids = run.executors()
            run.signal(first)
            run.until_log("one last batch")
            run.signal(second)
            run.wait(128 + second)  # the batch is stuck for ever
            scenario.until(lambda: not any(map(self.lives, pids)), "the executors end")
            os.remove(self.path("out"))

    def lives(self, pid):
        try:
            return scenario.process_state(pid) not in "ZX"
        except OSError:
            return False

    def test_a_second_signal_with_stopped_executors(self):
        run = self.start(self.app({"r": {"type": "rate", "rows_per_second": 1000}}, None,
                                  {"out": {"from": "r", "type": "file", "dir": "out"}}))
        run.until_batches(2)
        pids = run.executors()
        for pid in pids:
            scenario.halt(pid)
        run.signal(signal.SIGTERM)
        run.until_log("one last batch")
        run.signal(signal.SIGTERM)
        run.wait(128 + signal.SIGTERM)
        scenario.until(lambda: not any(map(self.lives, pids)), "the executors end")

    def test_a_signal_that_means_nothing(self):
        """As others send it who rotate logs; the next one is heard all the same."""
        run = self.start(self.app({"r": {"type": "rate", "rows_per_second": 1000}}))
        run.until_batches(1)
        for _ in range(3):
            run.signal(signal.SIGUSR1)
        run.stop()

    def test_a_signal_that_is_not_for_stopping(self):
        run = self.start(self.app({"r": {"type": "rate", "rows_per_second": 1000}}))
        pids = run.until_executors(2)
        run.signal(signal.SIGHUP)
        run.wait(-signal.SIGHUP)
        scenario.until(lambda: not any(map(self.lives, pids)), "the executors end")


class Kill(scenario.Scenario):
    """kill -9 leaves nothing behind: no process, no socket, no shared memory, no port."""

    def busy(self, *options, **more):
        self.port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % self.port},
                        "r": {"type": "rate", "rows_per_second": 20000}},
                       {"n": {"from": "in", "window": {"size": "1s", "slide": "100ms"},
                              "group_by": ["line"], "aggregate": {"n": "count()"}},
                        "v": {"from": "r", "group_by": ["value"]}},
                       {"n": {"from": "n", "type": "file", "dir": "n"},
                        "v": {"from": "v", "type": "file", "dir": "v"}}, interval="50ms", **more)
        run = self.start(app, *options)
        self.send(self.port, "x\n" * 1000)
        run.until_batches(3)
        return run

    def test_the_driver(self):
        for executors in ("1", "4"):
            run = self.busy("--executors", executors)
            run.kill()
            self.assertEqual(self.leftovers(), [])

    def test_everything(self):
        run = self.busy()
        for pid in [run.pid, *run.executors()]:
            self.kill(pid)
        run.process.wait()
        self.assertEqual(self.leftovers(), [])

    def test_the_driver_while_executors_are_stopped(self):
        run = self.busy()
        for pid in run.executors():
            scenario.halt(pid)
        run.kill()
        self.assertEqual(self.leftovers(), [])

    def test_executors_again_and_again(self):
        run = self.busy("--set", "batch.interval=20ms")
        for lost in (2, 4, 6, 8):
            for pid in run.until_executors(2):
                self.kill(pid)
            run.until(lambda: (run.last()["executors_lost"], run.last()["executors"]) == (lost, 2),
                      "there are new executors, which have joined")
        batches = run.last()["batches"]
        run.until_batches(batches + 5)
        run.stop()
        self.assertEqual(run.last()["executors_lost"], 8)


if __name__ == "__main__":
    scenario.main()
