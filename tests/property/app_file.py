"""An app as evaluate.py knows it, and how it is written as an app file."""
import lua_functions
import records
from evaluate import Table


class App:
    """Sources, streams, and how they are written down."""

    def __init__(self, sources, streams, interval_ms, lua):
        self.sources, self.streams, self.interval_ms = sources, streams, interval_ms
        self.lua, self.record, self.block = lua, "1KiB", "1KiB"
        self.csv_sinks = set()  # names of datasets that are written as CSV

    def datasets(self):
        return self.sources + self.streams

    def n_batches(self):
        return max(len(source.batches) for source in self.sources)

    def remembers(self):
        """Is there anything that goes from batch to batch?"""
        return any(stream.window or stream.state for stream in self.streams)

    @staticmethod
    def json_row(source, row):
        return {c.name: records.json_value(c.type, row[c.name]) for c in source.columns
                if row[c.name] is not None or len(c.name) % 2}

    def json_source(self, source):
        if source.format is None:
            return {"type": "queue", "schema": {c.name: c.type for c in source.columns},
                    "batches": [[self.json_row(source, row) for row in batch]
                                for batch in source.batches]}
        schema = source.format.schema()
        place = {"type": "files", "dir": "in/" + source.name}
        if isinstance(source, Table):
            place = {"type": "table", "path": "in/%s/00" % source.name}
        return {**place, "format": source.format.name, **({"schema": schema} if schema else {}),
                **source.format.options()}

    def duration(self, batches):
        return "%dms" % (batches * self.interval_ms)

    def json_stream(self, stream):
        parents = stream.parents
        clauses = {"from": parents if len(parents) > 1 else parents[0]}
        if stream.snapshot:
            clauses["snapshot"] = True
        if stream.join:
            clauses["join"] = self.json_join(stream.join)
        if stream.flat_map:
            clauses["flat_map"] = {stream.flat_map[0]: stream.flat_map[1].text}
        if stream.where is not None:
            clauses["where"] = stream.where.text
        if stream.select is not None:
            clauses["select"] = {name: expr.text for name, expr in stream.select}
        if stream.window:
            size, slide = stream.window
            clauses["window"] = {"size": self.duration(size), "slide": self.duration(slide)}
            if size == slide:
                clauses["window"] = self.duration(size)
        if stream.group_by is not None:
            clauses["group_by"] = stream.group_by
        if stream.aggregate is not None:
            clauses["aggregate"] = {name: expr.text for name, expr, _ in stream.aggregate}
        if stream.distinct:
            clauses["distinct"] = True
        if stream.state:
            clauses["state"] = self.json_state(stream.state)
        if stream.having is not None:
            clauses["having"] = stream.having.text
        if stream.order_by is not None:
            clauses["order_by"] = ", ".join(
                "%s%s%s" % (expr.text, " desc" if descending else "",
                            "" if nulls_first == descending else
                            " nulls first" if nulls_first else " nulls last")
                for expr, descending, nulls_first in stream.order_by)
        if stream.limit is not None:
            clauses["limit"] = stream.limit
        if stream.repartition is not None:
            clauses["repartition"] = stream.repartition
        if stream.cache:
            clauses["cache"] = True
        return clauses

    @staticmethod
    def json_join(join):
        same = all(left == right for left, right in join.on)
        return {"with": join.other, "type": join.kind,
                "on": [left for left, _ in join.on] if same else dict(join.on)}

    @staticmethod
    def json_state(state):
        clause = {"key": state.key, "set": {name: expr.text for name, expr, _ in state.set},
                  "emit": state.emit}
        if state.remove_when is not None:
            clause["remove_when"] = state.remove_when.text
        if state.timeout is not None:
            clause["timeout"] = "%dms" % (state.timeout // 1000)
        if state.initial:
            types = {c.name: c.type for c in state.columns}
            clause["initial"] = [{name: records.json_value(types[name], value)
                                  for name, value in row.items() if value is not None}
                                 for row in state.initial]
        return clause

    def json_sink(self, dataset):
        sink = {"from": dataset.name, "type": "file", "dir": "out/" + dataset.name}
        if dataset.name in self.csv_sinks:
            sink["format"] = "csv"
        return sink

    def json(self, sinks=True):
        app = {"version": 1, "name": "random", "batch": {"interval": self.duration(1)},
               "limits": {"record": self.record, "block": self.block},
               "sources": {source.name: self.json_source(source) for source in self.sources},
               "streams": {stream.name: self.json_stream(stream) for stream in self.streams}}
        if self.lua:
            app["functions"] = lua_functions.json()
        if sinks:
            app["sinks"] = {dataset.name: self.json_sink(dataset) for dataset in self.datasets()}
        return app
