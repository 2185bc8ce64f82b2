"""Writes bench/RESULTS.md: the tables of one run, with the machine and all versions."""
import datetime
import os

from harness import machine, table

PATH = os.path.join(machine.TOP, "bench", "RESULTS.md")


def head(options, seconds):
    lines = [("date", datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"))]
    lines += machine.description()
    for peer in options.peers:
        why = peer.absent()
        lines.append((peer.NAME, "absent: " + why if why else peer.version()))
    lines.append(("the run", "%d rounds, scale %g, %.0f minutes" % (
        options.rounds, options.scale, seconds / 60)))
    return "".join("- %s: %s\n" % line for line in lines)


WHY = "\n## Goals that are not met, and why\n"


def reasons():
    """What people wrote below that line stays."""
    try:
        with open(PATH, encoding="utf-8") as file:
            return file.read().partition(WHY)[2]
    except OSError:
        return ""


def write(texts, options, seconds):
    """`texts`: (name, table as Markdown) of each workload."""
    why = reasons()
    with open(PATH, "w", encoding="utf-8") as file:
        file.write("# Results\n\nWritten by `bench/run --record`; [README.md](README.md) tells what "
                   "is measured and how, [peers/README.md](peers/README.md) how the peers are set.\n"
                   "\n" + head(options, seconds))
        file.write("\n## All goals\n\n" + table.overview())
        for name, text in texts:
            title, body = text.split("\n\n", 1)
            file.write("\n## %s\n\n%s\n\n%s" % (name, title, body))
        file.write(WHY + (why or "\n"))
