"""`dstream test`: tests in app files that hold and that do not, files that are no apps; nothing
is left in the folder, and nothing is opened."""
import json
import os

import scenario
from scenario import DONE, FAILED, NO_INPUT, USAGE, WRONG_APP

DATA = os.path.join(scenario.HERE, "../data/tests")

FAILING = """\
failing.json: this one holds: ok
failing.json: rows: FAILED
    by at 2026-01-01T00:00:00.5Z (batch 1, entry 1):
      1 missing row:
        {"k": "b", "v": 2.0000001}
      1 unexpected row:
        {"k": "b", "v": 2.0}
    by at 2026-01-01T00:00:01Z (batch 2, entry 2):
      1 missing row:
        {"k": "z", "v": null}
    by at 2026-01-01T00:00:02Z (batch 4, entry 4):
      1 unexpected row:
        {"k": "c", "v": null}
    w at 2026-01-01T00:00:02Z (batch 4, entry 2):
      1 missing row:
        {"n": 2}
      1 unexpected row:
        {"n": 1}
failing.json: order: FAILED
    by at 1970-01-01T00:00:00.5Z (batch 1, entry 1):
      the rows are right, but in another order; row 1
        should be {"k": "b"}
        but is    {"k": "a"}
failing.json: bad records: FAILED
    l: bad records: 2, expected: 1
    q: bad records: 0, expected: 3
failing.json: a bad record ends the app: FAILED
    the app ended: source j: bad record: record 1: not valid JSON: not an object: no
failing.json: at many times: FAILED
    every at 1970-01-01T00:00:00.5Z (batch 1, entry 1):
      1 unexpected row:
        {"n": 0}
    every at 1970-01-01T00:00:01Z (batch 2, entry 2):
      1 missing row:
        {"n": 1}
      1 unexpected row:
        {"n": 0}
    every at 1970-01-01T00:00:02Z (batch 4, entry 4):
      1 unexpected row:
        {"n": 0}
    every at 1970-01-01T00:00:02.5Z (batch 5, entry 5):
      1 unexpected row:
        {"n": 0}
    every at 1970-01-01T00:00:03Z (batch 6, entry 6):
      1 unexpected row:
        {"n": 0}
    every: and at 3 more times
6 tests, 5 failed
"""


class CommandTest(scenario.Scenario):
    maxDiff = None

    def copy(self, *names):
        for name in names:
            self.write(name, scenario.read(os.path.join(DATA, name)), aside=False)

    def check(self, *arguments, status=DONE):
        """Runs `dstream test`; standard output stays empty, the folder as it was."""
        before = sorted(os.listdir(self.dir))
        run = self.command("test", *arguments, status=status)
        self.assertEqual(run.out(), "")
        self.assertEqual(sorted(os.listdir(self.dir)), before)
        self.assertEqual(os.listdir(self.tmpdir), [])
        return run.err()

    def test_the_example_of_the_contract(self):
        self.copy("contract.json")
        self.assertEqual(self.check("contract.json"),
                         "contract.json: counts slide: ok\n1 test, 0 failed\n")

    def test_every_kind_of_source_and_state(self):
        for name in ("sources.json", "state.json"):
            self.copy(name)
            err = self.check(name)
            n = len(json.loads(scenario.read(self.path(name)))["tests"])
            self.assertEqual(err.count(": ok\n"), n, err)
            self.assertTrue(err.endswith("\n%d tests, 0 failed\n" % n), err)

    def test_what_differs_is_shown(self):
        self.copy("failing.json")
        self.assertEqual(self.check("failing.json", status=FAILED), FAILING)

    def test_results_do_not_depend_on_the_executors(self):
        for name in ("contract.json", "sources.json", "state.json"):
            self.copy(name)
            app = json.loads(scenario.read(self.path(name)))
            none = {"count": 0, "listen": "tcp://127.0.0.1:1"}
            only_outside = [none] if name == "contract.json" else []  # the others listen
            for executors in [{"count": 1, "key_partitions": 1}, {"count": 3, "cores": 4},
                              *only_outside]:
                app["executors"] = executors
                self.write(name, json.dumps(app))
                self.check(name)

    def test_many_files(self):
        self.copy("contract.json", "failing.json")
        self.app({"q": {"type": "rate", "rows_per_second": 1}}, name="none")
        err = self.check("failing.json", "contract.json", "none.json", status=FAILED)
        self.assertIn("contract.json: counts slide: ok\nnone.json: no tests\n", err)
        self.assertTrue(err.endswith("7 tests, 5 failed\n"), err)
        self.write("bad.json", "{}")
        err = self.check("bad.json", "failing.json", "contract.json", status=WRONG_APP)
        self.assertIn("bad.json:1:1: ", err)
        self.assertIn("contract.json: counts slide: ok\n", err)
        err = self.check("contract.json", "not there.json", status=NO_INPUT)
        self.assertIn("not there.json: No such file or directory\n", err)

    def test_expected_columns_that_are_not_there(self):
        self.copy("contract.json")
        app = json.loads(scenario.read(self.path("contract.json")))
        app["tests"][0]["expect"]["top"] = [[], [{"status": 200, "m": 1}]]
        self.write("contract.json", json.dumps(app))
        err = self.check("contract.json", status=WRONG_APP)
        self.assertIn('tests[0].expect.top[1][0].m: no column "m" (did you mean "n"?)', err)
        self.assertEqual(self.command("validate", "contract.json", status=WRONG_APP).err() +
                         "0 tests, 0 failed\n", err)

    def test_usage(self):
        self.assertIn("an app file is wanted", self.check(status=USAGE))
        self.assertIn("--setx", self.check("--setx", "contract.json", status=USAGE))
        self.assertIn("--log-level", self.check("--log-level", status=USAGE))
        self.copy("contract.json")
        err = self.check("--log-level", "debug", "contract.json")
        self.assertIn("executor 1 is ready", err)


if __name__ == "__main__":
    scenario.main()
