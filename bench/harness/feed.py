"""Runs the sender."""
import os
import subprocess
import sys

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sender.py")

class Sender:
    def __init__(self, *arguments):
        self.process = subprocess.Popen([sys.executable, PATH, *map(str, arguments)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
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
