"""Workloads of which each line is a figure of its own. They have parts, as a rule one for each who
takes part: all have their turns one after the other, A B C A B C ..., and a figure is the median of
those of a part's turns. A part that fails is out, with a line that says why, as has one that there
is no time for; the others go on. The most important part is the first.

The rows of a part are measured as it is iterated over, until it says END_OF_TURN:

    def rows_of_somebody():
        ...                              what is to be done once, as part of the first turn
        while True:
            yield "what", value, "unit"  the same lines in every turn; a value None is one that is
            ...                          missing, with the reason in place of the unit (the median
                                         is of the others, unless most are missing)
            yield parts.END_OF_TURN

One that ends without has no more turns than it had: it takes care of its rounds itself.
"""
import collections
import statistics

from harness import contestants, failed, table

END_OF_TURN = "the others have their turns"

# `goals`: what is wanted of some rows, which has to be judged whatever becomes of the part.
Part = collections.namedtuple("Part", "name rows is_ours goals in_time", defaults=((), True))


def ours(name, rows, goals=()):
    return Part(name, rows, True, goals)


def of_peer(name, options, measure):
    """What a peer does: the rows of measure(peer), or why there are none. A list of parts."""
    peer = next((peer for peer in options.peers if peer.NAME == name), None)
    if peer is None:
        return []
    why = peer.absent()
    return [told(name, "absent: " + why)] if why else [Part(name, begun(measure, peer), False)]


def begun(measure, peer):
    """With its first turn, and not while others have theirs: its server may have to start."""
    yield from measure(peer)


def told(name, why, goals=()):
    """A line in place of what is not measured, whatever the time is."""
    return Part(name, [(name, None, why)], False, goals, False)


def without(name, options, why):
    """A line for a peer that has no part in this, where peers are asked for. A list of parts."""
    asked = any(name.startswith(peer.NAME) for peer in options.peers)
    return [told(name, why)] if asked else []


def rounds(options, most=3):
    """Of a part that takes care of them itself."""
    return min(most, options.rounds)


class Turns:
    """Those that a part has had: the rows of each; and why it is out, if it is."""

    def __init__(self, part):
        self.part, self.left = part, iter(part.rows)
        self.rounds, self.is_whole, self.why = [], False, None

    def take(self):
        rows = []
        try:
            for row in self.left:
                if row is END_OF_TURN:
                    break
                rows.append(row)
            else:
                self.is_whole = True
            self.rounds.append(rows)
        except failed.ERRORS as error:
            self.why = failed.told(self.part.name, error, self.part.is_ours)
        contestants.Server.pause_all()

    def is_late(self, options):
        """Whoever has a goal has all turns, unless all the time is over."""
        return self.part.in_time and (options.is_over() if self.part.goals else options.is_late())

    def were_cut(self, options):
        return not self.why and not self.is_whole and len(self.rounds) < options.rounds

    def rows(self, options):
        """The medians, or why there are none."""
        if self.why or not self.rounds:
            return [(self.part.name, None, self.why or "no time left for this")]
        wanted = len(self.rounds) if self.is_whole else options.rounds
        return [median(rows, wanted) for rows in zip(*self.rounds, strict=True)]


def median(rows, wanted):
    """One row of these of some rounds: of so many as were wanted, or it tells of how many."""
    there = [row for row in rows if row[1] is not None]
    if 2 * len(there) <= len(rows):  # most are missing
        return next(row for row in rows if row[1] is None)
    what, _, unit = there[0]
    value = statistics.median(value for _, value, _ in there)
    if value < 0:
        return what, None, "less than nothing: noise"
    return what, value, unit if len(there) == wanted else "%s (%s)" % (
        unit, table.rounds(len(there)))


def play(parts, options):
    """The first part has its first turn whatever the time is."""
    everybody = [Turns(part) for part in parts]
    for number in range(options.rounds):
        for one in everybody:
            is_first = number == 0 and one is everybody[0]
            if not (one.why or one.is_whole) and (is_first or not one.is_late(options)):
                one.take()
    return everybody


def judged(turns, options):
    """Rows for table.figures: with goals, also those of which there are no figures."""
    left, why = {wanted.what: wanted for wanted in turns.part.goals}, "was not measured"
    for row in turns.rows(options):
        yield (*row, left.pop(row[0], None))
        why = row[2] if row[1] is None else why
    for what, wanted in left.items() if options.judges else ():
        yield what, None, why, wanted


def cut(everybody, options):
    """What there was no time for."""
    count = {turns.part.name: len(turns.rounds) for turns in everybody if turns.were_cut(options)}
    without_turns = [name for name in count if not count[name]]
    fewer = ["%s %s" % (name, table.rounds(count[name])) for name in count if count[name]]
    return "; ".join(what + ", ".join(names) for what, names in (
        ("without ", without_turns), ("only ", fewer)) if names)


def run(title, parts, options):
    """A section of the results."""
    everybody = play(parts, options)
    rows = [row for turns in everybody for row in judged(turns, options)]
    count = max((len(turns.rounds) for turns in everybody if not turns.is_whole), default=0)
    return table.figures(title, rows, options)._replace(
        rounds=table.rounds(count) if count > 0 else "", cut=cut(everybody, options))
