"""Executors that die, hang or are slow are noticed and replaced; nobody stays who should not."""
import os
import signal
import time

import scenario


def alive(pid):
    try:
        return scenario.process_state(pid) not in "ZX"
    except OSError:
        return False


class Live(scenario.Scenario):
    HEARTBEAT = "3s" if scenario.SANITIZED else "1s"

    def app_of_rates(self, **more):
        return self.app({"r": {"type": "rate", "rows_per_second": 1000}},
                        {"n": {"from": "r", "aggregate": {"n": "count()", "s": "sum(value)"}}},
                        {"out": {"from": "n", "type": "file", "dir": "out"}}, interval="50ms",
                        **more)

    def rows_of_rates(self):
        """All numbers came once, none is missing."""
        rows = self.collect_rows()
        n = sum(row["n"] for row in rows)
        first = min((self.collect()[t][0] for t in self.folders()[:1]), key=lambda r: r["n"])
        return n, sum(row["s"] or 0 for row in rows), first

    def lost(self, run):
        return run.last().get("executors_lost", 0)


class Heartbeat(Live):
    def test_a_stopped_executor_is_lost_and_replaced(self):
        run = self.start(self.app_of_rates())
        run.until_batches(3)
        stopped = run.until_executors(2)[0]
        os.kill(stopped, signal.SIGSTOP)
        run.until_log("it was silent for")
        scenario.until(lambda: not alive(stopped), "it is killed, though it is stopped")
        run.until(lambda: (self.lost(run), run.last()["executors"]) == (1, 2), "another one came")
        batches = run.last()["batches"]
        run.until_batches(batches + 5)
        run.stop()
        self.assertEqual(run.last()["failed_batches"], 0)
        times = self.folders()
        self.assertEqual(times, list(range(times[0], times[-1] + 50, 50)), "no time is missing")

    def test_all_of_them(self):
        run = self.start(self.app_of_rates())
        run.until_batches(3)
        pids = run.until_executors(2)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        run.until(lambda: self.lost(run) == 2 and run.last()["executors"] == 2, "others came")
        self.assertFalse(set(pids) & set(run.executors()))
        run.stop()
        self.assertEqual(run.last()["failed_batches"], 0)

    def test_a_stopped_driver_loses_nobody(self):
        run = self.start(self.app_of_rates())
        run.until_batches(3)
        pids = run.until_executors(2)
        for _ in range(2):
            run.signal(signal.SIGSTOP)
            time.sleep(2 * float(self.HEARTBEAT[:-1]))  # much longer than anybody may be silent
            run.signal(signal.SIGCONT)
            batches = run.last()["batches"]
            run.until_batches(batches + 5)
        self.assertEqual(run.executors(), pids)
        run.stop()
        self.assertEqual(self.lost(run), 0)

    def test_one_from_outside_that_comes_back(self):
        port = self.free_port()
        run = self.start(self.app_of_rates(executors={"count": 1,
                                                      "listen": "tcp://127.0.0.1:%d" % port}))
        run.until_log("executors may join")
        guest = scenario.Run(self, ["executor", "--driver", "tcp://127.0.0.1:%d" % port])
        run.until(lambda: run.last().get("executors") == 2, "it joined")
        guest.signal(signal.SIGSTOP)
        run.until_log("it was silent for")
        run.until(lambda: run.last()["executors"] == 1, "it is lost")
        batches = run.last()["batches"]
        run.until_batches(batches + 3)
        self.assertTrue(alive(guest.pid))  # nobody here may kill it
        guest.signal(signal.SIGCONT)
        guest.wait(scenario.UNAVAILABLE)
        self.assertIn("the connection to the driver was lost", guest.err())
        run.stop()
        self.assertEqual(run.last()["failed_batches"], 0)


class Replacement(Live):
    def test_it_comes_at_once(self):
        run = self.start(self.app_of_rates())
        run.until_batches(3)
        best = 1e9
        for lost in range(1, 7):
            time.sleep(1.1)  # they had worked for a while
            self.kill(run.until_executors(2)[-1])
            begun = time.monotonic()
            run.until(lambda: self.lost(run) == lost and run.last()["executors"] == 2,
                      "another one is ready")
            best = min(best, time.monotonic() - begun)
        run.stop()
        self.assertEqual(run.last()["failed_batches"], 0)
        self.assertLess(best, 5 if scenario.SANITIZED else 1)
        print("the fastest took %.0f ms" % (best * 1000))

    def test_a_receiver_starts_elsewhere_at_once(self):
        port = self.free_port()
        run = self.start(self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port}},
                                  None, {"out": {"from": "in", "type": "file", "dir": "out"}}))
        run.until_log("listening")
        for times in range(2, 6):
            run.until(lambda: run.last().get("executors", 2) == 2, "both are there")
            for pid in run.until_executors(2)[:1]:
                if times % 2:
                    self.kill(pid)
                else:
                    os.kill(pid, signal.SIGSTOP)  # the driver kills it, and its port is free soon
                    scenario.until(lambda: not alive(pid), "it is killed")
            run.until_executors(2)
            self.send(port, "%d\n" % times)
            run.until(lambda: {"line": str(times)} in self.collect_rows(), "it goes on")
        run.stop()


if __name__ == "__main__":
    scenario.main()
