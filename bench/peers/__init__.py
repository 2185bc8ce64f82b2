"""The peers, in the order of the tables: bench/peers/NAME.py is one of them.

A peer is a module with

    NAME                    of it
    install()               puts it under build-bench, or on the system, where a registry has it
    absent()                why it cannot take part, or None
    takes_part(workload)    whether a workload says what it is to do
    enter(workload, whole)  who is measured: those that are fast enough read all of `whole`, the
                            others some pieces of the data set; servers are started here
    version()
"""
import importlib
import subprocess
import sys

NAMES = ["mawk", "duckdb", "spark", "flink"]


def load(name):
    return importlib.import_module("peers." + name)


PEERS = [load(name) for name in NAMES]



def install_all(chosen):
    """Installs those that are absent; one that cannot be stays absent."""
    for peer in chosen:
        if peer.absent():
            try:
                peer.install()
            except (OSError, subprocess.CalledProcessError) as error:
                print("%s cannot be installed: %s" % (peer.NAME, error), file=sys.stderr)
