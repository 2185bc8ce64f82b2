"""Arguments of the programs of the suite."""
import argparse
import sys


class Parser(argparse.ArgumentParser):
    """Ends as dstream does where arguments are wrong."""

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(64, "%s: %s\n" % (self.prog, message))
