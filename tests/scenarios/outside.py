"""What tests of executors share that join an app from outside: one that counts words, which is not
begun before they come, and who joins it."""
import os
import subprocess

import scenario

SECRET = "correct horse battery staple 0123456789"
OFF = {"DSTREAM_SHARED_MEMORY": "off"}


class Outside(scenario.Scenario):
    def words_app(self, executors, **more):
        return self.app(
            {"in": {"type": "files", "dir": "in"}},
            {"words": {"from": "in", "flat_map": {"word": "split(line)"}},
             "n": {"from": "words", "group_by": ["word"], "aggregate": {"n": "count()"}}},
            {"out": {"from": "n", "type": "console"}}, executors=executors, **more)

    def begin_app(self, app, *options, env=None):
        os.makedirs(self.path("in"), exist_ok=True)
        run = self.start(app, *options, env=dict({"DSTREAM_SECRET": SECRET}, **(env or {})))
        run.until_log("executors may join")
        return run

    def executor(self, url, *options, secret=SECRET, env=None):
        """Starts one that joins the driver at a URL."""
        environment = dict(os.environ, TMPDIR=self.tmpdir, **(env or {}))
        environment.pop("DSTREAM_SECRET", None)
        environment[scenario.MARK] = self.mark
        if secret is not None:
            environment["DSTREAM_SECRET"] = secret
        process = subprocess.Popen(
            [scenario.BINARY, "executor", "--driver", url, *options],
            env=environment, cwd=self.dir, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def expect_refused(self, process, words, status=scenario.WRONG_APP):
        """status None: any."""
        _, err = process.communicate(timeout=scenario.PATIENCE)
        self.assertIn(words, err.decode())
        if status is not None:
            self.assertEqual(process.returncode, status, err)

    def counts(self, run):
        total = {}
        for row in run.rows():
            total[row["word"]] = total.get(row["word"], 0) + row["n"]
        return total

    def until_all(self, run, n):
        """Gives small files until so many executors take part."""
        numbers = iter(range(1, 1000000))

        def all_take_part():
            self.write("in/small-%d" % next(numbers), "a b\n")
            return run.last().get("executors") == n
        run.until(all_take_part, "%d executors take part" % n)
        return next(numbers) - 1
