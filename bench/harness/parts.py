"""Workloads of which each line is a figure of its own. They are measured in parts, the most important
first: one that fails has a line that says why, as has one that there is no time for."""
import collections

from harness import contestants, failed, table

# `rows`: what measures them as it is iterated over: (what, value, unit), or (what, None, why).
# `goals`: what is wanted of some of them, which has to be judged whatever becomes of the part.
Part = collections.namedtuple("Part", "name rows is_ours goals in_time", defaults=((), True))


def ours(name, rows, goals=()):
    return Part(name, rows, True, goals)


def of_peer(name, options, measure):
    """What a peer does: the rows of measure(peer), or why there are none. A list of parts."""
    peer = next((peer for peer in options.peers if peer.NAME == name), None)
    if peer is None:
        return []
    why = peer.absent()
    return [told(name, "absent: " + why)] if why else [Part(name, measure(peer), False)]


def told(name, why, goals=()):
    """A line in place of what is not measured, whatever the time is."""
    return Part(name, [(name, None, why)], False, goals, False)


def without(name, options, why):
    """A line for a peer that has no part in this, where peers are asked for. A list of parts."""
    asked = any(name.startswith(peer.NAME) for peer in options.peers)
    return [told(name, why)] if asked else []


def rounds(options, most=3):
    """Of those in which figures are taken several times, in turns; their medians count."""
    return min(most, options.rounds)


def collected(parts, options, left_out):
    """Rows for table.figures. The first part has its turn whatever the time is. Names of those for
    which there is none go to `left_out`."""
    for number, part in enumerate(parts):
        left, why = {wanted.what: wanted for wanted in part.goals}, "was not measured"
        try:
            if number > 0 and part.in_time and options.is_late():
                raise TooLate("no time left for this")
            for row in part.rows:
                yield (*row, left.pop(row[0], None))
                why = row[2] if row[1] is None else why
        except TooLate as late:
            why = str(late)
            left_out.append(part.name)
            yield part.name, None, why, None
        except failed.ERRORS as error:
            why = failed.told(part.name, error, part.is_ours)
            yield part.name, None, why, None
        for what, wanted in left.items() if options.judges else ():
            yield what, None, why, wanted
        contestants.Server.pause_all()


class TooLate(Exception):
    """There is no time for a part."""


def run(title, parts, options):
    """A section of the results."""
    left_out = []
    section = table.figures(title, collected(parts, options, left_out), options)
    return section._replace(cut="without " + ", ".join(left_out) if left_out else "")
