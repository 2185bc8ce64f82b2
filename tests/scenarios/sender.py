"""A sender over a socket that believes what docs/delivery.md says it may, and no more."""
import socket
import threading
import time

import scenario


class Sender(threading.Thread):
    """Sends numbers, a line each, and believes acknowledgements only: what was not acknowledged
    when a connection breaks is sent again on the next one."""

    def __init__(self, port, pause=0.0005):
        super().__init__(daemon=True)
        self.port = port
        self.pause = pause
        self.safe = 0        # numbers below are safe
        self.next = 0        # the next new number
        self.again = set()   # numbers that were sent more than once
        self.ending = False
        self.wrong = None

    def line(self, number):
        return b"%d\n" % number

    def run(self):
        while self.wrong is None and not (self.ending and self.safe == self.next):
            try:
                with socket.create_connection(("127.0.0.1", self.port), 30) as peer:
                    self.talk(peer)
            except OSError:
                time.sleep(0.02)

    def talk(self, peer):
        peer.settimeout(scenario.PATIENCE)
        base = self.safe
        self.again.update(range(base, self.next))
        listener = threading.Thread(target=self.listen, args=(peer, base), daemon=True)
        listener.start()
        try:
            peer.sendall(b"".join(map(self.line, range(base, self.next))))
            while not self.ending and listener.is_alive():
                peer.sendall(self.line(self.next))
                self.next += 1
                time.sleep(self.pause)
            peer.shutdown(socket.SHUT_WR)
        finally:
            listener.join(scenario.PATIENCE)

    def listen(self, peer, base):
        last = 0
        try:
            for line in peer.makefile("rb"):
                number = int(line)
                if not last <= number or base + number > self.next + 1:
                    self.wrong = "told %d after %d, %d were sent" % (number, last, self.next - base)
                last = number
                self.safe = max(self.safe, base + number)
        except OSError:
            pass

    def finish(self):
        """All that was sent is safe when it returns."""
        self.ending = True
        self.join(scenario.PATIENCE)
