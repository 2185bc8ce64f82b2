"""Words and Yahoo with two executors against one. No process is bound to a core: with two of them
the driver, the kernel and what measures share the cores, with one they have the other core. What
two processes of plain C have of the second core stands beside it: there is no more to be had."""
import statistics

from harness import contestants, parts, table, throughput
from harness.failed import Failed
from workloads import words, yahoo

TITLE = "Scaling: two executors against one, on all cores; file source"
WEIGHT = 65
TIMES = {"words": 4, "yahoo": 10}  # the data, so that a turn with two takes about a second


def measured(name, workload, options):
    workload.NAME = name
    workload.dataset = workload.make(options.size(workload))
    part = workload.dataset.repeated(TIMES[name])
    ours = [contestants.Dstream("%d executors" % count, part, workload.app(part), count, None)
            for count in (1, 2)]
    plain_c = [contestants.SideBySide("%d of plain C" % count, part,
                                      throughput.ceiling(workload, part), count)
               for count in (1, 2)]
    figures, out = throughput.play(workload, [*ours, *plain_c], options)
    if out:
        raise Failed("%s %s" % next(iter(out.items())))
    one, two, one_c, two_c = [
        statistics.median(part.records / f.wall for f in figures[who.name])
        for who in (*ours, *plain_c)]
    yield "%s, one executor" % name, one, "records/s"
    yield "%s, two executors" % name, two, "records/s"
    yield two_against_one(name), two / one, "times"
    yield "%s, plain C, two processes with half of the files each against one" % name, \
        two_c / one_c, "times"


def two_against_one(name):
    return "%s, two against one" % name


def run(options):
    every = [parts.ours(name, measured(name, workload, options), [
        table.Wanted(two_against_one(name), 1.7, "times", True)])
             for name, workload in (("words", words), ("yahoo", yahoo))]
    every += parts.without("spark", options, "has two threads in one process: no other number of "
                                             "executors to compare with")
    return parts.run(TITLE, every, options)
