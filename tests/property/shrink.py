"""Makes an app that fails smaller, as long as it fails in the same way."""
import copy
import re
import time

import records
from ways import Difference, check


def kind_of(message):
    """What a difference is about: the stream, or the first line."""
    found = re.search(r"^\s*(\w+) at (batch|\d)", message, re.M)
    return found[1] if found else re.sub(r'"[^"]*"|\S*\d\S*', "", "".join(message.split("\n")[:2]))


def fails(app, way, message):
    """True if the app still fails, and in the same stream. Where windows begin depends on when an
    app is run: several times will tell."""
    try:
        for _ in range(1 if way == "test" else 4):
            check(app, way)
    except Difference as difference:
        return kind_of(str(difference)) == kind_of(message)
    except (KeyError, AttributeError, ValueError):
        return False
    return False


def copy_of(app):
    made = copy.copy(app)
    made.sources = [copy.copy(source) for source in app.sources]
    made.streams = [copy.copy(stream) for stream in app.streams]
    return made


def reads(stream, name):
    return name in stream.parents or (stream.join is not None and stream.join.other == name)


def without_streams(app):
    for i in reversed(range(len(app.streams))):
        name = app.streams[i].name
        if not any(reads(other, name) for other in app.streams):
            smaller = copy_of(app)
            del smaller.streams[i]
            yield smaller
    for i, source in enumerate(app.sources):
        if source.name != "clock" and not any(reads(s, source.name) for s in app.streams):
            smaller = copy_of(app)
            del smaller.sources[i]
            yield smaller


def without_clauses(app):
    if app.lua:
        smaller = copy_of(app)
        smaller.lua = False
        yield smaller
    for i, stream in enumerate(app.streams):
        for clause in ("having", "order_by", "limit", "where", "flat_map", "distinct", "window",
                       "join", "repartition"):
            if clause == "flat_map" and stream.flat_map and \
                    any(c.name == stream.flat_map[0] for parent in app.datasets()
                        if parent.name in stream.parents for c in parent.columns):
                continue  # it changes the type of a column
            if getattr(stream, clause) is not None:
                smaller = copy_of(app)
                setattr(smaller.streams[i], clause, None)
                yield smaller
        for clause in ("aggregate", "select"):
            columns = getattr(stream, clause) or []
            for j in range(len(columns)):
                smaller = copy_of(app)
                changed = smaller.streams[i]
                setattr(changed, clause, columns[:j] + columns[j + 1:])
                changed.columns = [c for c in stream.columns if c.name != columns[j][0]]
                if len(columns) > 1:
                    yield smaller
        if len(stream.parents) > 1:
            for j in range(len(stream.parents)):
                smaller = copy_of(app)
                smaller.streams[i].parents = stream.parents[:j] + stream.parents[j + 1:]
                yield smaller


def shorter(items):
    """Lists with some of the items left out: half of them, a quarter, ... one."""
    size = max(1, len(items) // 2)
    while items and size >= 1:
        for at in range(0, len(items), size):
            yield items[:at] + items[at + size:]
        size //= 2


def without_rows(app):
    for i, source in enumerate(app.sources):
        if source.name == "clock":
            continue
        lists = source.batches if source.format is None else source.files
        for n, items in enumerate(lists):
            for fewer in shorter(items):
                smaller = copy_of(app)
                changed = lists[:n] + [fewer] + lists[n + 1:]
                if source.format is None:
                    smaller.sources[i].batches = changed
                else:
                    records.take(smaller.sources[i], changed)
                yield smaller


def shrink(app, way, message, seconds=30):
    """The smallest app that it finds, in some time, which still fails."""
    end = time.monotonic() + seconds
    changed = True
    while changed:
        changed = False
        for ways_of in (without_streams, without_clauses, without_rows):
            again = True
            while again:
                again = False
                for smaller in ways_of(app):
                    if time.monotonic() > end:
                        return app
                    if fails(smaller, way, message):
                        app, again, changed = smaller, True, True
                        break
    return app
