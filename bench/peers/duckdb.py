"""DuckDB, the wheel from PyPI in a virtual environment of its own, as a server that stays."""
import os
import subprocess
import sys

from harness import contestants, machine

NAME = "duckdb"
VERSION = "2.0.0"
FOLDER = os.path.join(machine.TOOLS, "duckdb")
PYTHON = os.path.join(FOLDER, "bin", "python")
SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "duckdb", "server.py")
STREAM = FOLDER + ".stream"  # the named pipe through which it reads what comes over TCP
LINES = """read_csv({files}, header = false, auto_detect = false, delim = '\\x01', quote = '',
           escape = '', columns = {{'line': 'VARCHAR'}})"""


def install():
    if absent():
        subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)
        subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        "duckdb==" + VERSION], check=True)


def absent():
    try:
        subprocess.run([PYTHON, "-c", "import duckdb"], check=True, stderr=subprocess.DEVNULL)
        return None
    except (OSError, subprocess.CalledProcessError):
        return "not installed"


def version():
    return "DuckDB " + machine.first_line(PYTHON, "-c", "import duckdb; print(duckdb.__version__)")


def takes_part(workload):
    return hasattr(workload, "SQL")


def enter(workload, whole):
    share = getattr(workload, "DUCKDB_SHARE", None)
    part = whole if share is None else workload.dataset.part(share)
    paths = [STREAM] if part.over_tcp else part.paths
    files = "[" + ", ".join("'%s'" % path for path in paths) + "]"
    sql = workload.SQL.format(lines=LINES.format(files=files), files=files, **part.tables)
    return [contestants.Served(NAME, 1.0, part, server, {"sql": sql, "stream": STREAM})]


def server():
    return contestants.Server.of([PYTHON, SERVER], machine.one_core(), FOLDER + ".log")
