"""`api`: metrics in a format that a strict reader takes, what they say, and who is well."""
import http.client
import json
import math
import os
import re
import socket
import struct
import subprocess
import threading
import time

import scenario
from scenario import UNAVAILABLE

DOCS = os.path.join(scenario.HERE, "../../docs/metrics.md")

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'


class Page:
    """The text format 0.0.4, read strictly: every metric has HELP, then TYPE, then all its
    samples, once; counters end in _total, histograms are whole and add up."""

    def __init__(self, text):
        assert text.endswith("\n"), "the last line has no end"
        self.types, self.labels, self.samples = {}, {}, {}
        helped = current = None
        for line in text.split("\n")[:-1]:
            if line.startswith("# HELP "):
                found = re.fullmatch(r"# HELP (%s) (\S.*)" % NAME, line)
                assert found, line
                assert re.fullmatch(r"(?:[^\\]|\\\\|\\n)*", found[2]), line
                assert found[1] not in self.types, "twice: " + line
                helped = found[1]
            elif line.startswith("#"):
                found = re.fullmatch(r"# TYPE (%s) (counter|gauge|histogram)" % NAME, line)
                assert found and found[1] == helped, line
                current = helped
                self.types[current] = found[2]
            else:
                self.sample(current, line)
        for name, kind in self.types.items():
            self.check(name, kind)

    def sample(self, current, line):
        found = re.fullmatch(r"(%s)(?:\{(.*)\})? (\S+)" % NAME, line)
        assert found, line
        name, inside, value = found[1], found[2], found[3]
        suffixes = ("_bucket", "_sum", "_count") if self.types[current] == "histogram" else ("",)
        assert name in [current + suffix for suffix in suffixes], line
        labels = {}
        if inside is not None:
            assert re.fullmatch("%s(?:,%s)*" % (LABEL, LABEL), inside), line
            for label, text in re.findall(LABEL, inside):
                assert label not in labels, line
                labels[label] = re.sub(r'\\(.)', lambda m: {"n": "\n"}.get(m[1], m[1]), text)
        assert re.fullmatch(r"[+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|Inf)|NaN", value), line
        key = (name, tuple(sorted(labels.items())))
        assert key not in self.samples, "twice: " + line
        self.samples[key] = float(value)
        self.labels.setdefault(current, set()).add(tuple(sorted(set(labels) - {"le"})))

    def check(self, name, kind):
        assert name in self.labels, "no sample of " + name
        assert len(self.labels[name]) == 1, "labels differ: " + name
        assert name.endswith("_total") == (kind == "counter"), name
        assert re.fullmatch("[a-z_]+", name) and name.startswith("dstream_"), name
        if kind == "counter":
            assert all(v >= 0 for (n, _), v in self.samples.items() if n == name), name
        if kind != "histogram":
            return
        buckets = [(float(dict(labels)["le"]), value) for (n, labels), value in
                   self.samples.items() if n == name + "_bucket"]
        assert buckets == sorted(buckets), "buckets out of order: " + name
        assert all(a[1] <= b[1] for a, b in zip(buckets, buckets[1:])), name
        assert math.isinf(buckets[-1][0]), name
        assert buckets[-1][1] == self[name + "_count"], name
        assert self[name + "_sum"] >= 0, name

    def __getitem__(self, name):
        return self.get(name)

    def get(self, name, **labels):
        return self.samples[("dstream_" + name.removeprefix("dstream_"),
                             tuple(sorted(labels.items())))]

    def names(self):
        return {name: (kind, next(iter(self.labels[name]))) for name, kind in self.types.items()}


def documented():
    """{name: (type, labels)} of the table in docs/metrics.md."""
    found = re.findall(r"^\| `(dstream_\w+)` \| (\w+) \|([\w, ]*)\|", scenario.read(DOCS), re.M)
    return {name: (kind, tuple(sorted(label.strip() for label in labels.split(",") if label.strip())))
            for name, kind, labels in found}


class Metrics(scenario.Scenario):
    def get(self, path, port=None, method="GET"):
        """(status, type, body) of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port,
                                                timeout=scenario.PATIENCE)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.getheader("Content-Type"), answer.read().decode()
        finally:
            connection.close()

    def page(self):
        status, kind, body = self.get("/metrics")
        self.assertEqual(status, 200)
        self.assertEqual(kind, "text/plain; version=0.0.4; charset=utf-8")
        return Page(body)

    def until_page(self, run, condition, what):
        run.until(lambda: condition(self.page()), what)
        return self.page()

    def api(self):
        self.port = self.free_port()
        return {"listen": "127.0.0.1:%d" % self.port}

    def until_ready(self, run):
        def ready():
            try:
                return self.get("/ready")[0] == 200
            except OSError:
                return False
        run.until(ready, "the app is ready")


class ThePage(Metrics):
    def test_what_is_documented_is_there_and_nothing_else(self):
        os.mkdir(self.path("in"))
        self.write("log", "one\ntwo\n")
        self.write("users", '{"id": 1}\n')
        port = self.free_port()
        app = self.app({"files": {"type": "files", "dir": "in", "format": "json",
                                  "schema": {"id": "int"}, "on_error": "dead_letter"},
                        "log": {"type": "tail", "path": "log", "max_rate": 1000},
                        "net": {"type": "socket", "listen": "127.0.0.1:%d" % port},
                        "users": {"type": "table", "path": "users", "format": "json",
                                  "schema": {"id": "int"}}},
                       {"j": {"from": "files", "join": {"with": "users", "on": ["id"]}},
                        "w": {"from": "log", "window": "1s", "group_by": ["line"],
                              "aggregate": {"n": "count()"}}},
                       {"out": {"from": "j", "type": "file", "dir": "out"},
                        "grown": {"from": "w", "type": "append", "path": "grown"},
                        "screen": {"from": "net", "type": "console"}},
                       dead_letters="dead", checkpoint={"dir": "state", "every": "1s"}, backpressure=True,
                       api=self.api())
        run = self.start(app)
        self.until_ready(run)
        self.write("in/a", '{"id": 1}\n{"id": 2}\nx\n{"id": "y"}\n')
        self.send(port, "a\nbc\n")
        page = self.until_page(run, lambda p: p.get("source_rows_total", source="files") == 2 and
                               p.get("source_rows_total", source="log") == 2 and
                               p.get("sink_rows_total", sink="screen") == 2 and
                               p.get("sink_rows_total", sink="out") == 1 and
                               p.get("sink_rows_total", sink="dead_letters") == 2 and
                               p.get("sink_rows_total", sink="grown") == 2,
                               "all was counted")
        self.assertEqual(page.names(), documented())
        self.assertEqual(page.get("source_bad_records_total", source="files", reason="syntax"), 1)
        self.assertEqual(page.get("source_bad_records_total", source="files", reason="type"), 1)
        self.assertEqual(page.get("source_bad_records_total", source="log", reason="type"), 0)
        self.assertEqual(page.get("source_bytes_total", source="log"), 8)
        self.assertEqual(page.get("source_bytes_behind", source="log"), 0)
        self.assertEqual(page.get("source_files", source="log"), 1)
        self.assertEqual(page.get("source_table_version", source="users"), 1)
        self.assertEqual(page.get("source_rate_limit", source="log"), 1000)
        self.assertEqual(page["dead_letters_total"], 2)
        self.assertEqual(page["executors"], 2)
        self.assertGreater(page["batches_total"], 0)
        self.assertGreater(page["journal_write_seconds_count"], 0)
        self.assertGreaterEqual(page["commit_seconds_count"], page["batches_total"])
        self.assertEqual(page["batch_delay_seconds_count"], page["batches_total"])
        self.assertGreater(page.get("stream_task_seconds_total", stream="w"), 0)
        self.assertEqual(page.get("stream_shuffled_rows_total", stream="w"), 2)
        self.assertEqual(page["batch_interval_seconds"], 0.1)
        for slot in ("0", "1"):
            self.assertGreater(page.get("executor_store_limit_bytes", executor=slot), 0)
        self.assertEqual(page.get("sink_bytes_total", sink="grown"),
                         os.path.getsize(self.path("grown")))
        page = self.until_page(run, lambda p: p["saves_total"] > 1, "two saves")
        self.assertEqual(page["save_seconds_count"], page["saves_total"])
        self.assertGreater(page["saved_bytes_total"], 0)
        run.stop()

    def test_figures_are_those_of_the_summary(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": 1000}},
                       {"n": {"from": "in", "group_by": ["value"]}}, api=self.api())
        run = self.start(app)
        self.until_ready(run)
        before = self.until_page(run, lambda p: p["batches_total"] >= 2, "two batches")
        after = self.until_page(run, lambda p: p["batches_total"] >= before["batches_total"] + 3,
                                "three more")
        for name, kind in after.types.items():
            if kind == "counter":
                for key, value in after.samples.items():
                    if key[0] == name:
                        self.assertGreaterEqual(value, before.samples[key], key)
        self.assertEqual(after.get("sink_rows_total", sink="screen"), after["rows_out_total"])
        self.assertEqual(after["rows_in_total"] % 100, 0)
        run.stop()
        self.assertEqual(run.last()["rows_in"], len(run.rows()))

    def test_slots_of_executors_are_used_again(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": 100}}, api=self.api())
        run = self.start(app)
        self.until_ready(run)
        for lost in range(1, 4):
            self.kill(run.until_executors(2)[0])
            page = self.until_page(run, lambda p: p["executors_lost_total"] == lost and
                                   p["executors"] == 2, "it was replaced")
            slots = {dict(labels)["executor"] for (name, labels) in page.samples
                     if name == "dstream_executor_tasks"}
            self.assertEqual(slots, {"0", "1"})
        run.stop()

    def test_a_sink_that_fails(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": 100}},
                       sinks={"out": {"from": "in", "type": "file", "dir": "out"}},
                       api=self.api())
        run = self.start(app)
        self.until_ready(run)
        self.until_page(run, lambda p: p.get("sink_rows_total", sink="out") > 0, "some rows")
        # What it would make a folder of next is a file.
        def in_the_way():
            now = int(time.time() * 1000) // 100 * 100
            for ahead in range(0, 3000, 100):
                if not os.path.exists(self.path("out", str(now + ahead))):
                    open(self.path("out", str(now + ahead)), "w").close()
            return self.page().get("sink_failures_total", sink="out") > 0
        run.until(in_the_way, "a failure was counted")
        run.until(lambda: self.get("/ready")[0] == 503, "it is not ready")
        self.assertEqual(self.get("/health")[0], 200)
        run.kill()


class Health(Metrics):
    def test_alive_and_ready(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": 10}}, api=self.api())
        run = self.start(app)
        self.until_ready(run)
        for path in ("/health", "/ready"):
            status, kind, body = self.get(path)
            self.assertEqual((status, kind), (200, "application/json"))
            body = json.loads(body)
            self.assertEqual((body["alive"], body["ready"], body["executors"]), (True, True, 2))
        self.assertEqual(self.get("/")[0], 404)
        self.assertEqual(self.get("/metrics/more")[0], 404)
        self.assertEqual(self.get("/metrics", method="POST")[0], 405)
        self.assertEqual(self.get("/metrics", method="HEAD")[2], "")
        run.stop()
        with self.assertRaises(OSError):
            self.get("/health")

    def test_not_ready_before_executors_are(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": 10}}, api=self.api(),
                       executors={"count": 0, "listen": "tcp://127.0.0.1:%d" % self.free_port()})
        run = self.start(app)
        run.until_log("metrics are at http://127.0.0.1:%d/metrics" % self.port)
        status, _, body = self.get("/ready")
        self.assertEqual(status, 503)
        self.assertEqual(json.loads(body)["executors"], 0)
        self.assertEqual(self.get("/health")[0], 200)
        self.assertEqual(self.page()["executors"], 0)
        run.stop()

    def test_a_driver_that_stands_still(self):
        """Its control cannot say that; nobody reads what it logs, so it waits in a write."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        app = self.app({"in": {"type": "rate", "rows_per_second": 10}}, interval="5ms",
                       api=self.api())
        environment = dict(os.environ, TMPDIR=self.tmpdir)
        environment[scenario.MARK] = self.mark
        process = subprocess.Popen([scenario.BINARY, "run", app, "--progress", "json"],
                                   cwd=self.dir, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=writer)
        os.close(writer)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        def unwell():
            try:
                status, _, body = self.get("/health")
            except OSError:
                return False
            return status == 503 and json.loads(body)["alive"] is False
        scenario.until(unwell, "it is not alive")
        self.assertEqual(self.get("/metrics")[0], 503)
        # Somebody reads: it goes on.
        os.set_blocking(reader, False)
        def well():
            try:
                while os.read(reader, 65536):
                    pass
            except BlockingIOError:
                pass
            return self.get("/health")[0] == 200
        scenario.until(well, "it is alive again")

    def test_a_port_in_use(self):
        server, port = self.server()
        app = self.app({"in": {"type": "rate", "rows_per_second": 10}},
                       api={"listen": "127.0.0.1:%d" % port})
        run = self.start(app)
        run.wait(UNAVAILABLE)
        self.assertIn("api.listen: 127.0.0.1:%d is in use by another process" % port, run.err())

    def test_addresses_of_others(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": 10}},
                       api={"listen": "192.0.2.1:4040"})
        run = self.start(app)
        run.wait(UNAVAILABLE)
        self.assertIn("api.listen: cannot listen on 192.0.2.1:4040", run.err())
        self.assertIn("api.listen: is not a loopback address", run.err())
        app = self.app({"in": {"type": "rate", "rows_per_second": 10}},
                       api={"listen": "0.0.0.0:%d" % self.free_port()})
        self.assertIn("is not a loopback address", self.command("validate", app).err())


class Hostile(Metrics):
    def test_slow_and_silent_clients(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": 1000}}, api=self.api())
        run = self.start(app)
        self.until_ready(run)
        descriptors = len(os.listdir("/proc/%d/fd" % run.pid))
        silent = []
        for i in range(200):
            s = self.connect(self.port)
            silent.append(s)
            if i % 3 > 0:
                s.sendall(b"GET /metrics HT")
            elif i % 2 > 0:  # asks, and does not read
                s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
                s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertLessEqual(len(os.listdir("/proc/%d/fd" % run.pid)), descriptors + 40)
        batches = self.page()["batches_total"]
        self.until_page(run, lambda p: p["batches_total"] > batches + 5, "it goes on")
        run.stop()

    def test_garbage(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": 1000}}, api=self.api())
        run = self.start(app)
        self.until_ready(run)
        for text in (b"\0" * 100000, b"\r\n" * 5000, b"GET " + b"/" * 20000, b"\x16\x03\x01" * 50,
                     b"GET /metrics HTTP/1.1\r\n" + b"X: y\r\n" * 5000,
                     b"GET /metrics HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n" * 100):
            s = self.connect(self.port)
            try:
                s.sendall(text)
                while s.recv(65536):
                    pass
            except OSError:
                pass
        for _ in range(50):  # hang up with a reset, asked or not
            s = self.connect(self.port)
            s.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        self.page()
        run.stop()

    def test_many_requests_hold_nothing_up(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": 1000}}, api=self.api())
        run = self.start(app)
        self.until_ready(run)
        stop = threading.Event()
        def hammer():
            while not stop.is_set():
                try:
                    self.get("/metrics")
                except OSError:
                    pass
        for _ in range(4):
            self.background(hammer)
        batches = run.last().get("batches", 0)
        run.until_batches(batches + 10)
        stop.set()
        run.stop()
        self.assertEqual(run.last()["failed_batches"], 0)


if __name__ == "__main__":
    scenario.main()
