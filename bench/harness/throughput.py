"""Workloads that are about records a second: rounds in which each contestant has its turn.

Such a workload is a module with

    TITLE, UNIT   what it is, and what its records are
    GOALS         contestant -> how many times its records a second dstream is to have
    MERGE         for each value of a result: sum or max
    make(size)    the data set
    app(folder)   the app file
    CEILING       the program's arguments before the files
    MAWK, SQL, SPARK, FLINK     what the peers run (each of them may be absent)
    VARIANTS      further apps of dstream's for the same, by name
    final(result)               what is compared of results, if not all: any object
"""
import collections
import statistics
import sys
import tempfile

from harness import contestants, data, machine, table

Line = collections.namedtuple("Line", "name share rate cpu_per_million peak rounds")


def field(workload, options):
    """All who take part in a workload, in the order of their turns, and who is absent."""
    whole = workload.dataset.part(1.0)
    ceiling, *arguments = [word.format(**whole.tables) for word in workload.CEILING]
    found = [contestants.Program("plain C", 1.0, whole,
                                 [machine.ceiling(ceiling), *arguments, *inputs(whole)]),
             contestants.Dstream("dstream", whole, workload.app(whole))]
    found += [contestants.Dstream(name, whole, app(whole))
              for name, app in getattr(workload, "VARIANTS", {}).items()]
    absent = {}
    for peer in options.peers:
        if not peer.takes_part(workload):
            continue
        why = peer.absent()
        if why:
            absent[peer.NAME] = why
        else:
            found += peer.enter(workload)
    return found, absent


def inputs(part):
    """What a ceiling is told to read."""
    return ["tcp:{port}"] if part.over_tcp else part.paths


def check(workload, contestant, rows):
    final = getattr(workload, "final", lambda result: result)
    found = final(data.read_rows(rows, workload.MERGE))
    expected = final(contestant.part.expected)
    if found != expected:
        wrong = sorted(set(dict(found).items()) ^ set(dict(expected).items()))
        sys.exit("%s: %s has a wrong result, of %d keys that are not alike the first are %r" % (
            workload.NAME, contestant.name, len(wrong), wrong[:4]))


def play(workload, everybody, options):
    """The figures of each, without those of the first round."""
    figures = {one.name: [] for one in everybody}
    with tempfile.TemporaryDirectory() as work:
        for one in everybody:
            if isinstance(one, contestants.Served):
                for _ in range(options.warm_up):
                    one.turn(work)
        for number in range(options.uncounted + options.rounds):
            for one in everybody:
                measured, rows = one.turn(work)
                check(workload, one, rows)
                if number >= options.uncounted:
                    figures[one.name].append(measured)
            if number >= options.uncounted and options.is_late():
                break
    return figures


def summed_up(one, figures):
    records = figures[0].records
    return Line(one.name, one.share, records / statistics.median(f.wall for f in figures),
                statistics.median(f.cpu for f in figures) / records * 1e6,
                statistics.median(f.peak for f in figures), len(figures))


def run(workload, options):
    workload.dataset = workload.make(options.size(workload))
    everybody, absent = field(workload, options)
    figures = play(workload, everybody, options)
    lines = [summed_up(one, figures[one.name]) for one in everybody]
    whole = workload.dataset.part(1.0)
    return table.throughput(workload, lines, absent, whole, options)
