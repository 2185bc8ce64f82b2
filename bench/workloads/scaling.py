"""Words and Yahoo with two executors against one, each with a core of its own."""
import statistics

from harness import contestants, table, throughput
from workloads import words, yahoo

TITLE = "Scaling: two executors, each with a core, against one; file source"
TIMES = 4  # the data, so that a turn takes a second


def run(options):
    rows = []
    for name, workload in ("words", words), ("yahoo", yahoo):
        workload.NAME = name
        workload.dataset = workload.make(options.size(workload))
        part = workload.dataset.repeated(TIMES)
        both = [contestants.Dstream("%d executors" % count, part, workload.app(part), count, None)
                for count in (1, 2)]
        figures = throughput.play(workload, both, options)
        one, two = [statistics.median(part.records / f.wall for f in figures[b.name])
                    for b in both]
        rows += [("%s, one executor" % name, one, "records/s", None, True),
                 ("%s, two executors" % name, two, "records/s", None, True),
                 ("%s, two against one" % name, two / one, "times", 1.7, True)]
    return table.figures(TITLE, rows, options)
