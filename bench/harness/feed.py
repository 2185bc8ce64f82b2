"""Runs the sender."""
import contextlib
import os
import subprocess
import sys
import threading

from harness import machine, measure
from harness.failed import Failed

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sender.py")


class Sender:
    def __init__(self, *arguments):
        argv = [sys.executable, PATH, *map(str, arguments)]
        self.process = subprocess.Popen(measure.begun(argv, machine.other_cores()), text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    def address(self):
        return "127.0.0.1:%d" % self.port

    def sent(self, patience=measure.PATIENCE):
        """Waits until all is sent, for so many seconds; how many lines."""
        timer = threading.Timer(patience, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if not line:
            raise Failed("what was sent was not taken within %g s" % patience)
        return int(line)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@contextlib.contextmanager
def port_of(part):
    """The port at which the part's records are to be had, once, if they come over TCP."""
    if not part.over_tcp:
        yield None
        return
    with Sender("files", *part.paths) as sender:
        yield sender.port
