"""The samples with the real binary, the log generator, and rows on a terminal."""
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess

import scenario
from scenario import HERE, Run, awk, read, until

SAMPLES = os.path.abspath(os.path.join(HERE, "../../samples"))
LOGGEN = os.path.abspath(os.environ.get("LOGGEN", os.path.join(HERE, "../../build/samples/loggen")))
CAN_STAY = ("--rate", "0", "--time", "1767225600")  # the same lines every time


def loggen(*arguments, status=0):
    done = subprocess.run([LOGGEN, *arguments], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=scenario.PATIENCE)
    if done.returncode != status:
        raise AssertionError("loggen %s ended with %d, not %d: %s" % (
            " ".join(arguments), done.returncode, status, done.stderr))
    return done.stdout


class Loggen(scenario.Scenario):
    def generator(self, *arguments):
        """A running generator, and the port that it says it listens on."""
        err = os.path.join(self.outside, "loggen.err")
        with open(err, "wb") as file:
            process = subprocess.Popen([LOGGEN, *arguments], stderr=file)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        found = until(lambda: re.search(r"port (\d+)", read(err)), "loggen listens")
        self.ports.append(int(found[1]))
        return process, int(found[1])

    def test_the_same_seed_gives_the_same_lines(self):
        lines = loggen("--lines", "5000", *CAN_STAY)
        self.assertEqual(lines.count(b"\n"), 5000)
        self.assertEqual(lines, loggen("--lines", "5000", *CAN_STAY))
        self.assertNotEqual(lines, loggen("--lines", "5000", "--seed", "2", *CAN_STAY))

    def test_every_line_is_a_record_but_the_bad_ones(self):
        log = loggen("--lines", "20000", "--bad", "1000", *CAN_STAY).decode()
        app = self.app({"in": {"type": "stdin", "format": "combined"}},
                       {"n": {"from": "in", "group_by": ["status"],
                              "aggregate": {"n": "count()", "bytes": "coalesce(sum(bytes), 0)"}}},
                       interval=scenario.NEVER)  # one batch, cut at the end of the input
        run = self.run_now(app, text=log)
        self.assertEqual(run.bad("syntax"), 20)
        got = {row["status"]: (row["n"], row["bytes"]) for row in run.rows()}
        wanted = awk('BEGIN { FS = "\\"" } NF == 7 { split($3, a, " "); n[a[1]]++; b[a[1]] += a[2] }'
                     'END { for (s in n) printf "%s %d %.0f\\n", s, n[s], b[s] }', text=log.encode())
        self.assertEqual(got, {int(s): (int(n), int(b)) for s, n, b in map(str.split, wanted)})

    def test_few_are_asked_for_much(self):
        paths = awk("{ print $7 }", text=loggen("--lines", "20000", *CAN_STAY))
        self.assertGreater(paths.count("/"), 20000 / 10)
        self.assertGreater(len(set(paths)), 400)

    def test_it_connects_to_a_source_that_listens(self):
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port,
                               "format": "combined"}})
        run = self.start(app)
        self.connect(port).close()
        loggen("--connect", "127.0.0.1:%d" % port, "--lines", "3000", "--rate", "0")
        run.until_rows_in(3000)
        run.stop()
        self.assertEqual(len(run.rows()), 3000)

    def test_it_keeps_its_pace(self):
        process, port = self.generator("--listen", "127.0.0.1:0", "--rate", "1000", "--lines", "500")
        client = self.connect(port)
        with client, client.makefile("rb") as lines:
            self.assertEqual(len(lines.readlines()), 500)
        self.assertEqual(process.wait(), 0)

    def test_a_client_after_another(self):
        _, port = self.generator("--listen", "127.0.0.1:0")
        for _ in range(2):
            with self.connect(port) as client, client.makefile("rb") as lines:
                self.assertIn(b"HTTP/1.1", lines.readline())

    def test_errors(self):
        for wrong in (["--rate", "x"], ["--nope"], ["--listen", "nowhere"], ["more"],
                      ["--listen", "a:1", "--connect", "b:2"]):
            loggen(*wrong, status=64)
        loggen("--connect", "127.0.0.1:%d" % self.free_port(), status=69)
        with open("/dev/full", "wb") as full:
            self.assertEqual(subprocess.run([LOGGEN], stdout=full, check=False).returncode, 74)


class Apps(scenario.Scenario):
    def sample(self, name):
        return os.path.join(SAMPLES, name)

    def test_access_log(self):
        server, port = self.server()
        run = self.start(self.sample("access-log.json"), env={
            "ACCESS_LOG": "127.0.0.1:%d" % port, "STATE_DIR": "state", "OUT_DIR": "out"})
        log = loggen("--lines", "3000", "--bad", "500", *CAN_STAY)
        self.accept(server).sendall(log)
        run.until_rows_in(2994)
        run.until(lambda: any(sum(row["hits"] for row in rows) == 2994  # wherever it was cut
                              for rows in self.collect("out/by_status").values()),
                  "a window holds all")
        run.stop(number=signal.SIGINT)
        self.assertEqual(run.bad("syntax", "access"), 6)
        self.assertTrue(os.listdir(self.path("state")))

    def test_server_errors(self):
        log = loggen("--lines", "3000", "--bad", "500", *CAN_STAY).splitlines(keepends=True)
        environment = {"LOG": "access.log", "STATE_DIR": "state", "OUT_DIR": "out"}

        def add(lines):
            with open(self.path("access.log"), "ab") as file:
                file.writelines(lines)

        os.mkdir(self.path("out"))
        add(log[:1000])
        run = self.start(self.sample("server-errors.json"), env=environment)
        run.until_rows_in(998)
        add(log[1000:1500])
        os.rename(self.path("access.log"), self.path("access.log.1"))
        add(log[1500:2000])
        run.until_rows_in(1996)
        run.kill()  # the next run goes on where this one was
        add(log[2000:])
        self.run_now(self.sample("server-errors.json"), env=environment)
        errors = [json.loads(line) for line in read(self.path("out/server-errors.json")).splitlines()]
        wanted = awk('BEGIN { FS = "\\"" } NF == 7 { split($3, a, " "); if (a[1] >= 500) print $2 }',
                     text=b"".join(log))
        self.assertEqual([row["request"] + " HTTP/1.1" for row in errors], wanted)
        letters = [json.loads(line) for line in read(self.path("out/bad-lines.json")).splitlines()]
        self.assertEqual([letter["record"] for letter in letters],
                         [line.decode().rstrip("\n") for line in log if line.count(b'"') != 6])
        self.assertEqual(letters[0]["position"]["file"], "access.log")

    def test_word_count(self):
        self.write("texts/a.txt", "To be, or not to be:\n")
        self.write("texts/b.txt", "that is the question.\nTO BE\n")
        run = self.run_now(self.sample("word-count.json"), env={"TEXTS": "texts", "TOP": "2"})
        self.assertEqual([line.split() for line in run.out().splitlines()[2:]],
                         [["be", "3"], ["to", "3"]])

    def test_orders(self):
        run = self.run_now(self.sample("orders.json"), text='{"item": "tea", "price": 3.4}\n',
                           env={"ORDERS": os.path.join(SAMPLES, "data/orders")})
        turnover = sum(float(line.rsplit(",", 1)[1]) for line in run.out().splitlines())
        self.assertAlmostEqual(turnover, 7 + 2.8 + 3.5 + 18 + 8.4 + 8.4 + 3.4)
        self.assertEqual(run.bad("type", "shop"), 1)
        self.assertIn("tuesday.csv", run.log())


class Faults(scenario.Scenario):
    """The tests of the samples hold whatever is killed in whichever of their batches."""

    def with_faults(self, test):
        batches = max(len(test.get("input", [])), test.get("batches", 0))
        for batch in range(1, min(batches, 12) + 1):
            for kill in ("driver", "executor"):
                for when in ("during", "after"):
                    yield dict(test, name="%s; %s dies %s batch %d" %
                               (test["name"], kill, when, batch),
                               faults=[{"batch": batch, "kill": kill, "when": when}])

    def test_all(self):
        shutil.copytree(SAMPLES, self.path("samples"))
        for name in sorted(os.listdir(SAMPLES)):
            if not name.endswith(".json"):
                continue
            app = json.loads(read(os.path.join(SAMPLES, name)))
            app["tests"] = [more for test in app.get("tests", [])
                            for more in self.with_faults(test)]
            self.write("samples/" + name, json.dumps(app))
            run = self.command("test", "samples/" + name)
            self.assertIn("%d tests, 0 failed" % len(app["tests"]), run.err())


class Terminal(scenario.Scenario):
    """Rows and the status line on one terminal."""

    def test_rows_stand_on_lines_of_their_own(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": 50}}, interval="100ms")
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        run = Run(self, ["run", app], stdout=theirs)
        os.close(theirs)
        self.assertTrue(run.running())
        said = self.read_until(ours, b'"value":20,')
        run.stop()
        for line in said.decode().split("\n")[:-1]:
            self.assertRegex(line, r'^\{"value":\d+,"timestamp":"[^"]+"\}\r$')

    def test_the_status_line_stands_aside(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": 50}}, interval="100ms")
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        process = subprocess.Popen(
            [scenario.BINARY, "run", app], cwd=self.dir, stdin=subprocess.DEVNULL, stdout=theirs,
            stderr=theirs, env=dict(os.environ, **{scenario.MARK: self.mark}))
        os.close(theirs)
        said = self.read_until(ours, b'"value":20,')
        process.terminate()
        self.drain(ours)
        self.assertEqual(process.wait(), 0)
        text = said.decode()
        self.assertIn("rows/s", text)
        shown = [re.sub(r".*\r\x1b\[K", "", line.rstrip("\r")) for line in text.split("\n")[:-1]]
        rows = [line for line in shown if '"value"' in line]
        self.assertGreaterEqual(len(rows), 20)
        for row in rows:
            self.assertRegex(row, r'^\{"value":\d+,"timestamp":"[^"]+"\}$')

    def read_until(self, fd, text):
        said = b""
        while text not in said:
            self.assertTrue(select.select([fd], [], [], scenario.PATIENCE)[0], said)
            said += os.read(fd, 65536)
        return said

    def drain(self, fd):
        """Reads until nobody has the other end open."""
        try:
            while os.read(fd, 65536):
                pass
        except OSError:
            pass


if __name__ == "__main__":
    scenario.main()
