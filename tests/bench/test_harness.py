"""The harness of bench/run: whoever fails is out of the workload, and the others go on; what is
recorded, and what stays of what was recorded before. With contestants and servers made up here."""
import os
import subprocess
import sys
import tempfile
import time
import types
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "bench"))
sys.dont_write_bytecode = True
from harness import aside, contestants, data, failed, machine, measure, parts, report, sender
from harness import table, throughput
from peers import duckdb, mawk
from workloads import stateful, window

# Answers each request as its "do" says.
SERVER = """
import json, os, sys, time
for line in sys.stdin:
    request = json.loads(line)
    do = request["do"]
    if do == "die":
        os._exit(3)
    if do == "hang":
        time.sleep(3600)
    if do == "babble":
        print("hello", flush=True)
        continue
    if do == "throw":
        print(json.dumps({"error": "no | luck"}), flush=True)
        continue
    with open(request["output"], "w") as file:
        file.write("a,%d\\n" % (2 if do == "err" else 1))
    print(json.dumps({"seconds": 0.5}), flush=True)
"""


class Options:
    smoke, judges, rounds, warm_up, uncounted, peers = False, True, 2, 1, 1, []

    def __init__(self, late=False, over=False):
        self.late, self.over = late, over

    def is_late(self):
        return self.late

    def is_over(self):
        return self.over


class Part:
    """One record, with the result a = 1."""
    paths, tables, records, over_tcp, expected = [], {}, 1, False, {"a": (1,)}

    def bytes(self):
        return 1


def workload(goals):
    return types.SimpleNamespace(
        NAME="some", TITLE="Some", UNIT="rows", MERGE=(sum,), GOALS=goals,
        dataset=types.SimpleNamespace(part=lambda _: Part()))


class Fake(contestants.Contestant):
    """Its results are a dictionary's, or it raises what it is given."""

    def __init__(self, name, result, is_ours=False):
        self.name, self.share, self.part, self.result = name, 1.0, Part(), result
        self.is_ours, self.turns = is_ours, 0

    def turn(self, work):
        self.turns += 1
        if isinstance(self.result, Exception):
            raise self.result
        return measure.Figures(1, 0.5, 0.25, 1.0), [self.result]


class Case(unittest.TestCase):
    def setUp(self):
        failed.of_dstream.clear()
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(contestants.Server.close_all)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def server(self):
        return contestants.Server.of([sys.executable, "-c", SERVER], None, self.path("log"))

    def served(self, do):
        return contestants.Served(do, 1.0, Part(), self.server, {"do": do})

    def play(self, *everybody):
        return throughput.play(workload({}), everybody, Options())


class OfServers(Case):
    def test_one_that_does_as_asked_has_figures(self):
        figures, out = self.play(self.served("well"))
        self.assertEqual(out, {})
        self.assertEqual([f.wall for f in figures["well"]], [0.5, 0.5])

    def test_one_that_fails_is_out_and_the_others_go_on(self):
        for do, why in (("die", "it ended"), ("throw", "no / luck"), ("err", "wrong result"),
                        ("babble", "it ended")):
            with self.subTest(do):
                figures, out = self.play(self.served("well"), self.served(do))
                self.assertEqual(list(out), [do])
                self.assertIn(why, out[do])
                self.assertEqual(len(figures["well"]), 2)

    def test_after_a_failure_another_server_is_warmed_up(self):
        first = self.server()
        self.play(self.served("throw"))
        self.assertIsNotNone(first.process.returncode)
        second = self.server()
        self.assertIsNot(first, second)
        well = self.served("well")
        with tempfile.TemporaryDirectory() as work:
            well.prepare(work, 1)
            second.kill()
            well.prepare(work, 1)
            self.assertEqual(len(well.turn(work)[1]), 1)
        self.assertIsNot(well.server, second)

    def test_one_that_died_between_turns_is_replaced(self):
        first = self.server()
        first.process.kill()
        first.process.wait()
        self.assertIsNot(self.server(), first)

    def test_one_that_stands_still_is_ended(self):
        server = self.server()
        with self.assertRaisesRegex(failed.Failed, "no answer after"):
            server.ask({"do": "hang"}, patience=0.2)
        self.assertIsNotNone(server.process.returncode)


class OfPrograms(Case):
    def test_one_that_fails_says_why(self):
        with self.assertRaisesRegex(failed.Failed, "status 3: so it is"):
            measure.run(["sh", "-c", "echo so it is >&2; exit 3"], 1)

    def test_one_that_stands_still_is_ended_with_its_children(self):
        with self.assertRaisesRegex(failed.Failed, "not done after"):
            measure.run(["sh", "-c", "sleep 3600; true"], 1, patience=0.2)

    def test_one_keeps_to_its_cores_and_ends_with_its_parent(self):
        core = machine.one_core()
        code = ("import ctypes, os; told = ctypes.c_int();"
                "ctypes.CDLL(None).prctl(2, ctypes.byref(told));"  # PR_GET_PDEATHSIG
                "print(sorted(os.sched_getaffinity(0)), told.value)")
        for cores, wanted in (core, core), (None, machine.cores()):
            done = subprocess.run(measure.begun([sys.executable, "-c", code], cores), check=True,
                                  stdout=subprocess.PIPE, text=True)
            self.assertEqual(done.stdout, "%s 9\n" % sorted(wanted))

    def test_one_that_cannot_begin_says_so(self):
        with self.assertRaisesRegex(failed.Failed, "status 127: no/such/program: No such file"):
            measure.run(["no/such/program"], 1)

    def test_the_moment_of_the_exec_is_told(self):
        moment, told = os.pipe()
        before = time.monotonic()
        with subprocess.Popen(measure.begun(["cat"], None, told), stdin=subprocess.PIPE,
                              pass_fds=(told,)):
            os.close(told)
            with os.fdopen(moment) as file:  # to its end: who was begun has it no more
                self.assertTrue(before <= float(file.read()) <= time.monotonic())

    def test_a_wrong_result_of_dstream_is_kept_in_mind(self):
        _, out = self.play(Fake("dstream", "a,2\n", True), Fake("peer", "a,2\n"))
        self.assertEqual(set(out), {"dstream", "peer"})
        self.assertEqual(len(failed.of_dstream), 1)
        self.assertIn("wrong result", failed.of_dstream[0])

    def test_who_is_out_has_no_more_turns(self):
        bad, good = Fake("bad", OSError("gone")), Fake("good", "a,1\n")
        self.play(bad, good)
        self.assertEqual((bad.turns, good.turns), (1, 3))

    def test_when_it_is_late_only_who_has_a_goal_has_all_rounds(self):
        for options, turns in ((Options(), (3, 3)), (Options(late=True), (3, 2)),
                               (Options(True, True), (2, 2))):
            goal, other = Fake("goal", "a,1\n"), Fake("other", "a,1\n")
            throughput.play(workload({"goal": 2}), [goal, other], options)
            self.assertEqual((goal.turns, other.turns), turns)


class OfCutStreams(Case):
    """dstream takes a silence for the end of a stream; a turn in which that happened is none."""

    def turn(self, silences):
        self.addCleanup(setattr, machine, "DSTREAM", machine.DSTREAM)
        machine.DSTREAM = self.path("dstream")
        with open(machine.DSTREAM, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\necho >> ../turns\nmkdir -p out/1\n"
                       "if [ $(wc -l < ../turns) -le %d ]\n"
                       "then echo nothing came from there >&2; echo b,1 > out/1/part-0\n"
                       "else echo a,1 > out/1/part-0; fi\n" % silences)
        os.chmod(machine.DSTREAM, 0o700)
        os.mkdir(self.path("work"))
        return contestants.Dstream("dstream", Part(), {}).turn(self.path("work"))[1]

    def test_it_is_repeated(self):
        self.assertEqual(self.turn(2), ["a,1\n"])

    def test_but_not_for_ever(self):
        with self.assertRaisesRegex(failed.Failed, "silent"):
            self.turn(9)


class OfParts(Case):
    def rows(self):
        yield "first", 1.0, "ms"
        raise failed.Failed("it broke")

    def collected(self, late, *some):
        self.left_out = []
        return list(parts.collected(some, Options(late), self.left_out))

    def goals(self, late, *some):
        return parts.run("Some", some, Options(late)).goals

    def test_one_that_fails_keeps_what_it_had(self):
        found = self.collected(False, parts.Part("one", self.rows(), False),
                               parts.ours("two", [("b", 1.0, "ms")]))
        self.assertEqual([row[:2] for row in found], [("first", 1.0), ("one", None), ("b", 1.0)])
        self.assertEqual(found[1][2], "failed: it broke")
        self.assertEqual(failed.of_dstream, [])

    def test_a_peer_without_a_part_is_told_of_where_peers_are_asked_for(self):
        options = Options()
        self.assertEqual(parts.without("mawk twice", options, "no need"), [])
        options.peers = [mawk]
        told, = parts.without("mawk twice", options, "no need")
        row = ("mawk twice", None, "no need", None)
        self.assertEqual(list(parts.collected([told], options, [])), [row])
        self.assertEqual(self.collected(True, parts.ours("one", []), told), [row])  # takes no time

    def test_only_the_first_has_its_turn_when_it_is_late(self):
        row = ("a", 1.0, "ms")
        found = self.collected(True, parts.ours("one", [row]), parts.ours("two", [row]))
        self.assertEqual(found, [(*row, None), ("two", None, "no time left for this", None)])
        self.assertEqual(self.left_out, ["two"])

    def test_goals_are_there_whatever_becomes_of_their_part(self):
        wanted = [table.Wanted("first", 2, "ms"), table.Wanted("second", 3, "ms")]
        goals = self.goals(False, parts.ours("one", self.rows(), wanted))
        self.assertEqual([(g.what, g.state, g.reached) for g in goals],
                         [("first", table.MET, "1 ms"),
                          ("second", table.UNKNOWN, "failed: it broke")])
        goals = self.goals(True, parts.ours("one", []), parts.ours("two", self.rows(), wanted))
        self.assertEqual([(g.state, g.reached) for g in goals],
                         [(table.UNKNOWN, "no time left for this")] * 2)
        goal, = self.goals(False, parts.ours("one", [("first", None, "noise")], wanted[:1]))
        self.assertEqual((goal.state, goal.reached), (table.UNKNOWN, "noise"))

    def test_a_goal_may_have_two_sides(self):
        for value, state in (7.9, table.NOT_MET), (8, table.MET), (12.1, table.NOT_MET):
            goal, = self.goals(False, parts.ours("one", [("a", value, "times")],
                                                 [table.Wanted("a", (8, 12), "times")]))
            self.assertEqual((goal.goal, goal.state), ("8 to 12 times", state))


def line(name, rate, cpu):
    return throughput.Line(name, 1.0, rate, cpu, 1.0, 2)


class OfGoals(Case):
    lines = [line("plain C", 400.0, 1.0), line("dstream", 300.0, 2.0), line("mawk", 100.0, 9.0)]

    def goals(self, goals, lines=None, missing=None):
        return table.throughput(workload(goals), lines or self.lines, missing or {},
                                Options()).goals

    def test_both_ratios_are_judged_and_the_ceiling_is_told(self):
        goal, = self.goals({"mawk": 4})
        self.assertEqual(goal.state, table.NOT_MET)
        self.assertEqual(goal.reached,
                         "3 by records/s, 4.5 by CPU (met); plain C itself: 4, 9")

    def test_without_figures_there_is_nothing_to_judge(self):
        goal, = self.goals({"mawk": 4}, self.lines[:2], {"mawk": "failed: it broke"})
        self.assertEqual((goal.state, goal.reached), (table.UNKNOWN, "failed: it broke"))
        goal, = self.goals({"mawk": 4}, self.lines[2:], {"dstream": "failed: so"})
        self.assertEqual((goal.state, goal.reached), (table.UNKNOWN, "failed: so"))
        goal, = self.goals({"mawk twice": 4}, self.lines[:2], {"mawk": "absent: gone"})
        self.assertEqual((goal.state, goal.reached), (table.UNKNOWN, "absent: gone"))

    def test_who_had_fewer_rounds_is_told_of(self):
        section = table.throughput(workload({}), [self.lines[1], self.lines[2]._replace(rounds=1)],
                                   {}, Options())
        self.assertIn("| mawk (1 rounds) |", section.table)
        self.assertEqual((section.rounds, section.cut), ("2 rounds", "only mawk 1 rounds"))


class OfReports(Case):
    order = ["one", "two"]

    def section(self, reached, state=table.NOT_MET):
        return table.Section("A title", "| a |\n", [
            table.Goal("a batch, p99: late", "5 ms", "%s ms" % reached, state)])

    def write(self, sections):
        path = self.path("RESULTS.md")
        report.write(sections, Options(), 60, self.order, path)
        with open(path, encoding="utf-8") as file:
            return file.read()

    def setUp(self):
        super().setUp()
        Options.scale = 1.0

    def test_sections_of_other_workloads_stay(self):
        self.write({"one": self.section(6), "two": self.section(7)})
        text = self.write({"one": self.section(4, table.MET)})
        self.assertNotIn("6 ms", text)
        self.assertEqual(text.count("## one"), 1)
        self.assertIn("1 of 2 are met, 1 are not", text)
        self.assertIn("**two, a batch, p99: late** (goal 5 ms, reached 7 ms): no reason known.", text)
        self.assertNotIn("**one", text)

    def test_what_is_written_again_is_the_same(self):
        first = self.write({"two": self.section(7), "one": self.section(6)})
        self.assertEqual(self.write({"one": self.section(6)}), first)

    def test_what_was_cut_short_is_told_at_the_top(self):
        text = self.write({"one": self.section(6)._replace(rounds="1 rounds", cut="only x 1 rounds"),
                           "two": self.section(7)})
        head = text[:text.index("## All goals")]
        self.assertIn("CUT SHORT for want of time: one (only x 1 rounds)", head)
        self.assertIn("NOT A RUN OF RECORD", head)  # two rounds
        self.assertIn("; 1 rounds, scale 1.", text)

    def test_a_reason_is_found_by_workload_and_goal(self):
        path = self.path("reasons.md")
        with open(path, "w", encoding="utf-8") as file:
            file.write("# Title\n\nText.\n\n## one: a *\n\nAs it\nis.\n")
        why = report.why_not([("one", self.section(6).goals[0])], report.read_reasons(path))
        self.assertIn("reached 6 ms): As it is.", why)

    def test_a_reason_that_is_never_reached_is_refused(self):
        path = self.path("reasons.md")
        for title in "one: a *", "one: a b", "one: a b *":
            with self.subTest(title):
                with open(path, "w", encoding="utf-8") as file:
                    file.write("## one: a *\n\nSo.\n\n## %s\n\nOr so.\n" % title)
                with self.assertRaisesRegex(ValueError, "never reached"):
                    report.read_reasons(path)
        self.assertTrue(report.read_reasons(report.REASONS))


class OfData(Case):
    """Three pieces, the second value of a key is a maximum."""

    def setUp(self):
        super().setUp()
        self.addCleanup(setattr, machine, "DATA", machine.DATA)
        machine.DATA = self.folder.name

    def make(self):
        def write(file, number):
            file.write("line %d\n" % number)
            return 1, {"a": (1, number), "b%d" % number: (number, 7)}
        return data.DataSet("some-3", 3, write, data.merge((sum, max)))

    def texts(self, part):
        return [text.decode() for text in map(sender.read, part.paths)]

    def test_pieces_of_several_processes_are_in_order(self):
        dataset = self.make()
        self.assertEqual(self.texts(dataset.part(1.0)), ["line 0\n", "line 1\n", "line 2\n"])
        self.assertEqual(dataset.part(1.0).expected,
                         {"a": (3, 2), "b0": (0, 7), "b1": (1, 7), "b2": (2, 7)})

    def test_what_was_written_is_found_again(self):
        first = self.make().part(1.0)
        os.utime(first.paths[0], (1, 1))
        again = self.make().part(1.0)
        self.assertEqual(os.path.getmtime(again.paths[0]), 1)
        self.assertEqual(again.expected, first.expected)

    def test_a_share_has_what_comes_out_of_it(self):
        part = self.make().part(0.67)
        self.assertEqual((part.records, part.expected),
                         (2, {"a": (2, 1), "b0": (0, 7), "b1": (1, 7)}))

    def test_pieces_again_are_links_and_merged_results(self):
        dataset = self.make()
        part = dataset.repeated(2)
        self.assertEqual((part.records, len(part.paths)), (6, 6))
        self.assertEqual(part.expected, {"a": (6, 2), "b0": (0, 7), "b1": (2, 7), "b2": (4, 7)})
        self.assertEqual(self.texts(part)[3:], self.texts(part)[:3])
        self.assertTrue(os.path.samefile(part.paths[0], part.paths[3]))
        self.assertIs(dataset.repeated(1), dataset.part(1.0))

    def test_links_are_sent_each_time_and_read_once(self):
        paths = self.make().repeated(2).paths
        texts = sender.read_once(paths)
        self.assertIs(texts[0], texts[3])
        self.assertEqual(b"".join(texts), b"line 0\nline 1\nline 2\n" * 2)


class OfPeers(Case):
    def workload(self, **more):
        part = Part()
        part.paths = ["piece"]
        some = workload({})
        some.dataset.part = some.dataset.repeated = lambda _: part
        vars(some).update(more)
        return some, part

    def test_mawk_has_a_row_for_each_of_its_scripts(self):
        some, part = self.workload(MAWK={"mawk": "1", "mawk otherwise": "2"})
        self.assertEqual([(one.name, one.argv) for one in mawk.enter(some, part)],
                         [("mawk", ["mawk", "1", "piece"]),
                          ("mawk otherwise", ["mawk", "2", "piece"])])

    def test_duckdb_reads_tcp_from_its_pipe(self):
        some, part = self.workload(SQL="SELECT {files}")
        one, = duckdb.enter(some, part)
        self.assertEqual(one.request["sql"], "SELECT ['piece']")
        part.over_tcp = True
        one, = duckdb.enter(some, part)
        self.assertEqual(one.request["sql"], "SELECT ['%s']" % one.request["stream"])

    def test_whoever_has_no_part_has_a_row_that_says_why(self):
        some, _ = self.workload(CEILING=["none"], app=lambda part: {},
                                WITHOUT={"somebody": "there is no way"})
        _, missing = throughput.field(some, Options())
        self.assertEqual(missing, {"somebody": "there is no way"})
        section = table.throughput(some, [line("dstream", 1.0, 1.0)], missing, Options())
        self.assertIn("| somebody (there is no way) |", section.table)


class OfStates(Case):
    def check(self, lines, rows):
        path = self.path("text")
        with open(path, "w", encoding="utf-8") as file:
            file.write("a b\na\nb b\n")
        part = Part()
        part.paths = [path]
        stateful.check_batches(part, lines, rows)

    def test_each_batch_is_what_all_before_it_come_to(self):
        self.check([2, 0, 1], ["a,2\n", "b,1\n", "b,3\n", "a,2\n"])

    def test_a_wrong_batch_before_the_last_is_found(self):
        for lines, rows in (([2, 1], ["a,1\n", "b,1\n", "b,3\n", "a,2\n"]),
                            ([2, 1], ["a,2\n", "b,1\n", "b,3\n", "a,2\n", "c,1\n"]),
                            ([2], ["a,2\n", "b,1\n"])):
            with self.subTest(rows), self.assertRaises(failed.Failed):
                self.check(lines, rows)

    def test_dstream_is_out_then_and_the_others_go_on(self):
        some = workload({})
        some.SIZES, some.CEILING, some.app = {"full": 1}, ["none"], lambda part: {}
        some.make = lambda size: some.dataset
        some.dataset.repeated = some.dataset.part
        some.verify = lambda part: self.check([2], ["a,1\n", "b,1\n"])
        options = Options()
        options.size = lambda of: 1
        section = throughput.run(some, options)
        self.assertIn("| dstream (failed: a wrong result in batch 0", section.table)
        self.assertEqual(len(failed.of_dstream), 2)  # there is no plain C either


class OfWindows(Case):
    def check(self, output, panes=2):
        path = self.path("rows")
        with open(path, "w", encoding="utf-8") as file:
            file.write("00001,0005\n00002,0007\n00001,0009\n")
        part = Part()
        part.paths, part.records = [path], 3
        lines = [{"batch_time": at, "batch_rows_in": n} for at, n in
                 (("1", 1), ("2", 0), ("3", 0), ("4", 2))]
        window.check(part, output, lines, "sum", panes)

    def test_batches_without_output_do_not_shift_the_others(self):
        self.check(["1,5,1\n", "1,5,2\n", "1,9,4\n", "2,7,4\n"])

    def test_a_wrong_one_is_found(self):
        for output in (["1,5,1\n", "1,5,2\n", "1,14,4\n", "2,7,4\n"],
                       ["1,6,1\n", "1,5,2\n", "1,9,4\n", "2,7,4\n"],
                       ["1,5,1\n", "1,9,4\n", "2,7,4\n"]):
            with self.subTest(output), self.assertRaisesRegex(failed.Failed, "wrong result"):
                self.check(output)


class Aside(unittest.TestCase):
    """What turns leave is not removed between them."""

    def test_a_turn_begins_without_what_was_left(self):
        work = aside.folder()
        for turn in range(2):
            os.makedirs(os.path.join(work, "out", str(turn)))
            contestants.clear(work)
            self.assertEqual(os.listdir(work), [])
        kept = [os.path.join(place, name) for place, names, _ in os.walk(os.path.dirname(work))
                for name in names]
        for turn in range(2):
            self.assertTrue(any(path.endswith(os.path.join("out", str(turn))) for path in kept))


if __name__ == "__main__":
    unittest.main()
