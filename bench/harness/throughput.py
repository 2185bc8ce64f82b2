"""Workloads that are about records a second: rounds in which each contestant has its turn.

Such a workload is a module with

    TITLE, UNIT   what it is, and what its records are
    WEIGHT        its share of the time, as seconds that all of it takes or so
    GOALS         contestant -> how many times its records a second dstream is to have
    MERGE         for each value of a result: sum or max
    make(size)    the data set
    app(folder)   the app file
    CEILING       the program's arguments before the files
    MAWK, SQL, SPARK, FLINK     what the peers run (each of them may be absent)
    WITHOUT       peer -> why it has no part in this
    TIMES         how often dstream, plain C and DuckDB read all pieces in one turn, if not once
    MAWK_SHARE, DUCKDB_SHARE, SPARK_SHARE    of the pieces, once, if not a peer's own
    final(result)               what is compared of results, if not all: any object
    verify(part)                raises Failed if dstream's results before the last are wrong

A contestant that fails, or has a wrong result, is out: its row says why, and the others go on.
"""
import collections
import statistics

from harness import aside, contestants, data, failed, machine, table

Line = collections.namedtuple("Line", "name share rate cpu_per_million peak rounds")


def field(workload, options):
    """All who take part in a workload, in the order of their turns, and why others do not."""
    whole = whole_of(workload, options)
    found = [contestants.Program(table.CEILING, 1.0, whole,
                                 [*ceiling(workload, whole), *inputs(whole)], True),
             contestants.Dstream(table.OURS, whole, workload.app(whole))]
    missing = dict(getattr(workload, "WITHOUT", {}))
    for peer in options.peers:
        if not peer.takes_part(workload):
            continue
        why = peer.absent()
        if why:
            missing[peer.NAME] = "absent: " + why
        else:
            found += peer.enter(workload, whole)
    return found, missing


def ceiling(workload, part):
    """The program, and its arguments before the files."""
    name, *arguments = [word.format(**part.tables) for word in workload.CEILING]
    return [machine.ceiling(name), *arguments]


def whole_of(workload, options):
    """What those read that are fast enough: their turns are to take a second or so."""
    return workload.dataset.repeated(1 if options.smoke else getattr(workload, "TIMES", 1))


def inputs(part):
    """What a ceiling is told to read."""
    return ["tcp:{port}"] if part.over_tcp else part.paths


def check(workload, contestant, rows):
    final = getattr(workload, "final", lambda result: result)
    found = final(data.read_rows(rows, workload.MERGE))
    expected = final(contestant.part.expected)
    if found != expected:
        wrong = sorted(set(dict(found).items()) ^ set(dict(expected).items()))
        raise failed.Failed("a wrong result, of %d keys that are not alike the first are %r" % (
            len(wrong), wrong[:4]))


def take_turn(workload, one, work, options):
    one.prepare(work, options.warm_up)
    measured, rows = one.turn(work)
    check(workload, one, rows)
    return measured


def play(workload, everybody, options):
    """The figures of each, without those of the first round, and why those failed that did."""
    figures, out = {one.name: [] for one in everybody}, {}
    work = aside.folder()
    for number in range(options.uncounted + options.rounds):
        some_counted = number > options.uncounted
        if some_counted and options.is_over():
            break
        for one in everybody:
            if one.name in out or some_counted and options.is_late() and not is_needed(
                    workload, one):
                continue
            try:
                measured = take_turn(workload, one, work, options)
                if number >= options.uncounted:
                    figures[one.name].append(measured)
            except failed.ERRORS as error:
                one.end()
                out[one.name] = failed.told(one.name, error, one.is_ours)
    return figures, out


def is_needed(workload, one):
    """For a goal: it has its rounds also when the workload has had its share of the time."""
    return one.is_ours or one.name in workload.GOALS


def summed_up(one, figures):
    records = figures[0].records
    return Line(one.name, one.share, records / statistics.median(f.wall for f in figures),
                statistics.median(f.cpu for f in figures) / records * 1e6,
                statistics.median(f.peak for f in figures), len(figures))


def verified(workload):
    """Why dstream is out before the first turn, by its name: nothing as a rule."""
    try:
        getattr(workload, "verify", lambda part: None)(workload.dataset.part(1.0))
        return {}
    except failed.ERRORS as error:
        return {table.OURS: failed.told(table.OURS, error, True)}


def run(workload, options):
    """A section of the results."""
    workload.dataset = workload.make(options.size(workload))
    everybody, missing = field(workload, options)
    missing.update(verified(workload))
    everybody = [one for one in everybody if one.name not in missing]
    figures, out = play(workload, everybody, options)
    lines = [summed_up(one, figures[one.name]) for one in everybody if one.name not in out]
    return table.throughput(workload, lines, {**missing, **out}, options)
