#!/usr/bin/env python3
"""usage: property.py [--seeds FIRST..LAST | --seed N] [--seconds S] [--ways a,b] [--keep]

Random small apps with random inputs, run by the real binary in several ways (one executor, four,
threads, ...) and compared, output time by output time, with a plain evaluation (evaluate.py).

A seed that fails is made smaller, and its app, what was expected and what came out are printed.
`property.py --seed N` runs that seed alone. The binary is named by DSTREAM, or is build/dstream.
"""
import argparse
import json
import math
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import generate  # noqa: E402
from shrink import fails, shrink  # noqa: E402
from ways import BINARY, WAYS, WIDE_WAYS, WITH_DEATHS, Difference, check, limit_memory  # noqa: E402


def app_text(app_json):
    """The app file with one row, column or clause on a line."""
    def text(value, depth, indent=""):
        if not value or depth == 0 or not isinstance(value, (dict, list)):
            return json.dumps(value, ensure_ascii=False)
        inner, deeper = indent + " ", depth - 1
        if isinstance(value, dict):
            parts = ["%s: %s" % (json.dumps(key, ensure_ascii=False),
                                 text(part, deeper if key not in ("batch", "schema") else 0, inner))
                     for key, part in value.items()]
            return "{\n%s%s\n%s}" % (inner, (",\n" + inner).join(parts), indent)
        return "[\n%s%s\n%s]" % (inner, (",\n" + inner).join(text(part, deeper, inner)
                                                           for part in value), indent)
    return text(app_json, 5)


def report(seed, way, app, message, keep):
    """Makes the app smaller, in the way that has one start if that fails, too; and shows it."""
    if way != "test" and fails(app, "test", message):
        way = "test"
    smaller = shrink(app, way, message)
    try:
        check(smaller, way, keep and "property-%d" % seed)
    except Difference as difference:
        message = str(difference)
    text = app_text(smaller.json(sinks=way != "test"))
    print("seed %d, %s: %s\n%s" % (seed, way, message, text))
    for source in smaller.sources:
        for records in source.files:
            print("a file of %s: %s" % (source.name, json.dumps([text for text, _ in records],
                                                                ensure_ascii=False)))
    print("again: %s --seed %d --ways %s%s" % (os.path.relpath(__file__), seed, way,
                                               " --wide" if way in WIDE_WAYS else ""), flush=True)


def run_seed(seed, ways, wide, keep):
    """True if all is as it should be."""
    try:
        app = (generate.WideApps if wide else generate.Apps)(random.Random(seed)).app()
    except MemoryError:
        print("seed %d is passed over: it takes too much memory" % seed)
        return True
    for way in ways:
        if way in WITH_DEATHS and app.remembers():
            continue
        try:
            check(app, way)
        except Difference as difference:
            report(seed, way, app, str(difference), keep)
            return False
    return True


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seeds", default="1..1000000")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--failures", type=int, default=1, help="how many end the run")
    parser.add_argument("--ways", help="of %s; %s; with --wide of %s" % tuple(
        ",".join(ways) for ways in (WAYS, WITH_DEATHS, WIDE_WAYS)))
    parser.add_argument("--wide", action="store_true", help="apps with much data")
    parser.add_argument("--keep", action="store_true", help="leave the files of a failed app in property-SEED")
    options = parser.parse_args()
    if not os.access(BINARY, os.X_OK):
        sys.exit("there is no binary %s: build it, or name another with DSTREAM" % BINARY)
    limit_memory()
    first, last = (int(n) for n in options.seeds.split(".."))
    if options.seed is not None:
        first = last = options.seed
    ways = list(WIDE_WAYS if options.wide else WAYS)
    if options.ways:
        ways = options.ways.split(",")
    end = time.monotonic() + options.seconds
    failed, done = 0, 0
    for seed in range(first, last + 1):
        if time.monotonic() > end or failed >= options.failures:
            break
        failed += not run_seed(seed, ways, options.wide, options.keep)
        done += 1
    print("%d apps, %d failed" % (done, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
