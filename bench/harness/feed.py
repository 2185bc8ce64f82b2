"""Runs the sender."""
import contextlib
import os
import subprocess
import sys

from harness import machine, measure

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sender.py")


class Sender:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([sys.executable, PATH, *map(str, arguments)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=measure.pinned(machine.other_cores()))
        self.port = int(self.process.stdout.readline())

    def address(self):
        return "127.0.0.1:%d" % self.port

    def sent(self):
        """Waits until all is sent; how many lines."""
        return int(self.process.stdout.readline() or 0)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@contextlib.contextmanager
def port_of(part):
    """The port at which the part's records are to be had, once, if they come over TCP."""
    if not part.over_tcp:
        yield None
        return
    sender = Sender("files", *part.paths)
    try:
        yield sender.port
    finally:
        sender.close()
