"""Writes bench/RESULTS.md: a section for each workload, all goals, and why some are not met.

A section has the title of its table, where and when it was measured, the table, and a line for each
goal. What was recorded of other workloads is read back from the file, and stays as it is; the list
of all goals and the reasons are made anew from the lines of all sections. The reasons themselves
are in bench/reasons.md, by workload and goal.
"""
import collections
import datetime
import fnmatch
import os
import re

from harness import machine, table

PATH = os.path.join(machine.TOP, "bench", "RESULTS.md")
REASONS = os.path.join(machine.TOP, "bench", "reasons.md")
INTRODUCTION = """# Results

Written by `bench/run --record`; [README.md](README.md) tells what is measured and how,
[peers/README.md](peers/README.md) how the peers are set.

"""
ROUNDS = 5  # of a run of record
ALL, WHY = "All goals", "Goals that are not met, and why"
GOAL = re.compile(r"^- (?P<state>%s): (?P<what>.*), goal (?P<goal>[^:]*): (?P<reached>.*)$" % "|".join(
    (table.MET, table.NOT_MET, table.UNKNOWN)), re.MULTILINE)

# What a file has: the lines about the machine, and the text of sections by name.
Results = collections.namedtuple("Results", "head sections")


def read(path):
    """Of nothing if there is no file."""
    try:
        with open(path, encoding="utf-8") as file:
            head, *sections = re.split(r"^## ", file.read(), flags=re.MULTILINE)
    except OSError:
        return Results("", {})
    named = {name: body.strip("\n") + "\n" for name, _, body in
             (section.partition("\n") for section in sections)}
    return Results(head.partition("\n- ")[2] and "- " + head.partition("\n- ")[2].strip("\n") + "\n",
                   {name: body for name, body in named.items() if name not in (ALL, WHY)})


def head(options, seconds, sections):
    """`sections`: those that were measured, by name."""
    lines = [("date", today()), *machine.description()]
    for peer in options.peers:
        why = peer.absent()
        lines.append((peer.NAME, "absent: " + why if why else peer.version()))
    lines.append(("the run", "%s, scale %g, %.0f minutes, begun at a load of %.1f" % (
        table.rounds(options.rounds), options.scale, seconds / 60, options.load)))
    cut = ["%s (%s)" % (name, section.cut) for name, section in sections.items() if section.cut]
    if cut:
        lines.append(("CUT SHORT for want of time", "; ".join(cut)))
    if options.rounds < ROUNDS or options.scale != 1:
        lines.append(("NOT A RUN OF RECORD", "that has %d rounds at least, and scale 1" % ROUNDS))
    return "".join("- %s: %s\n" % line for line in lines)


def today():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")


def origin(section, options):
    """One line, for a section."""
    of = dict(machine.description())
    return "Measured %s, commit %s, on %s; %sscale %g." % (
        today(), machine.commit(), of["processor"], section.rounds and section.rounds + ", ",
        options.scale)


def goal_lines(section):
    """As GOAL has them."""
    lines = ["- %s: %s, goal %s: %s\n" % (goal.state, goal.what, goal.goal, goal.reached)
             for goal in section.goals]
    return "\nGoals:\n\n" + "".join(lines) if lines else ""


def section_text(section, measured):
    return "%s\n\n%s\n\n%s%s" % (section.title, measured, section.table, goal_lines(section))


def goals_of(sections):
    """(workload, goal) of all."""
    return [(name, table.Goal(**match.groupdict()))
            for name, text in sections.items() for match in GOAL.finditer(text)]


def overview(goals):
    if not goals:
        return "None was judged.\n"
    counts = collections.Counter(goal.state for _, goal in goals)
    return "%d of %d are met, %d are not, %d could not be measured.\n\n" % (
        counts[table.MET], len(goals), counts[table.NOT_MET], counts[table.UNKNOWN]) \
        + table.markdown(["", "", "goal", "reached", ""],
                         [(name, goal.what, goal.goal, goal.reached, goal.state)
                          for name, goal in goals])


def read_reasons(path):
    """By "workload: goal", which may have wildcards, as "## " sections have them for titles."""
    with open(path, encoding="utf-8") as file:
        _, *sections = re.split(r"^## ", file.read(), flags=re.MULTILINE)
    reasons = {}
    for title, _, text in (section.partition("\n") for section in sections):
        before = pattern_of(title.strip(), reasons)
        if before is not None:
            raise ValueError("%s: %s is never reached, after %s" % (path, title.strip(), before))
        reasons[title.strip()] = " ".join(text.split())
    return reasons


def pattern_of(key, reasons):
    """The first that has it, or None."""
    return next((pattern for pattern in reasons if fnmatch.fnmatchcase(key, pattern)), None)


def why_not(goals, reasons):
    """Of those that are not met in these results."""
    lines = []
    for name, goal in goals:
        if goal.state == table.NOT_MET:
            pattern = pattern_of("%s: %s" % (name, goal.what), reasons)
            why = "no reason known." if pattern is None else reasons[pattern]
            lines.append("- **%s, %s** (goal %s, reached %s): %s\n" % (
                name, goal.what, goal.goal, goal.reached, why))
    return "".join(lines) or "All that were judged are met.\n"


def whole(results, order, reasons):
    """The text of the file."""
    sections = {name: results.sections[name] for name in order if name in results.sections}
    goals = goals_of(sections)
    parts = [(ALL, overview(goals)), *sections.items(), (WHY, why_not(goals, reasons))]
    return INTRODUCTION + results.head + "".join("\n## %s\n\n%s" % part for part in parts)


def write(sections, options, seconds, order, path=PATH):
    """`sections`: by name. If they are all of `order` nothing stays of what was there before, if
    not the lines about the machine do: what is new says its own."""
    old = read(path)
    new = {name: section_text(section, origin(section, options))
           for name, section in sections.items()}
    lines = head(options, seconds, sections)
    if old.head and set(new) != set(order):
        lines = old.head
    text = whole(Results(lines, {**old.sections, **new}), order, read_reasons(REASONS))
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)
