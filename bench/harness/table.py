"""Tables, as Markdown, so that they read well on a terminal and in RESULTS.md."""


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


judged = []  # (title, what, reached, goal, verdict) of all tables so far


def verdict(title, what, reached, goal, more_is_better=True):
    met = reached >= goal if more_is_better else reached <= goal
    judged.append((title, what, number(reached), "%g" % goal, "met" if met else "NOT MET"))
    return judged[-1][-1]


def overview():
    """All goals, as Markdown."""
    return markdown(["", "", "reached", "goal", ""], judged)


def throughput(workload, lines, absent, whole, options):
    """Ratios are dstream's records a second by those of the other (wall), and the other's CPU
    time for a record by dstream's (CPU). Goals are about data of full size."""
    by_name = {line.name: line for line in lines}
    ours = by_name["dstream"]
    rows = []
    for line in lines:
        ratio = ours.rate / line.rate
        goal = workload.GOALS.get(line.name) if not options.smoke else None
        rows.append([line.name, number(line.rate), "%.3f" % line.cpu_per_million,
                     "%.1f" % line.peak, "" if line is ours else number(ratio),
                     "" if line is ours else number(line.cpu_per_million / ours.cpu_per_million),
                     "" if goal is None else "%g" % goal,
                     "" if goal is None else verdict(workload.TITLE, "against " + line.name, ratio,
                                                     goal)])
    for name, why in absent.items():
        rows.append([name + " (absent: %s)" % why] + [""] * 7)
    skipped = options.rounds - ours.rounds
    text = "%s: %s %s, %s MB, %d keys in the results; %d rounds%s\n\n" % (
        workload.TITLE, number(whole.records), workload.UNIT, number(whole.bytes() / 1e6),
        len(whole.expected), ours.rounds,
        ", no time for %d more" % skipped if skipped > 0 else "")
    return text + markdown(["", "records/s", "CPU s/million", "peak MiB", "dstream x",
                            "CPU x", "goal", ""], rows)


def figures(title, rows, options):
    """`rows`: (what, value, unit, goal, whether more is better), or (what, None, why) for what is
    missing."""
    cells = []
    for row in rows:
        if row[1] is None:
            cells.append([row[0], "-", row[2], "", ""])
            continue
        what, value, unit, goal, more = row
        judgement = ""
        if goal is not None and not options.smoke:
            judgement = verdict(title, what, value, goal, more)
        cells.append([what, number(value), unit, "" if goal is None else "%g" % goal, judgement])
    return title + "\n\n" + markdown(["", "", "unit", "goal", ""], cells)
