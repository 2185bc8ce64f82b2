"""Functions of the user's own in Lua: exact results over executors, and whatever goes wrong."""
import json
import os
import random
import time

import scenario
from scenario import DATA, WRONG_APP

EXECUTORS = ("1", "2", "4")
STEP = 100  # ms: the interval of all apps here

TEXT = """\
-- A text with several functions.
local vowels = { a = true, e = true, i = true, o = true, u = true }

function vowel_share(s)
  if s == nil or s == "" then return nil end
  local n = 0
  for c in s:gmatch(".") do if vowels[c] then n = n + 1 end end
  return n / #s
end

function chop(s, n)
  local parts = {}
  for i = 1, #(s or ""), n do parts[#parts + 1] = s:sub(i, i + n - 1) end
  return parts
end

function collatz(n)
  if n == nil then return nil end
  if n < 1 then error("not for " .. n) end
  local steps = 0
  while n > 1 do n = n % 2 == 0 and n / 2 or 3 * n + 1 steps = steps + 1 end
  return steps
end
"""

MODE = """\
-- The most frequent value; of several the least.
local m = {}
function m.init() return {} end
function m.update(counts, x)
  counts[x] = (counts[x] or 0) + 1
  return counts
end
function m.merge(a, b)
  for x, n in pairs(b) do a[x] = (a[x] or 0) + n end
  return a
end
function m.finish(counts)
  local best, most
  for x, n in pairs(counts) do if most == nil or n > most then best, most = x, n end end
  return best
end
return m
"""

FUNCTIONS = {
    "vowel_share": {"lua": "lua/text.lua", "args": ["string"], "returns": "float"},
    "chop": {"lua": "lua/text.lua", "args": ["string", "int"], "returns": "list<string>"},
    "collatz": {"lua": "lua/text.lua", "args": ["int"], "returns": "int"},
    "mode": {"lua": "lua/mode.lua", "args": ["int"], "returns": "int", "aggregate": True},
}


def collatz(n):
    steps = 0
    while n > 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def mode(values):
    return min(values, key=lambda x: (-values.count(x), x)) if values else None


class Functions(scenario.Scenario):
    def setUp(self):
        super().setUp()
        self.write("lua/text.lua", TEXT)
        self.write("lua/mode.lua", MODE)


class Results(Functions):
    """All batches of a queue, against an oracle, over 1, 2 and 4 executors."""

    schema = {"k": "string", "n": "int", "s": "string"}

    def make(self, n_batches=6, seed=1):
        generator = random.Random(seed)
        def row():
            return {"k": generator.choice(["a", "b", "c", None]),
                    "n": generator.choice([None, *range(1, 12)]),
                    "s": generator.choice([None, "", "one", "two words", "aeiou"])}
        batches = [[row() for _ in range(generator.randrange(5, 40))] for _ in range(n_batches)]
        return batches[:3] + [[]] + batches[3:]

    def run_streams(self, streams, batches, functions=None, **more):
        names = list(streams)
        for executors in EXECUTORS:
            where = "run-%d" % len(self.runs)
            sinks = {name: {"from": name, "type": "file", "dir": "%s/%s" % (where, name)}
                     for name in names + ["q"]}
            app = self.app({"q": {"type": "queue", "schema": self.schema, "batches": batches,
                                  **more}},
                           streams, sinks, interval="%dms" % STEP,
                           functions=functions or FUNCTIONS)
            run = self.run_now(app, "--executors", executors)
            self.assertEqual(run.last()["retries"], 0)
            start = self.folders(where + "/q")[0]
            yield run, {name: {(time - start) // STEP: rows for time, rows in
                               self.collect("%s/%s" % (where, name)).items()} for name in names}

    def test_row_by_row(self):
        streams = {
            "shares": {"from": "q", "where": "vowel_share(s) > 0.3",
                       "select": {"k": "k", "share": "vowel_share(s)", "c": "collatz(n)"}},
            "parts": {"from": "q", "flat_map": {"part": "chop(s, 3)"},
                      "select": {"n": "n", "part": "part || array_join(chop(part, 1), '.')"}}}
        batches = self.make()
        def share(s):
            return sum(c in "aeiou" for c in s) / len(s)
        for run, out in self.run_streams(streams, batches):
            for i, rows in enumerate(batches):
                self.assertRows(out["shares"].get(i, []), [
                    {"k": r["k"], "share": share(r["s"]),
                     "c": r["n"] and collatz(r["n"])} for r in rows
                    if r["s"] and share(r["s"]) > 0.3])
                parts = [(r, r["s"][at:at + 3]) for r in rows
                         for at in range(0, len(r["s"] or ""), 3)]
                self.assertRows(out["parts"].get(i, []), [
                    {"n": r["n"], "part": part + ".".join(part)} for r, part in parts])
            self.assertEqual(run.last()["function_rows"], 0)

    def test_aggregates_and_windows(self):
        window = {"size": "%dms" % (3 * STEP), "slide": "%dms" % STEP}
        streams = {
            "batch": {"from": "q", "group_by": ["k"],
                      "aggregate": {"m": "mode(n)", "p": "mode(n) filter (where n > 6)",
                                    "c": "sum(collatz(n))"}},
            "slides": {"from": "q", "window": window, "group_by": ["k"],
                       "aggregate": {"m": "mode(n)", "n": "count()"}},
            "all": {"from": "q", "window": window, "aggregate": {"m": "mode(n)"}},
            "long": {"from": "slides", "where": "n > 20", "order_by": "collatz(m) desc, k",
                     "limit": 2}}
        batches = self.make()
        def grouped(rows):
            return {k: [r["n"] for r in rows if r["k"] == k] for k in {r["k"] for r in rows}}
        def without_null(values):
            return [v for v in values if v is not None]
        for run, out in self.run_streams(streams, batches):
            for i, rows in enumerate(batches):
                self.assertRows(out["batch"].get(i, []), [
                    {"k": k, "m": mode(without_null(v)),
                     "p": mode([n for n in without_null(v) if n > 6]),
                     "c": sum(map(collatz, without_null(v))) if without_null(v) else None}
                    for k, v in grouped(rows).items()])
                last = sum(batches[max(0, i - 2):i + 1], [])
                slides = [{"k": k, "m": mode(without_null(v)), "n": len(v)}
                          for k, v in grouped(last).items()]
                self.assertRows(out["slides"].get(i, []), slides)
                self.assertRows(out["all"].get(i, []),
                                [{"m": mode(without_null([r["n"] for r in last]))}])
                longest = sorted((r for r in slides if r["n"] > 20), key=lambda r: (
                    -collatz(r["m"]), r["k"] is None, r["k"] or ""))[:2]
                self.assertEqual(out["long"].get(i, []), longest)
            self.assertEqual(run.last()["function_values"], 0)

    def test_errors_of_rows_and_values(self):
        batches = [[{"k": "a", "n": 1}, {"k": "a", "n": -1}, {"k": "b", "n": 3}],
                   [{"k": "b", "n": 0}, {"k": "b", "n": 2}], [{"k": "a", "n": 27}]]
        streams = {
            "rows": {"from": "q", "select": {"k": "k", "c": "collatz(n)"}},
            "sums": {"from": "q", "group_by": ["k"],
                     "aggregate": {"c": "sum(collatz(n))", "n": "count()"}},
            "kept": {"from": "q", "state": {"key": ["k"], "set": {
                "c": "coalesce(max(collatz(n)), state.c)", "n": "coalesce(state.n, 0) + count()"}}}}
        for run, out in self.run_streams(streams, batches):
            self.assertRows(out["rows"][0], [{"k": "a", "c": 0}, {"k": "b", "c": 7}])
            self.assertRows(out["rows"][1], [{"k": "b", "c": 1}])
            self.assertRows(out["sums"][0], [{"k": "a", "c": None, "n": 2},
                                             {"k": "b", "c": 7, "n": 1}])
            self.assertRows(out["sums"][1], [{"k": "b", "c": None, "n": 2}])
            self.assertRows(out["kept"][2], [{"k": "a", "c": 111, "n": 3}])
            self.assertEqual(run.last()["function_rows"], 2)
            self.assertEqual(run.last()["function_values"], 4)
            self.assertEqual(run.last()["overflow_rows"], 0)
            self.assertEqual(run.last()["bad_records"], 0)
            self.assertIn("function collatz: lua/text.lua:19: not for -1", run.log())
            self.assertIn("1 rows were dropped for an error in a function", run.log())
            self.assertIn("functions failed: 2 rows dropped, 4 values null", run.log())

    def test_one_order_of_keys(self):
        """pairs goes in the order of keys: the same rows in every process."""
        functions = {"keys": {"returns": "string", "args": ["string"], "lua": [
            "function(s)", "local t, r = {}, {}",
            "for w in s:gmatch('%w+') do t[w] = true end",
            "for k in pairs(t) do r[#r + 1] = k end",
            "return table.concat(r, ' ')", "end"]}}
        words = "the quick brown fox jumps over lazy dogs and other small animals " * 3
        batches = [[{"s": words} for _ in range(50)] for _ in range(4)]
        streams = {"keys": {"from": "q", "select": {"x": "keys(s)"}}}
        for _, out in self.run_streams(streams, batches, functions):
            for i in range(4):
                self.assertEqual({r["x"] for r in out["keys"][i]},
                                 {" ".join(sorted(set(words.split())))})


class Limits(Functions):
    def test_what_never_ends_or_eats_memory(self):
        functions = {
            "loop": {"args": ["int"], "returns": "int",
                     "lua": "function(n) while n == 3 do pcall(function() end) end return n end"},
            "pattern": {"args": ["int"], "returns": "int", "lua":
                        "function(n) if n == 4 then (('a'):rep(300)):find(('.-'):rep(30) .. 'b') end"
                        " return n end"},
            "eat": {"args": ["int"], "returns": "int",
                    "lua": "function(n) local t = {} while n == 5 do t[#t + 1] = ('x'):rep(9999) .. #t end"
                           " return n end"},
            "deep": {"args": ["int"], "returns": "int",
                     "lua": "local function r(n) if n == 6 then return 1 + r(n) end return n end return r"},
            "wrong": {"args": ["int"], "returns": "int",
                      "lua": "function(n) if n == 7 then return {} end return n end"}}
        calls = " + ".join("%s(n)" % name for name in functions)
        app = self.app({"in": {"type": "stdin", "format": "csv", "schema": {"n": "int"}}},
                       {"s": {"from": "in", "select": {"x": calls}}}, functions=functions)
        run = self.run_now(app, text="".join("%d\n" % (i % 10) for i in range(100)))
        self.assertEqual(len(run.rows()), 50)
        self.assertEqual(run.last()["function_rows"], 50)
        for text in ("function loop: it takes more than 1000000 instructions",
                     "function pattern: it takes more than 1000000 instructions",
                     "function eat: it needs more than 16777216 bytes of memory",
                     "function deep: ",):
            self.assertIn(text, run.log())

    def test_limits_are_settings(self):
        functions = {"count": {"args": ["int"], "returns": "int", "lua":
                               "function(n) local s = 0 for i = 1, n do s = s + 1 end return s end"}}
        self.assertIn("is a built-in aggregate", self.command(
            "validate", self.app({"in": {"type": "rate", "rows_per_second": 1}},
                                 functions=functions, name="clash"), status=WRONG_APP).err())
        app = self.app({"in": {"type": "stdin", "format": "csv", "schema": {"n": "int"}}},
                       {"s": {"from": "in", "select": {"x": "counts(n)"}}},
                       functions={"counts": functions["count"]})
        few = self.run_now(app, "--set", "limits.lua_instructions=5000", text="100\n100000\n")
        self.assertEqual(few.rows(), [{"x": 100}])
        many = self.run_now(app, "--set", "limits.lua_instructions=5000000", text="100\n1000000\n")
        self.assertEqual(many.rows(), [{"x": 100}, {"x": 1000000}])

    def test_many_failures_are_told_at_a_limited_rate(self):
        app = self.app({"in": {"type": "rate", "rows_per_second": 500}},
                       {"s": {"from": "in", "select": {"x": "fail(value)"}}}, interval="20ms",
                       functions={"fail": {"returns": "int", "lua": "function() error('always') end"}})
        began = time.monotonic()
        run = self.start(app)
        run.until_batches(30)
        run.stop()
        self.assertEqual(run.last()["function_rows"], run.last()["rows_in"])
        spans = 1 + (time.monotonic() - began) // 5 + 1  # of five seconds
        self.assertLessEqual(run.log().count("function fail: "), 5 * spans)
        self.assertIn("function fail: functions.fail:1: always", run.log())

    def test_on_error_fail(self):
        app = self.app({"in": {"type": "stdin", "format": "csv", "schema": {"n": "int"},
                               "on_error": "fail"}},
                       {"s": {"from": "in", "where": "n > 0", "select": {"x": "collatz(n - 5)"}}},
                       functions=FUNCTIONS)
        run = self.run_now(app, text="-1\n6\n2\n", status=DATA)
        self.assertIn("function collatz failed: lua/text.lua:19: not for -3", run.log())


class Texts(Functions):
    def test_paths_count_from_the_app_file(self):
        functions = {"collatz": {"lua": "text.lua", "args": ["int"], "returns": "int"}}
        app = self.app({"in": {"type": "stdin", "format": "csv", "schema": {"n": "int"}}},
                       {"s": {"from": "in", "select": {"x": "collatz(n)"}}},
                       functions=functions, file="lua/app.json")
        self.assertEqual(self.run_now(app, text="27\n").rows(), [{"x": 111}])
        os.rename(self.path("lua"), self.path("moved"))
        whole = self.path("moved/app.json")
        self.assertEqual(self.run_now(whole, text="27\n").rows(), [{"x": 111}])
        self.write("moved/other.lua", "function collatz() return 5 end")
        run = self.run_now(whole, "--set", "functions.collatz.lua=other.lua", text="27\n")
        self.assertEqual(run.rows(), [{"x": 5}])

    def test_executors_open_no_file(self):
        """What replaces an executor works although the file is gone."""
        app = self.app({"in": {"type": "files", "dir": "in", "format": "csv",
                               "schema": {"n": "int"}}},
                       {"s": {"from": "in", "group_by": ["n"],
                              "aggregate": {"c": "max(collatz(n))", "m": "mode(n)"}}},
                       {"out": {"from": "s", "type": "file", "dir": "out"}}, functions=FUNCTIONS)
        self.write("in/1", "27\n")
        run = self.start(app, "--executors", "1")
        run.until(lambda: self.collect_rows("out"), "the first rows")
        os.remove(self.path("lua/text.lua"))
        os.remove(self.path("lua/mode.lua"))
        self.kill(run.executors()[0])
        run.until_log("lost")
        run.until_executors(1)
        self.write("in/2", "6\n6\n")
        run.until(lambda: len(self.collect_rows("out")) == 2, "rows of the second executor")
        run.stop()
        self.assertRows(self.collect_rows("out"), [{"n": 27, "c": 111, "m": 27},
                                                   {"n": 6, "c": 8, "m": 6}])

    def test_what_is_wrong_is_told_before_anything_runs(self):
        def refuse(function, *parts):
            app = self.app({"in": {"type": "rate", "rows_per_second": 1}}, functions={"f": function})
            for command in ("validate", "run", "test", "explain"):
                said = self.command(command, app, status=WRONG_APP).err()
                for part in ("functions.f", *parts):
                    self.assertIn(part, said)
        self.write("broken.lua", "function f()\n  return 1 +\nend\n")
        refuse({"lua": "broken.lua", "returns": "int"}, "broken.lua:3: unexpected symbol near 'end'",
               '"lua": "broken.lua"')
        refuse({"lua": "none.lua", "returns": "int"}, "none.lua: No such file")
        refuse({"lua": "return 1", "returns": "int"}, "must return a function")
        refuse({"lua": "io.open('x')", "returns": "int"}, "attempt to index global 'io'")
        refuse({"lua": "while true do end", "returns": "int"}, "limits.lua_instructions")
        refuse({"lua": "function() end", "returns": "list<list<int>>"}, "functions.f.returns")
        self.write("bytes.lua", b"return '\xff'")
        refuse({"lua": "bytes.lua", "returns": "int"}, "bytes.lua is no text")

    def test_a_test_in_the_file(self):
        app = self.app({"in": {"type": "stdin", "format": "csv",
                               "schema": {"k": "string", "n": "int"}}},
                       {"s": {"from": "in", "window": {"size": "200ms", "slide": "100ms"},
                              "group_by": ["k"], "aggregate": {"m": "mode(n)",
                                                               "c": "max(collatz(n))"}}},
                       functions=FUNCTIONS, tests=[
                           {"name": "modes", "input": [{"in": ["a,3", "a,5", "b,0"]},
                                                       {"in": ["a,5", "x", "a,3", "a,5"]}],
                            "batches": 3,
                            "expect": {"s": [[{"k": "a", "m": 3, "c": 7}, {"k": "b", "m": 0, "c": None}],
                                             [{"k": "a", "m": 5, "c": 7}, {"k": "b", "m": 0, "c": None}],
                                             [{"k": "a", "m": 5, "c": 7}]]},
                            "expect_errors": {"in": 1}}])
        self.command("test", app)
        run = self.command("explain", app)
        self.assertIn("mode(int) gives int: an aggregate in Lua, lua/mode.lua", run.out())

    def test_the_schema_knows_functions(self):
        schema = json.loads(self.command("schema").out())
        self.assertIn("functions", schema["properties"])
        self.assertEqual(sorted(schema["$defs"]["function"]["required"]), ["lua", "returns"])
        self.assertIn("lua_memory", json.dumps(schema))


if __name__ == "__main__":
    scenario.main()
