"""Words counted in a state and in a sliding window, and an oracle for the output.

What belongs to which batch only the app decides: it writes that down itself (`raw`), and all the
rest must follow from it exactly: every line once, every window, every value of the state.
"""
import collections
import json
import random

import scenario
import sender

SEED = 1
SIZE_MS, SLIDE_MS = 2000, 500
WORDS = ["w%d" % i for i in range(200)]


class WordSender(sender.Sender):
    """Sends the lines that the oracle expects."""

    def line(self, number):
        choose = random.Random(number)
        words = [choose.choice(WORDS) for _ in range(choose.randrange(6))]
        return (" ".join(["#%d" % number] + words) + "\n").encode()


class Counted(scenario.Scenario):
    def streams(self):
        return {
            "raw": {"from": "in", "select": {"line": "line"}},
            "words": {"from": "in", "flat_map": {"word": "split(line)"},
                      "where": "not starts_with(word, '#')", "select": {"word": "word"}},
            "total": {"from": "words", "state": {
                "key": ["word"], "set": {"n": "coalesce(state.n, 0) + count()"}}},
            "totals": {"from": "total",
                       "select": {"word": "word", "n": "n", "t": "to_unix(batch_time(), 'ms')"}},
            "recent": {"from": "words",
                       "window": {"size": "%dms" % SIZE_MS, "slide": "%dms" % SLIDE_MS},
                       "group_by": ["word"], "aggregate": {"n": "count()"}},
        }

    def sinks(self):
        return {
            "raw": {"from": "raw", "type": "file", "dir": "raw"},
            "recent": {"from": "recent", "type": "file", "dir": "recent"},
            "totals": {"from": "totals", "type": "append", "path": "totals.jsonl"},
            "screen": {"from": "raw", "type": "console"},
        }

    def feed(self, stop):
        """Files of a few lines each, at a steady rate; every line has a number."""
        choose = random.Random(SEED + 1)
        number = len(self.sent)
        while not stop.is_set():
            lines = []
            for _ in range(choose.randrange(1, 20)):
                words = [choose.choice(WORDS) for _ in range(choose.randrange(6))]
                lines.append(" ".join(["#%d" % number] + words))
                number += 1
            self.sent.extend(lines)
            self.write("in/%09d.txt" % number, "".join(line + "\n" for line in lines))
            stop.wait(0.03)

    def all_there(self):
        """Whether all that was sent is in the output."""
        return sum(len(lines) for lines in self.batches().values()) >= len(self.sent)

    # ---- the oracle ----

    def batches(self):
        """{batch time: its lines}, as the app wrote it down."""
        return {t: [row["line"] for row in rows] for t, rows in self.collect("raw").items()}

    def counts(self, batches):
        return {t: collections.Counter(w for line in lines for w in line.split()
                                       if not w.startswith("#"))
                for t, lines in batches.items()}

    def check_totals(self, counts):
        totals, expected = collections.Counter(), []
        for t in sorted(counts):
            totals.update(counts[t])
            expected += [{"word": w, "n": totals[w], "t": t} for w in counts[t]]
        self.assertRows([json.loads(line) for line in
                         scenario.read(self.path("totals.jsonl")).splitlines()], expected)

    def check_recent(self, counts):
        got, last = self.collect("recent"), max(counts)
        first = min(counts) // SLIDE_MS * SLIDE_MS
        for due in range(first, max(list(got) + [last]) + 1, SLIDE_MS):
            window = collections.Counter()
            for t in counts:
                if due - SIZE_MS < t <= due:
                    window.update(counts[t])
            if due > last and due not in got:
                continue  # left open by the stop
            expected = [{"word": w, "n": n} for w, n in window.items()]
            self.assertEqual(scenario.canonical(got.pop(due, [])), scenario.canonical(expected),
                             "the window at %d" % due)
        self.assertEqual(got, {}, "folders at times at which nothing is due")

    def check(self):
        batches = self.batches()
        lines = [line for rows in batches.values() for line in rows]
        self.assertEqual(sorted(lines), sorted(self.sent))
        self.check_counts(batches)

    def check_sender(self, sender):
        """What came over a socket: all that was acknowledged, and twice only what was sent twice."""
        self.assertIsNone(sender.wrong)
        batches = self.batches()
        times = collections.Counter(int(line.split()[0][1:]) for rows in batches.values()
                                    for line in rows)
        self.assertEqual([n for n in range(sender.safe) if n not in times], [])
        self.assertEqual([n for n in times if times[n] > 1 and n not in sender.again], [])
        self.check_counts(batches)

    def check_console(self, batches):
        """A console may repeat a batch, but lacks none. What was being printed when the driver died
        is cut short."""
        printed = set()
        for run in self.runs:
            for row in run.out().splitlines() if run.arguments[0] == "run" else ():
                if row.endswith("}"):
                    printed.add(json.loads(row)["line"])
        self.assertEqual([line for rows in batches.values() for line in rows
                          if line not in printed], [])

    def check_counts(self, batches):
        self.check_console(batches)
        counts = self.counts(batches)
        self.check_totals(counts)
        self.check_recent(counts)
