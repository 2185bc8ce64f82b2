#!/usr/bin/env python3
"""Compares what the hot paths cost in instructions with what was recorded.

    tests/instructions/check.py build/tests/instructions/hot_paths [--record] [--keep FILE]

Runs the program under callgrind, which counts the instructions of each workload. A workload that
takes 5 % more than tests/instructions/counts.json says fails, as does one that is only there or only
here; of one that takes 5 % less a line tells, as nobody notices if it loses that again. --record
writes the new counts there; --keep leaves callgrind's files, for callgrind_annotate. Status 77: not
to be counted here, which is told. Where the environment has CI=true, valgrind has to be there.
"""
import argparse
import glob
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
COUNTS = os.path.join(HERE, "counts.json")
ALLOWED = 1.05

SLOWER = """
Slower by more than 5 %: {names}. What to do:

  1. See where it goes, for each workload (avx2 grep is one of them):
         {program} --keep /tmp/counted
         callgrind_annotate /tmp/counted.N    # "desc: Trigger" in the file names the workload
     The same on the commit before, in a build folder of its own, shows what is new.
  2. Make it fast again, if it was not meant; docs/performance.md says what each part costs.
  3. If it is the price of something that is worth it, record the new counts, and say in the
     commit message what they pay for:
         {program} --record
"""
UNKNOWN = """
Not compared with anything: {names}. Workloads that are new, or have another name now, are to be
recorded; one that is lost is to be brought back, or to be left out of what is recorded. Both by

         {program} --record

which writes all counts anew: first see in the table above that the others are as they were.
"""


def skip(why):
    """What is not counted is to be seen in a log, where a skipped test is easily taken for one that
    passed."""
    print("SKIPPED: the instructions of the hot paths are NOT COMPARED: %s." % why, flush=True)
    sys.exit(77)


def skip_without_tools(why):
    """The project's own scripts install them: where they ought to have run, that is a failure."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        sys.exit("FAILED: the instructions of the hot paths cannot be compared: %s. Here, with CI=%s, "
                 "that is no reason to go on: scripts/setup test installs it." % (
                     why, os.environ["CI"]))
    skip(why)


def environment():
    """Nothing from outside that changes which code runs, or where on a page things lie."""
    return {"CK_FORK": "no", "LC_ALL": "C", "PATH": "/usr/bin:/bin"}


def run(program, prefix):
    """Instructions by workload."""
    argv = ["valgrind", "--tool=callgrind", "--quiet", "--instr-atstart=no",
            "--callgrind-out-file=" + prefix, program]
    done = subprocess.run(argv, env=environment(), cwd="/", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        sys.exit("%s failed (%d):\n%s" % (" ".join(argv), done.returncode, done.stdout))
    counts = {}
    for path in glob.glob(prefix + ".*"):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.M)
        total = re.search(r"^(?:totals|summary): (\d+)", text, re.M)
        if name and total:
            counts[name.group(1)] = int(total.group(1))
    return counts


def compiler(program):
    """The compiler's name and major version, as the program's debug information has it."""
    text = subprocess.run(["readelf", "--string-dump=.comment", program], text=True,
                          stdout=subprocess.PIPE, check=False).stdout
    found = re.search(r"GCC: \([^)]*\) (\d+)", text)
    return "gcc " + found.group(1) if found else "unknown"


def compare(recorded, counts):
    """Prints a table; the names of those that rose too much, and of those that only one side has."""
    risen, unknown = [], []
    print("%-20s %12s %12s %8s" % ("", "recorded", "now", ""))
    for name in sorted(set(recorded) | set(counts)):
        old, new = recorded.get(name), counts.get(name)
        if old is None or new is None:
            print("%-20s %12s %12s %8s" % (name, old or "-", new or "-", "NEW" if new else "LOST"))
            unknown.append(name)
            continue
        print("%-20s %12d %12d %+7.1f%%" % (name, old, new, (new / old - 1) * 100))
        if new > old * ALLOWED:
            risen.append(name)
    fallen = [name for name in sorted(counts) if counts[name] * ALLOWED < recorded.get(name, 0)]
    if fallen:
        print("These got faster by more than 5 %%: %s. Record it with --record: until then they may "
              "lose it again without a word." % ", ".join(fallen))
    return risen, unknown


def judge(recorded, counts, program):
    """The status."""
    failed = 0
    for text, names in zip((SLOWER, UNKNOWN), compare(recorded, counts)):
        if names:
            print(text.format(names=", ".join(names), program=program))
            failed = 1
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("program")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--keep", metavar="FILE")
    args = parser.parse_args()
    program = os.path.abspath(args.program)
    if platform.machine() != "x86_64":
        skip("they were recorded on x86-64")
    if shutil.which("valgrind") is None:
        skip_without_tools("there is no valgrind")
    with tempfile.TemporaryDirectory() as folder:
        counts = run(program, os.path.abspath(args.keep or os.path.join(folder, "out")))
    if not counts:
        skip_without_tools("the program was built without valgrind's headers")
    if not any(name.startswith("avx2 ") for name in counts):
        skip("the processor has no AVX2, and the C library takes other ways, too")
    if args.record:
        with open(COUNTS, "w", encoding="utf-8") as file:
            json.dump({"compiler": compiler(program), "instructions": counts}, file, indent=2,
                      sort_keys=True)
            file.write("\n")
        return
    with open(COUNTS, encoding="utf-8") as file:
        recorded = json.load(file)
    if recorded["compiler"] != compiler(program):
        skip("they were recorded with %s, and this was built with %s" % (
            recorded["compiler"], compiler(program)))
    sys.exit(judge(recorded["instructions"], counts,
                   "%s %s" % (os.path.relpath(__file__), args.program)))


if __name__ == "__main__":
    main()
