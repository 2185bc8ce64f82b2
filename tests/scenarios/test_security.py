"""Who may join an app: those who hold its secret, and nobody else, whatever strangers send."""
import json
import os
import random
import socket
import struct
import threading
import time

import outside
import scenario
from outside import OFF, SECRET
from scenario import WRONG_APP

KNOCK, PROOF, MESSAGE = 1, 8, 3


def frame(kind, body, length=None):
    return struct.pack("<IB3s", len(body) if length is None else length, kind, b"ds\1") + body


def knock():
    return frame(KNOCK, struct.pack("<I32s", 2, os.urandom(32)))


def fds(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def memory_kib(pid):
    return scenario.status_field(pid, "VmRSS")


class Security(outside.Outside):
    def counting_app(self, port, host="0.0.0.0", count=1, secret="${DSTREAM_SECRET}", **more):
        executors = {"count": count, "listen": "tcp://%s:%d" % (host, port)}
        if secret is not None:
            executors["secret"] = secret
        executors.update(more)
        return self.words_app(executors, checkpoint={"dir": "state"})

    def begin(self, port, env=None, options=(), **more):
        return self.begin_app(self.counting_app(port, **more), *options, env=env)

    def join(self, port, *options, host="127.0.0.1", **more):
        return self.executor("tcp://%s:%d" % (host, port), *options, **more)

    def test_beyond_this_host_there_is_a_secret(self):
        app = self.counting_app(1234, secret=None)
        for command in ("validate", "run", "explain"):
            run = self.command(command, app, status=WRONG_APP)
            self.assertIn("can be reached from other hosts", run.err())
        self.command("validate", self.counting_app(1234, host="127.0.0.1", secret=None))
        run = self.command("validate", self.counting_app(1234, secret="short"))
        self.assertIn("is short", run.err())
        self.assertNotIn('"short"', run.err())
        run = self.start(app, "--set", "executors.secret=" + SECRET)
        run.wait(64)
        self.assertIn("command line", run.err())

    def test_who_holds_the_secret_joins(self):
        port = self.free_port()
        self.write("secret", SECRET + "\n", aside=False)
        os.chmod(self.path("secret"), 0o600)
        run = self.begin(port, env=OFF, count=0)
        first = self.join(port, env=OFF)
        second = self.join(port, "--secret-file", self.path("secret"), secret="another one", env=OFF)
        n = self.until_all(run, 2)
        self.write("in/text", "a b c\n" * 10000)
        run.until_rows_in(n + 10000)
        run.stop()
        self.assertEqual([first.wait(scenario.PATIENCE), second.wait(scenario.PATIENCE)], [0, 0])
        self.assertEqual(self.counts(run), {"a": n + 10000, "b": n + 10000, "c": 10000})
        self.assertIn("copied over links", run.log())

    def test_executors_of_both_kinds_work_together(self):
        """Bytes go over links between one that was started and one that joined."""
        port = self.free_port()
        self.write("secret", SECRET, aside=False)
        os.chmod(self.path("secret"), 0o600)
        run = self.begin(port, env=OFF, secret=None, secret_file="secret")
        self.join(port, env=OFF)
        n = self.until_all(run, 2)
        self.write("in/text", "a b c\n" * 100000)
        run.until_rows_in(n + 100000)
        run.stop()
        self.assertEqual(self.counts(run), {"a": n + 100000, "b": n + 100000, "c": 100000})
        self.assertEqual(run.last()["failed_batches"], 0)

    def test_who_does_not_hold_it_is_told(self):
        port = self.free_port()
        run = self.begin(port)
        self.expect_refused(self.join(port, secret="another one"), "does not take our secret")
        self.expect_refused(self.join(port, secret=None), "wants a secret")
        self.expect_refused(self.join(port, secret=""), "wants a secret")
        self.expect_refused(self.join(port, "--secret-file", "none"), "none", status=66)
        self.expect_refused(self.join(port, secret=None, host="example.org"), "need a shared secret")
        self.write("empty", "\n", aside=False)
        self.expect_refused(self.join(port, "--secret-file", self.path("empty")), "one line")
        run.until_log("hold another secret or none")
        run.stop()

    def test_a_driver_without_the_secret_gets_no_executor(self):
        port = self.free_port()
        run = self.begin(port, host="127.0.0.1", secret=None)
        self.expect_refused(self.join(port), "another one, or none")
        run.stop()

    def test_the_secret_is_nowhere(self):
        port = self.free_port()
        literal = self.counting_app(port, secret=SECRET)
        self.assertNotIn(SECRET, self.command("explain", literal).out())
        run = self.begin(port, secret="${S}", env={"S": SECRET, "PART": SECRET[:20], "OTHER": "x"},
                         options=("--log-level", "debug"))
        outside = self.join(port)
        self.until_all(run, 2)
        for pid in set(run.executors()) - {outside.pid}:
            entries = scenario.read("/proc/%d/environ" % pid).split("\0")
            own = [entry.split("=")[0] for entry in entries]
            self.assertIn("OTHER", own)
            self.assertNotIn("PART", own)
        for pid in run.executors() + [outside.pid]:
            for name in ("cmdline", "environ"):
                with open("/proc/%d/%s" % (pid, name), "rb") as file:
                    text = file.read().decode(errors="replace")
                self.assertNotIn(SECRET, text)
                for entry in text.split("\0"):
                    if entry.startswith(("DSTREAM_KEY=", "DSTREAM_TOKEN=", "DSTREAM_SECRET=")):
                        self.assertEqual(entry.split("=", 1)[1], "")
        run.stop()
        self.assertNotIn(SECRET, run.err())
        for folder, _, names in os.walk(self.path("state")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    self.assertNotIn(SECRET.encode(), file.read())

    def test_what_is_kept_is_for_the_user_alone(self):
        """The checkpoint and dead letters; but not what sinks write, for which there is the umask."""
        app = self.app(
            {"in": {"type": "socket", "connect": "127.0.0.1:%d" % self.free_port()},
             "bad": {"type": "files", "dir": "in", "format": "json", "on_error": "dead_letter",
                     "schema": {"n": "int"}}},
            {"n": {"from": "bad", "window": {"size": "1s"}, "group_by": ["n"],
                   "aggregate": {"c": "count()"}}},
            {"rows": {"from": "bad", "type": "file", "dir": "out"},
             "all": {"from": "bad", "type": "append", "path": "all.jsonl"},
             "lines": {"from": "in", "type": "console"},
             "n": {"from": "n", "type": "console"}},
            checkpoint={"dir": "state", "every": "200ms"}, dead_letters="letters/dead.jsonl")
        port = json.loads(scenario.read(self.path(app)))["sources"]["in"]["connect"].split(":")[1]
        listener = socket.create_server(("127.0.0.1", int(port)))
        self.addCleanup(listener.close)
        self.write("in/a", '{"n": 1}\nbad\n')
        os.makedirs(self.path("letters"))
        run = self.start(app, umask=0o022)
        s = listener.accept()[0]
        self.addCleanup(s.close)
        s.sendall(b"a line\n")
        run.until_rows_in(2)
        run.until(lambda: os.path.exists(self.path("letters/dead.jsonl")), "dead letters")
        run.until_batches(5)
        self.assertTrue(os.path.isdir(self.path("state/log")))
        for folder, folders, names in os.walk(self.path("state")):
            self.assertEqual(os.stat(folder).st_mode & 0o777, 0o700, folder)
            for name in names:
                try:
                    mode = os.stat(os.path.join(folder, name)).st_mode & 0o777
                except FileNotFoundError:
                    continue
                self.assertEqual(mode, 0o600, name)
        s.close()
        run.stop()
        self.assertEqual(os.stat(self.path("letters/dead.jsonl")).st_mode & 0o777, 0o600)
        self.assertEqual(os.stat(self.path("all.jsonl")).st_mode & 0o777, 0o644)
        self.assertEqual(os.stat(self.path("out")).st_mode & 0o777, 0o755)
        for folder, _, names in os.walk(self.path("out")):
            for name in names:
                self.assertEqual(os.stat(os.path.join(folder, name)).st_mode & 0o777, 0o644)

    # ---- attacks ----

    def connect_from(self, source, port):
        s = socket.socket()
        s.settimeout(5)
        # Nothing of it is to stay in the way of who wants to listen later.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            s.bind((source, 0))
            s.connect(("127.0.0.1", port))
        except OSError:
            s.close()
            return None
        return s

    def attack(self, port, say, source, over):
        """Connects and says things, again and again, and keeps some connections open."""
        generator = random.Random(source)
        kept = []
        while not over.is_set():
            s = self.connect_from(source, port)
            if s is None:
                continue
            try:
                say(s, generator, over)
            except OSError:
                pass
            kept.append(s)
            if len(kept) > 20:
                kept.pop(0).close()
        for s in kept:
            s.close()

    def test_strangers_do_no_harm(self):
        def nothing(s, generator, over):
            pass

        def garbage(s, generator, over):
            s.sendall(bytes(generator.getrandbits(8) for _ in range(generator.randrange(5000))))

        def endless(s, generator, over):
            s.sendall(knock())
            while not over.is_set():
                s.sendall(b"\0" * 65536)

        def oversize(s, generator, over):
            s.sendall(frame(generator.choice((KNOCK, PROOF, MESSAGE)), b"x", 2**32 - 1))

        def half(s, generator, over):
            s.sendall(knock()[:generator.randrange(44)])

        def drip(s, generator, over):
            for byte in knock() + frame(PROOF, b"\0" * 32):
                s.sendall(bytes([byte]))
                if over.wait(0.05):
                    return

        def guess(s, generator, over):
            s.sendall(knock() + frame(PROOF, os.urandom(32)))
            s.recv(1000)

        def message_first(s, generator, over):
            s.sendall(knock() + frame(MESSAGE, b"\0" * 1000))

        port = self.free_port()
        run = self.begin(port, count=2)
        self.write("in/first", "a b\n")
        run.until_rows_in(1)
        run.until(lambda: run.last().get("executors") == 2, "both are there")
        before = fds(run.pid), memory_kib(run.pid)
        over = threading.Event()
        says = (nothing, garbage, endless, oversize, half, drip, guess, message_first)
        threads = [threading.Thread(target=self.attack, daemon=True,
                                    args=(port, say, "127.0.1.%d" % (i + 1), over))
                   for i, say in enumerate(says)]
        for thread in threads:
            thread.start()
        try:
            batches = run.last()["batches"]
            ends = time.monotonic() + 5
            most = 0
            for number in range(1, 1000):
                self.write("in/during-%d" % number, "a b\n")
                run.until_rows_in(1 + number)
                most = max(most, fds(run.pid))
                if time.monotonic() > ends:
                    break
            self.assertGreater(run.last()["batches"], batches)
            self.assertLess(most, before[0] + 300)
            # One who holds the secret gets in all the same.
            self.join(port)
            number += self.until_all(run, 3)
        finally:
            over.set()
        for thread in threads:
            thread.join(scenario.PATIENCE)
        scenario.until(lambda: fds(run.pid) <= before[0] + 10, "connections are closed")
        if not scenario.is_sanitized():
            self.assertLess(memory_kib(run.pid), before[1] + 20000)
        run.until_rows_in(1 + number)
        run.stop()
        self.assertEqual(run.last()["failed_batches"], 0)
        self.assertEqual(run.last()["executors_lost"], 0)
        self.assertEqual(self.counts(run), {"a": 1 + number, "b": 1 + number})
        self.assertIn("connections of strangers were closed", run.log())


if __name__ == "__main__":
    scenario.main()
