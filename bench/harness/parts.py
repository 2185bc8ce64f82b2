"""Workloads of which each line is a figure of its own. They are measured in parts, the most important
first: one that fails has a line that says why, as has one that there is no time for."""
import collections

from harness import contestants, failed, table

# `rows`: what measures them as it is iterated over: see table.figures.
Part = collections.namedtuple("Part", "name rows is_ours")


def ours(name, rows):
    return Part(name, rows, True)


def of_peer(name, options, measure):
    """What a peer does: the rows of measure(peer), or why there are none. A list of parts."""
    peer = next((peer for peer in options.peers if peer.NAME == name), None)
    if peer is None:
        return []
    why = peer.absent()
    return [Part(name, [(name, None, "absent: " + why)] if why else measure(peer), False)]


def without(name, options, why):
    """A line for a peer that has no part in this, where peers are asked for. A list of parts."""
    asked = any(name.startswith(peer.NAME) for peer in options.peers)
    return [Part(name, [(name, None, why)], False)] if asked else []


def collected(parts, options):
    """The first part has its turn whatever the time is."""
    for number, part in enumerate(parts):
        if number > 0 and options.is_late():
            yield part.name, None, "no time left for this"
            continue
        try:
            yield from part.rows
        except failed.ERRORS as error:
            yield part.name, None, failed.told(part.name, error, part.is_ours)
        contestants.Server.pause_all()


def run(title, parts, options):
    """A section of the results."""
    return table.figures(title, collected(parts, options), options)
