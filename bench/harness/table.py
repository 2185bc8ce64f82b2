"""Tables, as Markdown, so that they read well on a terminal and in RESULTS.md."""
import collections

OURS, CEILING = "dstream", "plain C"

# `reached`: text. `state`: MET, NOT_MET, or UNKNOWN where there was nothing to judge.
Goal = collections.namedtuple("Goal", "what goal reached state")
# `rounds`: how many took place, "" if the table tells. `cut`: what there was no time for, if anything.
Section = collections.namedtuple("Section", "title table goals rounds cut", defaults=("", ""))

# What is judged in a table of figures. `goal`: a number, or (least, most); `more` is better or not.
Wanted = collections.namedtuple("Wanted", "what goal unit more", defaults=(False,))
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
    if isinstance(goal, tuple):
        return MET if goal[0] <= reached <= goal[1] else NOT_MET
    return MET if (reached >= goal if more_is_better else reached <= goal) else NOT_MET


def ratios(ours, other):
    """Ours by the other's: records a second, and the other's CPU time by ours for a record."""
    return ours.rate / other.rate, other.cpu_per_million / ours.cpu_per_million


def throughput(workload, lines, missing, options):
    """`lines`: of those who have figures, the others are `missing`, with the reason."""
    by_name = {line.name: line for line in lines}
    ours, goals = by_name.get(OURS), workload.GOALS if options.judges else {}
    rows = []
    for line in lines:
        cells = [""] * 5
        if ours is not None and line is not ours:
            wall, cpu = ratios(ours, line)
            goal = goals.get(line.name)
            judged = [""] * 3 if goal is None else ["%g" % goal, verdict(wall, goal),
                                                    verdict(cpu, goal)]
            cells = [number(wall), number(cpu), *judged]
        rows.append([name_of(line, lines), number(line.rate), "%.3f" % line.cpu_per_million,
                     "%.1f" % line.peak, *cells])
    rows += [["%s (%s)" % item] + [""] * 8 for item in missing.items()]
    head = ["", "records/s", "CPU s/million", "peak MiB", "dstream x", "CPU x", "goal",
            "records/s", "CPU"]
    return Section(title(workload, lines, options), markdown(head, rows),
                   [goal_of(name, goal, by_name, missing) for name, goal in goals.items()],
                   rounds(rounds_of(lines)), cut(lines, options))


def cut(lines, options):
    fewer = ["%s %s" % (line.name, rounds(line.rounds)) for line in lines
             if line.rounds < options.rounds]
    return "only " + ", ".join(fewer) if fewer else ""


def rounds(count):
    return "%d %s" % (count, "round" if count == 1 else "rounds")


def rounds_of(lines):
    return max((line.rounds for line in lines), default=0)


def name_of(line, lines):
    """With its rounds if others had more."""
    return line.name if line.rounds == rounds_of(lines) else "%s (%s)" % (
        line.name, rounds(line.rounds))


def title(workload, lines, options):
    whole, made = workload.dataset.part(1.0), rounds_of(lines)
    skipped, times = options.rounds - made, 1 if options.smoke else getattr(workload, "TIMES", 1)
    return "%s: %s %s, %s MB%s, %d keys in the results; %s%s" % (
        workload.TITLE, number(whole.records), workload.UNIT, number(whole.bytes() / 1e6),
        ", read %d times" % times if times > 1 else "", len(whole.expected), rounds(made),
        ", no time for %d more" % skipped if skipped > 0 else "")


def goal_of(name, goal, by_name, missing):
    """Judged by records a second and by CPU time; and what plain C has of both, as a system that
    does as well as that cannot do better."""
    what, ours, other = "against " + name, by_name.get(OURS), by_name.get(name)
    if ours is None or other is None:
        # Who is absent is so with all its rows.
        why = missing.get(name) or missing.get(name.split()[0]) or missing.get(OURS) or "absent"
        return Goal(what, "%g x" % goal, why, UNKNOWN)
    wall, cpu = ratios(ours, other)
    text = "%s by records/s, %s by CPU (%s)" % (number(wall), number(cpu), verdict(cpu, goal))
    ceiling = by_name.get(CEILING)
    if name != CEILING and ceiling is not None:
        text += "; plain C itself: %s, %s" % tuple(map(number, ratios(ceiling, other)))
    return Goal(what, "%g x" % goal, text, verdict(wall, goal))


def goals_unknown(workload, why):
    """Of a workload that is about records a second."""
    return [Goal("against " + name, "%g x" % goal, why, UNKNOWN)
            for name, goal in getattr(workload, "GOALS", {}).items()]


def goal_text(goal):
    return "%g to %g" % goal if isinstance(goal, tuple) else "%g" % goal


def figures(heading, rows, options):
    """`rows`: (what, value, unit, what is wanted of it or None), or (what, None, why, ...) for what
    is missing, which leaves a goal that could not be judged."""
    cells, goals = [], []
    for what, value, unit, wanted in rows:
        judgement, goal = "", ""
        if wanted is not None and options.judges:
            goal = goal_text(wanted.goal)
            judgement = UNKNOWN if value is None else verdict(value, wanted.goal, wanted.more)
            reached = unit if value is None else "%s %s" % (number(value), unit)
            goals.append(Goal(what, "%s %s" % (goal, wanted.unit), reached, judgement))
        cells.append([what, "-" if value is None else number(value), unit, goal, judgement])
    return Section(heading, markdown(["", "", "unit", "goal", ""], cells), goals)
