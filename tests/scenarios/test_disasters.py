"""What nobody expects of a disk: files that are cut short, have a flipped bit or are gone, folders
that vanish while the app runs. Nothing is silently wrong afterwards: the output is exact, or the
app says what is damaged and does not go on. docs/failures.md has the table."""
import glob
import json
import os
import re
import shutil
import subprocess
import threading

import counted
import scenario
from scenario import IO_ERROR, UNAVAILABLE, WRONG_APP, read, until


def flip(path, at, bit=4):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ bit]))


class Disasters(counted.Counted):
    """Words counted in a state and a window, with a checkpoint; the oracle is exact."""

    def setUp(self):
        super().setUp()
        self.sent = []
        os.mkdir(self.path("in"))

    def counted_app(self, **more):
        settings = {"checkpoint": {"dir": "state", "every": "200ms"},
                    "executors": {"count": 2, "cores": 1, "key_partitions": 4}}
        settings.update(more)
        return self.app({"in": {"type": "files", "dir": "in"}}, self.streams(), self.sinks(),
                        interval="100ms", **settings)

    def begin_feeding(self):
        stop = threading.Event()
        thread = self.background(self.feed, stop)
        self.addCleanup(stop.set)

        def end():
            stop.set()
            thread.join()
        return end

    def feed_more(self, run, files=10):
        """So many files, and waits until they are in the output."""
        stop = threading.Event()
        n = len(self.sent)
        thread = self.background(self.feed, stop)
        until(lambda: len(self.sent) > n + files, "lines are there")
        stop.set()
        thread.join()
        run.until(self.all_there, "all is in the output")

    def journal(self):
        return max(glob.glob(self.path("state/metadata/*.jsonl")))

    def kept(self):
        """Files of which the newest state needs something."""
        out = self.command("checkpoint", "show", "state").out()
        streams = json.loads(out).get("kept", {}).get("streams", [])
        return [(self.path("state/kept", part["file"]), part["offset"], part["bytes"])
                for stream in streams for part in stream["parts"]]

    def until_saved(self, run, n=2):
        run.until(lambda: read(self.journal()).count('"record":"saved"') >= n, "it is saved")

    def tree(self, dir="state"):
        found = {}
        for where, folders, names in os.walk(self.path(dir)):
            found[where] = sorted(folders)
            for name in names:
                found[os.path.join(where, name)] = read(os.path.join(where, name))
        return found

    def check_refused(self, app, *words):
        """Every command says what is damaged; nothing is changed, and nothing runs."""
        before, output = self.tree(), self.tree("raw")
        run = self.start(app)
        run.wait(WRONG_APP)
        compat = self.command("checkpoint", "compat", app, "state", status=WRONG_APP)
        for word in ("cannot go on from the checkpoint in state", *words):
            self.assertIn(word, run.log())
            self.assertIn(word, compat.err())
        verify = self.command("checkpoint", "verify", "state", status=IO_ERROR)
        self.assertIn("damaged", verify.out())
        self.assertEqual(self.tree(), before)
        self.assertEqual(self.tree("raw"), output)


class Damaged(Disasters):
    """A checkpoint in which something is not what was written."""

    def leave(self):
        """Kills the driver of an app that has saved something."""
        app = self.counted_app()
        run = self.start(app)
        self.feed_more(run)
        self.until_saved(run)
        self.feed_more(run)
        run.kill()
        self.command("checkpoint", "verify", "state")
        return app

    def goes_on(self, app):
        """It is whole again: so is what comes out."""
        run = self.start(app)
        self.feed_more(run)
        run.stop()
        self.check()
        verify = self.command("checkpoint", "verify", "state")
        self.assertRegex(verify.out(), "state/kept: [1-9][0-9]* parts, [1-9][0-9]* bytes\n")

    def restore(self, path):
        shutil.copy2(path, self.path("aside"))
        return lambda: shutil.copy2(self.path("aside"), path)

    def test_kept_files(self):
        app = self.leave()
        path, offset, length = self.kept()[-1]
        put_back = self.restore(path)
        flip(path, offset + length // 2)
        self.check_refused(app, path.rsplit("/", 1)[1], "checksum", "what was saved of stream")
        put_back()
        os.truncate(path, offset + length - 1)
        self.check_refused(app, path.rsplit("/", 1)[1], "cut short")
        os.remove(path)
        self.check_refused(app, path.rsplit("/", 1)[1], "No such file or directory")
        put_back()
        self.goes_on(app)

    def test_it_is_whole_while_the_app_runs(self):
        app = self.counted_app(checkpoint={"dir": "state", "every": "100ms"})
        run = self.start(app)
        self.feed_more(run)
        self.until_saved(run)
        stop = self.begin_feeding()
        for _ in range(20):
            self.command("checkpoint", "verify", "state")
        stop()
        run.stop()

    def test_metadata(self):
        app = self.leave()
        path = self.journal()
        put_back = self.restore(path)
        lines = read(path).encode().split(b"\n")
        starts = [sum(len(line) + 1 for line in lines[:i]) for i in range(len(lines))]
        for i in (0, 1, len(lines) // 2):  # and perhaps no record but the last one
            flip(path, starts[i] + len(lines[i]) // 2)
            self.check_refused(app, path.rsplit("/", 1)[1], "damaged")
            put_back()
        # Every line holds, and yet they cannot be: a batch is given its input twice.
        twice = next(i for i, line in enumerate(lines) if line.startswith(b'{"record":"allotted"'))
        with open(path, "wb") as file:
            file.write(b"\n".join(lines[:twice + 1] + lines[twice:]))
        self.check_refused(app, path.rsplit("/", 1)[1], "is not what it should be")
        for what in ("show", "ls", "verify"):
            self.command("checkpoint", what, "state", status=IO_ERROR)
        put_back()
        # All of it is gone: that is no new checkpoint.
        for whole in (False, True):
            os.rename(self.path("state/metadata"), self.path("gone"))
            if not whole:
                os.mkdir(self.path("state/metadata"))
            before = self.tree()
            run = self.start(app)
            run.wait(WRONG_APP)
            said = [self.command("checkpoint", *what, "state", status=WRONG_APP).err()
                    for what in (("compat", app), ("show",), ("verify",), ("ls",))]
            for text in [run.log()] + said:
                self.assertIn("its metadata is gone", text)
            self.assertEqual(self.tree(), before)
            if os.path.isdir(self.path("state/metadata")):
                os.rmdir(self.path("state/metadata"))
            os.rename(self.path("gone"), self.path("state/metadata"))
        self.goes_on(app)

    def test_the_end_of_the_metadata(self):
        # The last record may be what a crash left of it: it did not happen. Wherever that is.
        app = self.counted_app()
        flipped = set()
        for _ in range(30):
            run = self.start(app)
            self.feed_more(run, 1)
            run.kill()
            path = self.journal()
            last = read(path).rstrip("\n").rsplit("\n", 1)[-1]
            kind = json.loads(last)["record"]
            # What a save replaced is deleted; outputs of a batch that is prepared may be in place.
            if kind not in ("saved", "whole", "prepared"):
                flip(path, os.path.getsize(path) - len(last) // 2)
                flipped.add(kind)
            if len(flipped) == 2:
                break
        self.goes_on(app)
        self.assertTrue(any("left out" in run.log() for run in self.runs))


    def test_a_commit_that_is_lost(self):
        # The metadata is cut at the end of a record: only what is in place tells.
        app = self.counted_app()
        for _ in range(30):
            run = self.start(app)
            self.feed_more(run, 1)
            run.kill()
            path = self.journal()
            text = read(path)
            cut = text.rfind("\n", 0, text.rindex('{"record":"prepared"')) + 1
            if '"record":"saved"' not in text[cut:] and '"record":"whole"' not in text[cut:]:
                break
        put_back = self.restore(path)
        os.truncate(path, cut)
        self.start(app).wait(WRONG_APP)
        compat = self.command("checkpoint", "compat", app, "state", status=WRONG_APP)
        for said in (self.runs[-2].log(), compat.err()):
            self.assertRegex(said, "it lacks the commit of batch .*, of which sink .* has output")
        put_back()
        self.goes_on(app)


class Vanishing(Disasters):
    """Folders that are removed, or moved away for a while, under an app that runs."""

    def begin(self, **more):
        app = self.counted_app(**more)
        run = self.start(app)
        self.feed_more(run)
        self.until_saved(run)
        return app, run

    def kill_and_go_on(self, app, run):
        """Nothing that came back is worth less than before."""
        run.kill()
        run = self.start(app)
        self.feed_more(run)
        run.stop()
        self.check()
        self.command("checkpoint", "verify", "state")

    def test_the_checkpoint_moves_away_and_back(self):
        app, run = self.begin()
        os.rename(self.path("state"), self.path("away"))
        stop = self.begin_feeding()
        run.until_log("the checkpoint folder state was removed or replaced")
        rows, n = len(self.collect_rows("raw")), len(self.sent)
        until(lambda: len(self.sent) > n + 100, "there is more")
        stop()
        # What it kept was saved there. Another one cannot load it, and says so if a batch wants it
        # now: those that wait for the checkpoint may be done but for their commit.
        self.kill(run.executors()[0])
        run.until_log("key partitions were with executor")
        self.assertTrue(run.running())
        self.assertFalse(os.path.exists(self.path("state")))
        os.rename(self.path("away"), self.path("state"))
        run.until_log("the checkpoint can be written again")
        run.until(self.all_there, "all is in the output")
        self.assertLess(rows, len(self.sent))
        self.assertEqual(run.last()["failed_batches"], 0)
        self.assertEqual(run.last()["panes_lost"], 0)
        self.kill_and_go_on(app, run)

    def test_the_checkpoint_is_removed(self):
        # Nothing more is committed; another app may have a folder of that name. The second signal
        # ends this one.
        app, run = self.begin()
        os.rename(self.path("state"), self.path("gone"))  # at once, as nobody removes many files
        shutil.rmtree(self.path("gone"))
        stop = self.begin_feeding()
        run.until_log("the checkpoint folder state was removed or replaced")
        stop()
        other = self.start(self.app({"q": {"type": "queue", "schema": {"n": "int"},
                                           "batches": [[{"n": 1}]]}}, name="other",
                                    checkpoint={"dir": "state"}), "--available-now")
        other.wait()
        self.assertEqual(other.rows(), [{"n": 1}])
        self.assertTrue(run.running())
        run.kill()
        refused = self.run_now(app, status=WRONG_APP)
        self.assertIn('belongs to the app "other"', refused.log())

    def test_what_is_in_the_checkpoint_is_removed(self):
        # All of it is known to whoever runs: it is written once more.
        for name in ("metadata", "kept"):
            with self.subTest(name=name):
                app, run = self.begin()
                os.rename(self.path("state", name), self.path("gone"))
                shutil.rmtree(self.path("gone"))
                stop = self.begin_feeding()
                if name == "metadata":
                    run.until_log("a metadata file was removed")
                    run.until_log("the checkpoint can be written again")
                else:
                    run.until_log("what is kept could not be saved")  # moved away, or removed
                    run.until_log("what is kept can be saved again")
                stop()
                run.until(self.all_there, "all is in the output")
                self.kill_and_go_on(app, run)

    def test_the_folder_of_a_sink(self):
        # What was output and is removed does not come again; what is not yet output does.
        app, run = self.begin()
        os.rename(self.path("raw"), self.path("away"))
        self.feed_more_to(run, "raw")
        run.stop()
        for name in os.listdir(self.path("away")):
            target = self.path("raw", name)
            self.assertFalse(os.path.exists(target))
            os.rename(self.path("away", name), target)
        self.check()

    def feed_more_to(self, run, dir):
        """Lines until some are in a folder that was made anew."""
        stop = self.begin_feeding()
        run.until(lambda: len(self.collect_rows(dir)) > 50, "rows are there")
        stop()
        n = sum(len(rows) for rows in self.collect("away").values())
        run.until(lambda: n + len(self.collect_rows(dir)) >= len(self.sent), "all is there")


class Disks(Disasters):
    """Small disks that are full, or cannot be written, for a while."""

    def mount(self, name, size="1m"):
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700,size=" + size, "none", path],
                              stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            self.skipTest("a small tmpfs cannot be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", path])
        return path

    def fill(self, disk):
        """Takes all room that there is, and goes on to do so; returns what gives it back."""
        enough, path = threading.Event(), os.path.join(disk, "filler")

        def take():
            with open(path, "wb", buffering=0) as file:
                while not enough.is_set():
                    try:
                        file.write(b"x" * 512)
                    except OSError:
                        enough.wait(0.01)
        thread = self.background(take)
        self.addCleanup(enough.set)

        def give_back():
            enough.set()
            thread.join()
            os.remove(path)
        return give_back

    def overcome(self, run, app, disk, problem, over):
        """The app says what it cannot do, waits, goes on, and all is exact; after a crash, too."""
        give_back = self.fill(disk)
        stop = self.begin_feeding()
        run.until(lambda: re.search(problem + ".*No space left on device", run.log()), problem)
        self.assertTrue(run.running())
        give_back()
        stop()
        if over:
            run.until_log(over)
        run.until(self.all_there, "all is in the output")
        self.assertEqual(run.last()["failed_batches"], 0)
        run.kill()
        run = self.start(app)
        self.feed_more(run)
        run.stop()
        self.check()
        self.command("checkpoint", "verify", "state")

    def run_on(self, *names):
        disks = [self.mount(name) for name in names]
        app = self.counted_app()
        run = self.start(app)
        self.feed_more(run)
        self.until_saved(run)
        return app, run, disks[0]

    def test_the_metadata_is_full(self):
        app, run, disk = self.run_on("state/metadata")
        self.overcome(run, app, disk, "the checkpoint cannot be written",
                      "the checkpoint can be written again")

    def test_saved_windows_and_state_are_full(self):
        app, run, disk = self.run_on("state/kept")
        self.overcome(run, app, disk, "what is kept could not be saved",
                      "what is kept can be saved again")

    def test_a_folder_of_files_is_full(self):
        app, run, disk = self.run_on("raw")
        self.overcome(run, app, disk, "raw", None)

    def test_a_sink_that_cannot_be_written(self):
        app, run, disk = self.run_on("raw")
        self.remount(disk, "ro")
        stop = self.begin_feeding()
        run.until_log("Read-only file system")
        stop()
        rows = len(self.collect_rows("raw"))
        self.assertLess(rows, len(self.sent))
        self.remount(disk, "rw")
        run.until(self.all_there, "all is in the output")
        self.assertEqual(run.last()["failed_batches"], 0)
        run.stop()
        self.check()

    def remount(self, disk, how):
        done = subprocess.run(["mount", "-o", "remount," + how, disk], stderr=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0)


class Received(scenario.Scenario):
    """The log of received blocks, damaged while no driver runs."""

    def test_a_block_of_the_log(self):
        # It is left out, reported and counted; all others arrive.
        port = self.free_port()
        app = self.app({"in": {"type": "socket", "listen": "127.0.0.1:%d" % port}}, None,
                       {"out": {"from": "in", "type": "file", "dir": "out"}}, interval="50ms",
                       checkpoint={"dir": "state"})
        run = self.start(app)
        run.until_log("listening")
        self.write("out", "in the way")  # so that the batch stays pending
        self.send(port, "one\n")
        run.until_log("Not a directory")
        run.until(lambda: self.count_logged() == 1, "the first is in the log")
        self.send(port, "two\n")
        run.until(lambda: self.count_logged() == 2, "the second is in the log")
        run.kill()
        os.remove(self.path("out"))
        path = min(glob.glob(self.path("state/log/in/*.log")))
        flip(path, read(path).encode("utf-8", "surrogateescape").index(b"one\n"))
        verify = self.command("checkpoint", "verify", "state", status=IO_ERROR)
        self.assertIn("damaged: 1 blocks, 1 records", verify.out())
        run = self.start(app)
        run.until(lambda: self.collect_rows(), "rows are there")
        run.stop()
        self.assertEqual(self.collect_rows(), [{"line": "two"}])
        self.assertEqual(run.last()["bytes_lost"], len("one\n"))
        self.assertIn("1 received records are damaged", run.log())

    def count_logged(self):
        return sum(read(path).count("DSB\x1a") for path in glob.glob(self.path("state/log/in/*.log")))


class TwoApps(scenario.Scenario):
    """One folder for each: the second app is told so, and the first one does not notice."""

    def test_one_folder_of_a_sink(self):
        def app(name):
            return self.app({"in": {"type": "files", "dir": "in"}}, None,
                            {"out": {"from": "in", "type": "file", "dir": "out"}}, name=name,
                            interval="50ms", checkpoint={"dir": "state-" + name})
        self.write("in/a", "x\n")
        run = self.start(app("one"))
        run.until(lambda: len(self.collect_rows()) == 1, "it writes")
        second = self.start(app("two"))
        second.wait(UNAVAILABLE)
        self.assertIn("out", second.log())
        self.assertIn("in use by another", second.log())
        self.write("in/b", "y\n")
        run.until(lambda: len(self.collect_rows()) == 2, "it writes on")
        run.stop()
        self.assertRows(self.collect_rows(), [{"line": "x"}, {"line": "y"}])


if __name__ == "__main__":
    scenario.main()
