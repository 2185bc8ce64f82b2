"""mawk, from Debian: the fastest of the usual awks, without locales."""
import os
import shutil
import subprocess

from harness import contestants, machine

NAME = "mawk"
SHARE = 0.5


def install():
    subprocess.run([os.path.join(machine.TOP, "scripts", "setup"), "bench"], check=True)


def absent():
    return None if shutil.which("mawk") else "not installed"


def version():
    return machine.first_line("mawk", "-W", "version")


def takes_part(workload):
    return hasattr(workload, "MAWK")


def enter(workload):
    part = workload.dataset.part(SHARE)
    tables = [word for name, path in part.tables.items() for word in ("-v", name + "=" + path)]
    argv = ["mawk", *tables, workload.MAWK, *part.paths]
    if part.over_tcp:
        argv = ["bash", "-c", 'exec "$@" < /dev/tcp/127.0.0.1/{port}', "bash",
                *argv[:-len(part.paths)]]
    return [contestants.Program(NAME, SHARE, part, argv)]
