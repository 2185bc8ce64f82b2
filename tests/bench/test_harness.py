"""The harness of bench/run: whoever fails is out of the workload, and the others go on; what is
recorded, and what stays of what was recorded before. With contestants and servers made up here."""
import contextlib
import io
import os
import platform
import subprocess
import sys
import tempfile
import time
import types
import unittest
import unittest.mock

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "bench"), os.path.join(TOP, "tests", "instructions")]
sys.dont_write_bytecode = True
import check as instructions
from harness import aside, contestants, data, failed, machine, measure, parts, report, sender
from harness import table, throughput
from peers import duckdb, mawk
from workloads import interval, stateful, window, window_rows, window_spark

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
    print(json.dumps({"seconds": 0.5, **({"cpu": 0.7} if do == "tell cpu" else {})}), flush=True)
"""


class Options:
    smoke, judges, rounds, warm_up, uncounted, peers, load = False, True, 2, 1, 1, [], 0.5

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

    def test_the_cpu_time_is_what_one_says_if_it_does(self):
        figures, _ = self.play(self.served("well"), self.served("tell cpu"))
        self.assertEqual([f.cpu for f in figures["tell cpu"]], [0.7, 0.7])
        self.assertLess(max(f.cpu for f in figures["well"]), 0.7)

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

    def test_two_side_by_side_have_the_files_among_them_and_their_counts_are_added(self):
        paths = [self.path(name) for name in "abc"]
        for path, rows in zip(paths, ("x,1\n", "x,2\ny,5\n", "x,3\n")):
            with open(path, "w", encoding="utf-8") as file:
                file.write(rows)
        part = types.SimpleNamespace(paths=paths, records=4)
        for count in 1, 2:
            both = contestants.SideBySide("cat", part, ["cat"], count)
            figures, rows = both.turn(self.folder.name)
            self.assertEqual((figures.records, sorted(rows)), (4, ["x,6\n", "y,5\n"]))
            with open(self.path("result-0"), encoding="utf-8") as file:
                self.assertEqual(len(file.readlines()), 4 // count)

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

    def test_with_smoke_it_is_of_whoever_fails(self):
        self.addCleanup(setattr, failed, "all_count", False)
        for failed.all_count, count in (False, 0), (True, 1):
            self.play(Fake("peer", "a,2\n"))
            self.assertEqual(len(failed.of_dstream), count)

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


class Clock(Options):
    """Of three rounds. It is late, and all is over, after so many turns."""
    rounds = 3

    def __init__(self, late=99, over=99):
        self.late_after, self.over_after, self.turns = late, over, []

    def is_late(self):
        return len(self.turns) >= self.late_after

    def is_over(self):
        return len(self.turns) >= self.over_after


class OfParts(Case):
    wanted = [table.Wanted("of A", 2, "ms")]

    def rows(self, name, options, values, goes_on=True):
        """A turn for each of the values, of which an error is raised; then the last one again."""
        for value in values + values[-1:] * 9:
            options.turns.append(name)
            if isinstance(value, Exception):
                raise value
            yield "of " + name, value, "so it is" if value is None else "ms"
            if not goes_on:
                return
            yield parts.END_OF_TURN

    def part(self, name, options, *values, goals=(), goes_on=True):
        return parts.ours(name, self.rows(name, options, list(values), goes_on), goals)

    def run_parts(self, options, *some):
        """Rows as (what, value, unit), and the section."""
        self.rows_told = []
        figures = table.figures

        def kept(title, rows, options):
            self.rows_told = [row[:3] for row in rows]
            return figures(title, rows, options)
        with unittest.mock.patch.object(table, "figures", kept):
            return parts.run("Some", some, options)

    def test_all_have_their_turns_in_each_round_and_medians_count(self):
        options = Clock()
        section = self.run_parts(options, self.part("A", options, 1, 9, 2),
                                 self.part("B", options, 5, 4, 3))
        self.assertEqual("".join(options.turns), "ABABAB")
        self.assertEqual(self.rows_told, [("of A", 2, "ms"), ("of B", 4, "ms")])
        self.assertEqual((section.rounds, section.cut), ("3 rounds", ""))

    def test_one_that_fails_is_out_and_the_others_go_on(self):
        options = Clock()
        section = self.run_parts(
            options, self.part("A", options, 1, failed.Failed("it broke"), goals=self.wanted),
            self.part("B", options, 5))
        self.assertEqual("".join(options.turns), "ABABB")
        self.assertEqual(self.rows_told, [("A", None, "failed: it broke"),
                                          ("of A", None, "failed: it broke"), ("of B", 5, "ms")])
        goal, = section.goals
        self.assertEqual((goal.state, goal.reached), (table.UNKNOWN, "failed: it broke"))
        self.assertEqual(failed.of_dstream, ["A it broke"])
        self.assertEqual(section.cut, "")

    def test_one_that_ends_has_its_rounds_itself(self):
        options = Clock()
        section = self.run_parts(options, self.part("A", options, 1, goes_on=False),
                                 self.part("B", options, 5))
        self.assertEqual("".join(options.turns), "ABBB")
        self.assertEqual(self.rows_told, [("of A", 1, "ms"), ("of B", 5, "ms")])
        self.assertEqual((section.rounds, section.cut), ("3 rounds", ""))
        self.assertEqual(self.run_parts(options, self.part("A", options, 1, goes_on=False)).rounds, "")

    def test_servers_stand_still_while_others_have_their_turns(self):
        server, still = self.server(), []

        def served():
            while True:
                server.ask({"do": "well", "output": self.path("out")})
                yield "a", 1, "ms"
                yield parts.END_OF_TURN

        def other():
            while True:
                still.append(server.stopped)
                yield "b", 1, "ms"
                yield parts.END_OF_TURN
        self.run_parts(Clock(), parts.ours("one", served()), parts.ours("two", other()))
        self.assertEqual(still, [True] * 3)

    def test_a_peer_begins_with_its_first_turn(self):
        options = Clock()

        def rows(peer):
            options.turns.append("begins")
            yield from self.rows(peer.NAME, options, [1])
        options.peers = [types.SimpleNamespace(NAME="B", absent=lambda: None)]
        self.run_parts(options, self.part("A", options, 1), *parts.of_peer("B", options, rows))
        self.assertEqual(options.turns, ["A", "begins", "B", "A", "B", "A", "B"])

    def test_when_it_is_late_only_who_has_a_goal_has_all_rounds(self):
        options = Clock(late=3)
        section = self.run_parts(options, self.part("A", options, 1, 9, goals=self.wanted),
                                 self.part("B", options, 5, 7), self.part("C", options, 1))
        self.assertEqual("".join(options.turns), "ABCAA")
        self.assertEqual(self.rows_told, [("of A", 9, "ms"), ("of B", 5, "ms (1 round)"),
                                          ("of C", 1, "ms (1 round)")])
        self.assertEqual((section.rounds, section.cut),
                         ("3 rounds", "only B 1 round, C 1 round"))

    def test_only_the_first_has_its_turn_when_all_is_over(self):
        options = Clock(0, 0)
        section = self.run_parts(options, self.part("A", options, 1),
                                 self.part("B", options, 5, goals=[table.Wanted("b", 3, "ms")]),
                                 parts.told("C", "no need"))
        self.assertEqual("".join(options.turns), "A")
        self.assertEqual(self.rows_told, [("of A", 1, "ms (1 round)"),
                                          ("B", None, "no time left for this"),
                                          ("b", None, "no time left for this"),
                                          ("C", None, "no need")])  # takes no time
        self.assertEqual(section.cut, "without B; only A 1 round")
        self.assertEqual([(goal.state, goal.reached) for goal in section.goals],
                         [(table.UNKNOWN, "no time left for this")])

    def test_figures_that_are_missing_or_below_nothing(self):
        for values, row in (((None,), ("of A", None, "so it is")),
                            ((3, None, 5), ("of A", 4, "ms (2 rounds)")),
                            ((3, None, None), ("of A", None, "so it is")),
                            ((3, -1, -2), ("of A", None, "less than nothing: noise"))):
            with self.subTest(values):
                options = Clock()
                goal, = self.run_parts(options, self.part("A", options, *values,
                                                          goals=self.wanted)).goals
                self.assertEqual(self.rows_told, [row])
                if row[1] is None:
                    self.assertEqual((goal.state, goal.reached), (table.UNKNOWN, row[2]))

    def test_a_peer_without_a_part_is_told_of_where_peers_are_asked_for(self):
        options = Options()
        self.assertEqual(parts.without("mawk twice", options, "no need"), [])
        options.peers = [mawk]
        self.run_parts(options, *parts.without("mawk twice", options, "no need"))
        self.assertEqual(self.rows_told, [("mawk twice", None, "no need")])

    def test_a_goal_may_have_two_sides(self):
        for value, state in (7.9, table.NOT_MET), (8, table.MET), (12.1, table.NOT_MET):
            goal, = parts.run("Some", [parts.ours("one", [("a", value, "times")], [
                table.Wanted("a", (8, 12), "times")])], Options()).goals
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
        self.assertIn("| mawk (1 round) |", section.table)
        self.assertEqual((section.rounds, section.cut), ("2 rounds", "only mawk 1 round"))


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
        text = self.write({"one": self.section(6)._replace(rounds="1 round", cut="only x 1 round"),
                           "two": self.section(7)})
        head = text[:text.index("## All goals")]
        self.assertIn("CUT SHORT for want of time: one (only x 1 round)", head)
        self.assertIn("NOT A RUN OF RECORD", head)  # two rounds
        self.assertIn("; 1 round, scale 1.", text)

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


class OfIntervals(Case):
    def trials(self, least, near=0):
        """The place that is found where it is `least` or more that holds, and what was tried."""
        tried = []

        def holds(ms):
            tried.append(ms)
            return ms >= least
        return interval.smallest_that_holds([1, 2, 3, 5], near, holds), tried

    def test_it_is_looked_for_from_where_it_was(self):
        for least, near, found, tried in ((1, 0, 0, [1]), (3, 0, 2, [1, 2, 3]), (3, 2, 2, [3, 2]),
                                          (1, 2, 0, [3, 2, 1]), (5, 2, 3, [3, 5]),
                                          (9, 2, None, [3, 5])):
            with self.subTest(least=least, near=near):
                self.assertEqual(self.trials(least, near), (found, tried))

    def test_each_turn_has_half_of_what_it_could_take_itself(self):
        rates, asked = iter([100, 60]), []
        rows = interval.turns("one", [1, 2], lambda: next(rates),
                              lambda rate, ms: asked.append((rate, ms)) or ms == 2)
        found = [next(rows) for _ in range(6)]
        self.assertEqual(asked, [(50, 1), (50, 2), (30, 2), (30, 1)])
        self.assertEqual([row[1] for row in found if row is not parts.END_OF_TURN], [100, 2, 60, 2])


class OfWindows(Case):
    def check(self, output, panes=2):
        path = self.path("rows")
        with open(path, "w", encoding="utf-8") as file:
            file.write("00001,0005\n00002,0007\n00001,0009\n")
        part = Part()
        part.paths, part.records = [path], 3
        lines = [{"batch_time": at, "batch_rows_in": n} for at, n in
                 (("1", 1), ("2", 0), ("3", 0), ("4", 2))]
        window_rows.check(part, output, lines, "sum", panes)

    def test_batches_without_output_do_not_shift_the_others(self):
        self.check(["1,5,1\n", "1,5,2\n", "1,9,4\n", "2,7,4\n"])

    def test_a_wrong_one_is_found(self):
        for output in (["1,5,1\n", "1,5,2\n", "1,14,4\n", "2,7,4\n"],
                       ["1,6,1\n", "1,5,2\n", "1,9,4\n", "2,7,4\n"],
                       ["1,5,1\n", "1,9,4\n", "2,7,4\n"]):
            with self.subTest(output), self.assertRaisesRegex(failed.Failed, "wrong result"):
                self.check(output)

    def rows_file(self, name, rows):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.writelines("%05d,%04d\n" % row for row in rows)
        return self.path(name)

    def test_rows_go_on_in_the_next_file(self):
        part = Part()
        part.paths = [self.rows_file(name, [(1, n), (2, n)]) for n, name in enumerate("abc")]
        part.records = 6
        self.assertEqual(list(window_rows.rows_between(part, 1, 5)),
                         [(2, 0), (1, 1), (2, 1), (1, 2)])
        self.assertEqual(list(window_rows.rows_between(part, 2, 4)), [(1, 1), (2, 1)])

    def test_the_first_ones_are_those_with_the_most_and_then_the_least_key(self):
        rows = [(3, 0), (2, 5), (1, 2), (2, 1), (1, 4)]
        for aggregate, top in (("count", [(1, 2), (2, 2), (3, 1)]),
                               ("sum", [(1, 6), (2, 6), (3, 0)]),
                               ("max", [(2, 5), (1, 4), (3, 0)])):
            self.assertEqual(window_rows.expected_top(rows, aggregate), top)

    def test_records_a_second_are_those_with_a_full_window(self):
        figures = measure.Figures(4_000_000, 9.0, 2.0, 7.0)
        turn = window.turn(figures, [(1, 99)] * window.PANES + [(10, 4), (20, 6)])
        self.assertEqual(turn, (3e6, 0.5, 7.0))

    def test_plain_c_has_the_results_of_the_oracle(self):
        """With panes that end within files and pieces, and keys that come and go."""
        machine.compile_tool(os.path.join(TOP, "bench", "ceiling", "window.c"),
                             self.path("window"), 0)
        part, count = Part(), 30_000
        part.paths = [self.rows_file(name, [
            (n * 7 % 13_001 + n // 9_000 * 500, n * 31 % 9_973) for n in range(at, at + count)])
            for name, at in (("a", 0), ("b", count))]
        part.records = 2 * count
        with unittest.mock.patch.object(machine, "ceiling", self.path), \
                unittest.mock.patch.object(machine, "starter", self.begin):
            for aggregate in window.AGGREGATES:
                for panes in 0, 1, 3:
                    with self.subTest((aggregate, panes)):
                        turn = window.plain_c_turn(self.folder.name, part, 1500, aggregate, panes,
                                                   True)
                        self.assertGreater(turn.rate, 0)

    def begin(self):
        """As in a run, which has it built under build-bench."""
        source, program = os.path.join(TOP, "bench", "harness", "begin.c"), self.path("begin")
        machine.compile_tool(source, program, 0)
        return program

    def spark(self, aggregate, results):
        files = [(self.rows_file("pane-%d" % n, [(n % 3, n)]), 1) for n in range(window.PANES + 4)]
        path = self.path("result")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines("%d,%05d,%d\n" % row for row in results)
        window_spark.check(files, path, aggregate)

    def test_of_spark_one_batch_with_a_full_window_and_the_last_are_checked(self):
        right = [(31, 1, 31), (31, 0, 30), (31, 2, 29), (33, 0, 33), (33, 2, 32), (33, 1, 31)]
        self.spark("max", right)
        for wrong in right[:-1], [(31, 1, 30), *right[1:]]:
            with self.assertRaisesRegex(failed.Failed, "wrong result in batch"):
                self.spark("max", wrong)


class OfSlowest(unittest.TestCase):
    """What is judged of the slowest batches."""

    def rounds(self, *slow):
        """Of each round which batches took how long; all others took 1."""
        return [[batches.get(number, 1) for number in range(200)] for batches in slow]

    def test_what_others_did_is_left_out(self):
        rounds = self.rounds({20: 9, 50: 7}, {90: 8}, {20 + window.NEAR + 1: 9})
        self.assertEqual(window.least_slowest(rounds), 1)

    def test_what_is_there_in_every_round_counts(self):
        rounds = self.rounds({50: 9}, {50: 7, 10: 30}, {50: 8})
        self.assertEqual(window.least_slowest(rounds), 7)

    def test_also_where_it_moves_a_little(self):
        rounds = self.rounds({50: 9}, {50 + window.NEAR: 7}, {50 - window.NEAR: 8})
        self.assertEqual(window.least_slowest(rounds), 7)

    def test_of_one_round_it_is_the_slowest(self):
        self.assertEqual(window.least_slowest(self.rounds({0: 3, 199: 4})), 4)


class OfArguments(unittest.TestCase):
    def test_wrong_ones_end_with_64_and_one_line_that_says_why(self):
        for words in (["run", "nosuch"], ["run", "--rounds", "0"], ["peers/install", "nosuch"],
                      ["recovery", "--rounds", "0"], ["recovery", "--keys"],
                      ["recovery", "--nosuch"], ["state", "nosuch"], ["state", "--batches", "x"],
                      ["state", "--keys", "10,x"], ["state", "--keys", "10,0"]):
            with self.subTest(words):
                done = subprocess.run([sys.executable, "-B", os.path.join(TOP, "bench", words[0]),
                                       *words[1:]], stderr=subprocess.PIPE, text=True, check=False)
                self.assertEqual(done.returncode, 64)
                self.assertNotIn("Traceback", done.stderr)


class OfInstructions(Case):
    """Of tests/instructions/check.py."""

    def judged(self, recorded, counts):
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            status = instructions.judge(recorded, counts, "check")
        return status, told.getvalue()

    def test_what_got_slower_fails_and_what_got_faster_is_told(self):
        self.assertEqual(self.judged({"a": 100, "b": 100}, {"a": 104, "b": 97})[0], 0)
        status, told = self.judged({"a": 100, "b": 100}, {"a": 106, "b": 90})
        self.assertEqual(status, 1)
        self.assertIn("Slower by more than 5 %: a.", told)
        self.assertIn("faster by more than 5 %: b.", told)

    def test_new_and_lost_ones_are_called_that(self):
        for recorded, counts, word in (({"a": 1}, {"a": 1, "b": 2}, "NEW"),
                                       ({"a": 1, "b": 2}, {"a": 1}, "LOST")):
            status, told = self.judged(recorded, counts)
            self.assertEqual(status, 1)
            self.assertRegex(told, r"\nb .* %s\n" % word)
            self.assertIn("Not compared with anything: b.", told)
            self.assertIn("check --record", told)
            self.assertNotIn("Slower", told)

    def run_without_valgrind(self, **more):
        return subprocess.run(
            [sys.executable, "-B", instructions.__file__, "nothing"], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
            env={"PATH": self.folder.name, **more})

    @unittest.skipUnless(platform.machine() == "x86_64", "they are not counted here at all")
    def test_without_valgrind_it_is_skipped_aloud_and_fails_in_ci(self):
        done = self.run_without_valgrind()
        self.assertEqual(done.returncode, 77)
        self.assertRegex(done.stdout, "^SKIPPED: .* there is no valgrind")
        done = self.run_without_valgrind(CI="true")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, "^FAILED: .* there is no valgrind")

    @unittest.skipUnless(platform.machine() == "x86_64", "they are not counted here at all")
    def test_another_compiler_is_skipped_aloud_also_in_ci(self):
        told = io.StringIO()
        with unittest.mock.patch.multiple(instructions, run=lambda *_: {"avx2 a": 1},
                                          compiler=lambda _: "gcc 99"), \
                unittest.mock.patch.object(instructions.shutil, "which", lambda _: "valgrind"), \
                unittest.mock.patch.dict(os.environ, CI="true"), \
                unittest.mock.patch.object(sys, "argv", ["check", "program"]), \
                contextlib.redirect_stdout(told), self.assertRaises(SystemExit) as ended:
            instructions.main()
        self.assertEqual(ended.exception.code, 77)
        self.assertRegex(told.getvalue(), "^SKIPPED: .*recorded with gcc .*built with gcc 99")


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
