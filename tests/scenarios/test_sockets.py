"""Source `socket`: connect and listen, whatever the other side does."""
import random
import signal
import socket
import time

import scenario
from scenario import UNAVAILABLE


class Socket(scenario.Scenario):
    def counting_app(self, source, **more):
        """Every record once: rows of (line, n) in out/."""
        return self.app({"in": {"type": "socket", **source}},
                        {"n": {"from": "in", "group_by": ["line"],
                               "aggregate": {"n": "count()"}}},
                        {"out": {"from": "n", "type": "file", "dir": "out"}}, **more)

    def counts(self):
        total = {}
        for row in self.collect_rows():
            total[row["line"]] = total.get(row["line"], 0) + row["n"]
        return total

    def until_counted(self, run, expected):
        run.until(lambda: len(self.counts()) >= len(expected) and self.counts() == expected,
                  "all records are counted once: %s" % str(expected)[:200])


class Connect(Socket):
    def test_lines_and_a_stop(self):
        server, port = self.server()
        run = self.start(self.counting_app({"connect": "127.0.0.1:%d" % port}))
        peer = self.accept(server)
        peer.sendall(b"a\nb\r\na\n\n")
        self.until_counted(run, {"a": 2, "b": 1, "": 1})
        peer.sendall(b"last")  # no end: still a record, of the last batch
        self.until_read(peer)
        run.stop()
        self.assertEqual(self.counts(), {"a": 2, "b": 1, "": 1, "last": 1})

    def test_a_line_in_many_packets(self):
        server, port = self.server()
        run = self.start(self.counting_app({"connect": "127.0.0.1:%d" % port}, interval="20ms"))
        peer = self.accept(server)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = "a line that comes in pieces, \u00e4 \u20ac \U0001f600, over several batches"
        for byte in (line + "\nnext\n").encode():
            peer.sendall(bytes([byte]))
            time.sleep(0.002)
        self.until_counted(run, {line: 1, "next": 1})
        run.stop()

    def test_reconnects(self):
        server, port = self.server()
        run = self.start(self.counting_app({"connect": "127.0.0.1:%d" % port}))
        expected = {}
        for i in range(3):
            peer = self.accept(server)
            peer.sendall(b"hello\nnumber %d\ncut of %d" % (i, i))
            peer.close()  # in the middle of a record, which needs no end
            expected.update({"hello": i + 1, "number %d" % i: 1, "cut of %d" % i: 1})
            self.until_counted(run, expected)
        run.until_log("closed by the peer; connecting again", times=3)
        run.stop()

    def test_the_server_goes_away_and_comes_back(self):
        server, port = self.server()
        run = self.start(self.counting_app({"connect": "127.0.0.1:%d" % port}))
        peer = self.accept(server)
        peer.sendall(b"one\n")
        self.until_counted(run, {"one": 1})
        server.close()
        peer.close()
        run.until_log("cannot connect to 127.0.0.1:%d: Connection refused" % port)
        server, _ = self.server(port)
        self.accept(server).sendall(b"two\n")
        self.until_counted(run, {"one": 1, "two": 1})
        run.stop()

    def test_a_peer_that_refuses_now(self):
        port = self.free_port()
        run = self.run_now(self.counting_app({"connect": "127.0.0.1:%d" % port}),
                           status=UNAVAILABLE)
        self.assertIn("source in: cannot connect to 127.0.0.1:%d: Connection refused" % port,
                      run.log())

    def test_a_peer_that_refuses_for_ever(self):
        port = self.free_port()
        run = self.start(self.counting_app({"connect": "127.0.0.1:%d" % port}))
        run.until_log("trying again")
        run.wait(UNAVAILABLE)
        self.assertIn("Connection refused", run.log().splitlines()[-1])

    def test_a_peer_that_comes_late(self):
        port = self.free_port()
        run = self.start(self.counting_app({"connect": "localhost:%d" % port}))
        run.until_log("Connection refused; trying again", times=2)
        server, _ = self.server(port)
        self.accept(server).sendall(b"late\n")
        self.until_counted(run, {"late": 1})
        run.stop()

    def test_a_host_that_does_not_resolve(self):
        run = self.start(self.counting_app({"connect": "no.such.host.invalid:1"}))
        run.wait(UNAVAILABLE)
        self.assertIn("no.such.host.invalid", run.log())

    def test_stop_while_it_dials(self):
        port = self.free_port()
        run = self.start(self.counting_app({"connect": "127.0.0.1:%d" % port}))
        run.until_log("trying again")
        run.stop()

    def test_available_now_ends_with_the_peer(self):
        server, port = self.server()
        app = self.counting_app({"connect": "127.0.0.1:%d" % port})
        for end in ("closes", "idles"):
            run = self.start(app, "--available-now")
            peer = self.accept(server)
            peer.sendall(b"%s\n" % end.encode() * 1000)
            if end == "closes":
                peer.close()
            run.wait()
        self.assertEqual(self.counts(), {"closes": 1000, "idles": 1000})

    def test_two_sources(self):
        servers = [self.server(), self.server()]
        app = self.app({"a": {"type": "socket", "connect": "127.0.0.1:%d" % servers[0][1]},
                        "b": {"type": "socket", "connect": "127.0.0.1:%d" % servers[1][1],
                              "format": "json", "schema": {"line": "string"}}},
                       {"n": {"from": ["a", "b"], "group_by": ["line"],
                              "aggregate": {"n": "count()"}}},
                       {"out": {"from": "n", "type": "file", "dir": "out"}})
        run = self.start(app)
        for server, _ in servers:
            peer = self.accept(server)
            peer.sendall(b"x\ny\n" if server is servers[0][0] else b'{"line": "x"}\n')
        self.until_counted(run, {"x": 2, "y": 1})
        run.stop()


class Listen(Socket):
    def listen(self, *options, **source):
        port = self.free_port()
        more = source.pop("app", {})
        app = self.counting_app({"listen": "127.0.0.1:%d" % port, **source}, **more)
        run = self.start(app, *options)
        run.until_log("listening on 127.0.0.1:%d" % port)
        return run, port

    def test_many_clients_at_once(self):
        run, port = self.listen()
        clients = [self.connect(port) for _ in range(100)]
        threads = [self.background(client.sendall, b"".join(
            b"client %d\nrecord %d\n" % (i, k) for k in range(200)))
            for i, client in enumerate(clients)]
        for thread in threads:
            thread.join()
        for client in clients[::2]:
            client.close()
        expected = {"client %d" % i: 200 for i in range(100)}
        expected.update({"record %d" % k: 100 for k in range(200)})
        self.until_counted(run, expected)
        clients[1].sendall(b"and still\n")
        expected["and still"] = 1
        self.until_counted(run, expected)
        run.stop()

    def test_clients_in_the_middle_of_records(self):
        # Halves of records of several clients never meet.
        run, port = self.listen(app={"interval": "20ms"})
        generator = random.Random(3)
        clients = [(self.connect(port), chr(ord("a") + i)) for i in range(8)]
        expected = {}
        for _ in range(300):
            client, letter = generator.choice(clients)
            whole = letter * generator.randrange(1, 40)
            cut = generator.randrange(len(whole))
            client.sendall(whole[:cut].encode())
            if generator.random() < 0.3:
                time.sleep(0.001)
            client.sendall(whole[cut:].encode() + b"\n")
            expected[whole] = expected.get(whole, 0) + 1
        for client, letter in clients:  # all hang up in the middle of a record
            client.sendall(letter.upper().encode() * 5)
            expected[letter.upper() * 5] = 1
            client.close()
        self.until_counted(run, expected)
        run.stop()

    def test_a_client_that_resets(self):
        run, port = self.listen()
        client = self.connect(port)
        client.sendall(b"whole\nhalf")
        self.until_counted(run, {"whole": 1})
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()  # RST
        self.send(port, "after\n")
        self.until_counted(run, {"whole": 1, "half": 1, "after": 1})
        run.stop()

    def test_clients_that_say_nothing(self):
        run, port = self.listen()
        silent = [self.connect(port) for _ in range(20)]
        self.send(port, "")
        self.send(port, "word\n")
        self.until_counted(run, {"word": 1})
        run.stop()
        self.assertEqual([s.recv(1) for s in silent], [b""] * 20)

    def test_a_port_in_use(self):
        _, port = self.server()
        run = self.start(self.counting_app({"listen": "127.0.0.1:%d" % port}))
        run.wait(UNAVAILABLE)
        self.assertIn("source in: 127.0.0.1:%d is in use by another process" % port, run.log())

    def test_an_address_that_is_not_ours(self):
        run = self.start(self.counting_app({"listen": "192.0.2.1:9999"}))
        run.wait(UNAVAILABLE)
        self.assertIn("cannot listen on 192.0.2.1:9999", run.log())

    def test_header_of_each_connection(self):
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port,
                               "format": "csv", "header": True,
                               "schema": {"k": "string", "v": "int"}}},
                       {"n": {"from": "in", "group_by": ["k"], "aggregate": {"v": "sum(v)"}}},
                       {"out": {"from": "n", "type": "file", "dir": "out"}})
        run = self.start(app)
        one, two, bad = [self.connect(port) for _ in range(3)]
        one.sendall(b"k,v\na,1\n")
        two.sendall(b"\n \nv,more,k\n10,x,a\n")
        bad.sendall(b"k,w\nx,1\ny,2\n")
        def sums():
            total = {}
            for row in self.collect_rows():
                total[row["k"]] = total.get(row["k"], 0) + row["v"]
            return total
        run.until(lambda: sums() == {"a": 11}, "both are added")
        one.sendall(b"b,2\na,100\n")
        two.sendall(b"1000,,a\n20,,b\n")
        run.until(lambda: sums() == {"a": 1111, "b": 22}, "both go on")
        run.until(lambda: run.bad("header") == 2, "bad headers count")
        run.stop()
        self.assertEqual(sums(), {"a": 1111, "b": 22})

    def test_stop_reads_what_was_received(self):
        run, port = self.listen(app={"interval": "10s"})  # the stop makes the only batch
        client = self.connect(port)
        client.sendall(b"word\n" * 1000 + b"unfinished")
        self.until_read(client)
        run.stop(number=signal.SIGINT)
        self.assertEqual(self.counts(), {"word": 1000, "unfinished": 1})

    def test_available_now_ends_when_all_have_left(self):
        run, port = self.listen("--available-now")
        clients = [self.connect(port) for _ in range(3)]
        for client in clients:  # with one of them there is always somebody left
            client.sendall(b"x\n" * 10)
        for client in clients:
            client.close()
        run.wait()
        self.assertEqual(self.counts(), {"x": 30})

    def test_available_now_ends_with_silence(self):
        more = {"checkpoint": {"dir": "state"}}
        run, port = self.listen("--available-now", app=more)
        self.connect(port).sendall(b"x\ny\n")  # and stays
        run.wait()
        run, _ = self.listen("--available-now", app=more)
        run.wait()  # nobody comes
        self.assertEqual(self.counts(), {"x": 1, "y": 1})

    def test_more_bytes_than_the_store(self):
        # 64 MiB through an app of which receivers may hold 4 MiB: slowed, not dropped.
        run, port = self.listen(app={"limits": {"memory": "16MiB", "block": "1MiB"},
                                     "executors": {"memory": "64MiB"}})
        line = b"x" * 1023 + b"\n"
        client = self.connect(port)
        for _ in range(64):
            client.sendall(line * 1024)
        client.close()
        self.until_counted(run, {"x" * 1023: 64 * 1024})
        self.assertEqual(run.last()["bad_records"], 0)
        run.stop()


if __name__ == "__main__":
    scenario.main()
