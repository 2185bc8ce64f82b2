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


def enter(workload, _):
    """A workload may have several scripts for it, by name."""
    scripts = workload.MAWK if isinstance(workload.MAWK, dict) else {NAME: workload.MAWK}
    share = getattr(workload, "MAWK_SHARE", SHARE)
    part = workload.dataset.part(share)
    return [program(name, script, share, part) for name, script in scripts.items()]


def program(name, script, share, part):
    tables = [word for table, path in part.tables.items() for word in ("-v", table + "=" + path)]
    argv = ["mawk", *tables, script, *part.paths]
    if part.over_tcp:
        argv = ["bash", "-c", 'exec "$@" < /dev/tcp/127.0.0.1/{port}', "bash",
                *argv[:-len(part.paths)]]
    return contestants.Program(name, share, part, argv)
