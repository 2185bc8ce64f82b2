"""Executors that join over TLS: certificates of both sides are verified, and then the secret is proved."""
import os
import shutil
import socket
import ssl
import threading
import unittest

import outside
import scenario
from certificates import Authority
from outside import OFF, SECRET
from scenario import WRONG_APP


@unittest.skipUnless(shutil.which("openssl"), "there is no openssl to make certificates with")
class Tls(outside.Outside):
    def setUp(self):
        super().setUp()
        self.certificates = os.path.join(self.outside, "certificates")
        self.ca = Authority(self.certificates)
        self.ours = self.ca.sign("ours", "localhost")

    def counting_app(self, port, cert=None, ca=None, count=1, name="localhost", host="localhost"):
        cert = cert or self.ours
        tls = {"cert": cert[0], "key": cert[1], "ca": ca or self.ca.path}
        if name is not None:
            tls["name"] = name
        return self.words_app({"count": count, "listen": "tls+tcp://%s:%d" % (host, port),
                               "secret": "${DSTREAM_SECRET}", "tls": tls})

    def begin(self, port, env=None, **more):
        return self.begin_app(self.counting_app(port, **more), env=env)

    def join(self, port, cert=None, ca=None, name="localhost", host="localhost", scheme="tls+tcp",
             options=None, **more):
        cert = cert or self.ours
        if options is None:
            options = ["--tls-cert", cert[0], "--tls-key", cert[1], "--tls-ca", ca or self.ca.path]
            options += ["--tls-name", name] if name is not None else []
        return self.executor("%s://%s:%d" % (scheme, host, port), *options, **more)

    def test_the_same_results(self):
        """Also where bytes go from one executor to another, and to the driver: over TLS, too."""
        port = self.free_port()
        run = self.begin(port, env=OFF)
        outside = self.join(port, env=OFF)
        n = self.until_all(run, 2)
        self.write("in/text", "a b c\n" * 100000)
        run.until_rows_in(n + 100000)
        run.stop()
        self.assertEqual(outside.wait(scenario.PATIENCE), 0)
        self.assertEqual(self.counts(run), {"a": n + 100000, "b": n + 100000, "c": 100000})
        self.assertEqual(run.last()["failed_batches"], 0)
        self.assertIn("copied over links", run.log())

    def test_on_every_address(self):
        port = self.free_port()
        run = self.begin(port, host="*", count=0)
        self.join(port, host="127.0.0.1")
        self.join(port, host="localhost", name=None)
        self.until_all(run, 2)
        run.stop()

    def test_wrong_certificates_are_told(self):
        port = self.free_port()
        other = Authority(self.certificates, "other")
        run = self.begin(port)
        self.expect_refused(self.join(port, ca=other.path), "not signed by an authority that we know")
        self.expect_refused(self.join(port, name="example.org"), 'not for the name "example.org"')
        self.expect_refused(self.join(port, name=None, host="127.0.0.1"),
                            'not for the name "127.0.0.1"')
        self.expect_refused(self.join(port, cert=other.sign("theirs", "localhost")),
                            "does not take our certificate", None)
        self.expect_refused(self.join(port, secret="another one"), "does not take our secret")
        self.join(port)
        self.until_all(run, 2)
        run.stop()

    def test_the_last_try_says_less_than_the_one_before(self):
        """Who hangs up after the handshake is worth other tries; the one that the deadline cuts short
        knows nothing better."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.ours)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            process = self.join(listener.getsockname()[1])
            for _ in range(2):  # a try, and the look for its reason
                with context.wrap_socket(listener.accept()[0], server_side=True):
                    pass
            self.expect_refused(process, "does not take our certificate", None)

    def test_a_driver_whose_certificate_has_expired(self):
        """It does not start; and one whose certificate expires while it runs gets no new executor."""
        old = self.ca.sign("old", "localhost", days=-1)
        app = self.counting_app(self.free_port(), cert=old)
        run = self.start(app, env={"DSTREAM_SECRET": SECRET})
        run.wait(WRONG_APP)
        self.assertIn("has expired", run.err())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*old)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(0.1)
            process = self.join(listener.getsockname()[1])

            def serve():
                while process.poll() is None:
                    try:
                        s = listener.accept()[0]
                        context.wrap_socket(s, server_side=True).close()
                    except OSError:
                        pass
            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            self.expect_refused(process, "has expired")
            thread.join(scenario.PATIENCE)

    def test_wrong_files_are_told(self):
        port = self.free_port()
        cert, key = self.ours
        others = self.ca.sign("others", "localhost")
        for files, words, status in (
                ((cert, others[1]), "is not the key of the certificate", WRONG_APP),
                ((key, key), "no certificate in it", WRONG_APP),
                ((cert, cert), "no key in it", WRONG_APP),
                ((cert, "none.pem"), "none.pem", 66)):
            run = self.start(self.counting_app(port, cert=files), env={"DSTREAM_SECRET": SECRET})
            run.wait(status)
            self.assertIn(words, run.err())
            self.expect_refused(self.join(port, cert=files), words, status)
        self.expect_refused(self.join(port, name="n" * 254), "1 to 253 bytes")
        self.expect_refused(self.join(port, name=""), "1 to 253 bytes")
        self.expect_refused(self.join(port, options=()), "needs certificates")
        self.expect_refused(self.join(port, options=("--tls-cert", cert)), "belong together", 64)

    def test_who_speaks_no_tls_gets_nowhere(self):
        port = self.free_port()
        run = self.begin(port)
        fds = len(os.listdir("/proc/%d/fd" % run.pid))
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                s.sendall(b"GET / HTTP/1.1\r\n\r\n")
                s.settimeout(scenario.PATIENCE)
                try:
                    while s.recv(1000):
                        pass
                except ConnectionResetError:
                    pass
        run.until_log("said something else")
        process = self.join(port, scheme="tcp", options=())
        self.expect_refused(process, "nobody answers at", 69)
        self.join(port)
        self.until_all(run, 2)
        scenario.until(lambda: len(os.listdir("/proc/%d/fd" % run.pid)) <= fds + 20, "all closed")
        run.stop()

    def test_keys_that_do_not_belong_together(self):
        port = self.free_port()
        app = {"listen": "tcp://127.0.0.1:%d" % port, "tls": {"cert": "a", "key": "b", "ca": "c"}}
        streams = ({"in": {"type": "stdin"}}, {}, {"out": {"from": "in", "type": "console"}})
        run = self.command("validate", self.app(*streams, executors=app), status=WRONG_APP)
        self.assertIn("executors.tls", run.err())
        app = {"listen": "tls+tcp://127.0.0.1:%d" % port}
        run = self.command("validate", self.app(*streams, executors=app), status=WRONG_APP)
        self.assertIn("needs certificates", run.err())
        app["tls"] = {"cert": "a", "key": "b"}
        run = self.command("validate", self.app(*streams, executors=app), status=WRONG_APP)
        self.assertIn('"ca"', run.err())


if __name__ == "__main__":
    scenario.main()
