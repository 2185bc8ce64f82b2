"""Tables, as Markdown, so that they read well on a terminal and in RESULTS.md."""
import collections

OURS, CEILING = "dstream", "plain C"

# `reached`: text. `state`: MET, NOT_MET, or UNKNOWN where there was nothing to judge.
Goal = collections.namedtuple("Goal", "what goal reached state")
Section = collections.namedtuple("Section", "title table goals")
MET, NOT_MET, UNKNOWN = "met", "NOT MET", "not measured"


def markdown(head, rows):
    """The first column is text, the others are numbers."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(3, *(len(row[i]) for row in [head, *rows])) for i in range(len(head))]
    def line(cells):
        first = cells[0].ljust(widths[0])
        return "| " + " | ".join([first] + [c.rjust(w) for c, w in zip(cells[1:], widths[1:])]) \
            + " |"
    marks = ["-" * widths[0]] + ["-" * (width - 1) + ":" for width in widths[1:]]
    return "\n".join([line(head), line(marks), *map(line, rows)]) + "\n"


def number(value):
    """With three digits that count, thousands apart."""
    if value >= 100:
        return "{:,.0f}".format(float("%.3g" % value))
    return "%.3g" % value


def verdict(reached, goal, more_is_better=True):
    return MET if (reached >= goal if more_is_better else reached <= goal) else NOT_MET


def ratios(ours, other):
    """Ours by the other's: records a second, and the other's CPU time by ours for a record."""
    return ours.rate / other.rate, other.cpu_per_million / ours.cpu_per_million


def throughput(workload, lines, missing, options):
    """`lines`: of those who have figures, the others are `missing`, with the reason. Goals are
    about data of full size."""
    by_name = {line.name: line for line in lines}
    ours, goals = by_name.get(OURS), {} if options.smoke else workload.GOALS
    rows = []
    for line in lines:
        cells = [""] * 5
        if ours is not None and line is not ours:
            wall, cpu = ratios(ours, line)
            goal = goals.get(line.name)
            judged = [""] * 3 if goal is None else ["%g" % goal, verdict(wall, goal),
                                                    verdict(cpu, goal)]
            cells = [number(wall), number(cpu), *judged]
        rows.append([line.name, number(line.rate), "%.3f" % line.cpu_per_million,
                     "%.1f" % line.peak, *cells])
    rows += [["%s (%s)" % item] + [""] * 8 for item in missing.items()]
    head = ["", "records/s", "CPU s/million", "peak MiB", "dstream x", "CPU x", "goal",
            "records/s", "CPU"]
    return Section(title(workload, lines, options), markdown(head, rows),
                   [goal_of(name, goal, by_name, missing) for name, goal in goals.items()])


def title(workload, lines, options):
    whole, rounds = workload.dataset.part(1.0), max((line.rounds for line in lines), default=0)
    skipped, times = options.rounds - rounds, 1 if options.smoke else getattr(workload, "TIMES", 1)
    return "%s: %s %s, %s MB%s, %d keys in the results; %d rounds%s" % (
        workload.TITLE, number(whole.records), workload.UNIT, number(whole.bytes() / 1e6),
        ", read %d times" % times if times > 1 else "", len(whole.expected), rounds, ", no time for %d more" % skipped if skipped > 0 else "")


def goal_of(name, goal, by_name, missing):
    """Judged by records a second and by CPU time; and what plain C has of both, as a system that
    does as well as that cannot do better."""
    what, ours, other = "against " + name, by_name.get(OURS), by_name.get(name)
    if ours is None or other is None:
        why = missing.get(name) or missing.get(OURS) or "absent"
        return Goal(what, "%g x" % goal, why, UNKNOWN)
    wall, cpu = ratios(ours, other)
    text = "%s by records/s, %s by CPU (%s)" % (number(wall), number(cpu), verdict(cpu, goal))
    ceiling = by_name.get(CEILING)
    if name != CEILING and ceiling is not None:
        text += "; plain C itself: %s, %s" % tuple(map(number, ratios(ceiling, other)))
    return Goal(what, "%g x" % goal, text, verdict(wall, goal))


def figures(heading, rows, options):
    """`rows`: (what, value, unit, goal, whether more is better), or (what, None, why) for what is
    missing."""
    cells, goals = [], []
    for row in rows:
        if row[1] is None:
            cells.append([row[0], "-", row[2], "", ""])
            continue
        what, value, unit, goal, more = row
        judgement = ""
        if goal is not None and not options.smoke:
            judgement = verdict(value, goal, more)
            goals.append(Goal(what, "%g %s" % (goal, unit), "%s %s" % (number(value), unit),
                              judgement))
        cells.append([what, number(value), unit, "" if goal is None else "%g" % goal, judgement])
    return Section(heading, markdown(["", "", "unit", "goal", ""], cells), goals)
