"""Arguments of the programs of the suite."""
import argparse
import sys


class Parser(argparse.ArgumentParser):
    """Ends as dstream does where arguments are wrong."""

    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(64, "%s: %s\n" % (self.prog, message))


def positive(text):
    """For `type`: 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("%d is not 1 or more" % number)
    return number


def positives(text):
    """Some, with commas."""
    return [positive(word) for word in text.split(",")]
