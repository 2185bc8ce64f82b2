"""Where things are, what is built for the suite, and on what machine it runs."""
import functools
import glob
import os
import platform
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OWN_BUILD = os.path.join(TOP, "build-bench")  # whoever works on dstream has others
DSTREAM = os.environ.get("DSTREAM", os.path.join(OWN_BUILD, "dstream"))
BUILD = os.path.dirname(os.path.abspath(DSTREAM))
LOGGEN = os.path.join(BUILD, "samples", "loggen")
TOOLS = os.path.join(OWN_BUILD, "peers")  # and ceilings; never committed
DATA = os.path.join(TOP, "bench", "data")  # cached; never committed
CEILING_FLAGS = ["-O2"]


def build():
    """The release binary and the ceilings; what is up to date is left alone."""
    if "DSTREAM" not in os.environ:
        subprocess.run([os.path.join(TOP, "scripts", "build"), OWN_BUILD], check=True,
                       stdout=subprocess.DEVNULL)
    sources = os.path.join(TOP, "bench", "ceiling")
    newest = max(os.path.getmtime(path) for path in glob.glob(os.path.join(sources, "*")))
    for source in glob.glob(os.path.join(sources, "*.c")):
        compile_tool(source, ceiling(os.path.basename(source)[:-2]), newest)


def compile_tool(source, program, newest):
    """Unless it is newer than that."""
    if os.path.exists(program) and os.path.getmtime(program) >= newest:
        return
    os.makedirs(TOOLS, exist_ok=True)
    aside = "%s.%d" % (program, os.getpid())
    subprocess.run(["cc", *CEILING_FLAGS, "-o", aside, source], check=True)
    os.rename(aside, program)  # others may be at it


def ceiling(name):
    return os.path.join(TOOLS, "ceiling-" + name)


@functools.lru_cache(maxsize=None)
def starter():
    """What begins all programs that are measured: see begin.c."""
    source = os.path.join(TOP, "bench", "harness", "begin.c")
    program = os.path.join(TOOLS, "begin")
    compile_tool(source, program, os.path.getmtime(source))
    return program


def cores():
    return sorted(os.sched_getaffinity(0))


def one_core():
    """The core for contestants that get one; the harness and senders have the others."""
    return {cores()[-1]}


def other_cores():
    """For senders; there may be none but that one."""
    return set(cores()[:-1]) or one_core()


def first_line(*argv):
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True)
        return done.stdout.decode().split("\n")[0].strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def field(path, key):
    with open(path, encoding="utf-8") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith(key)), "?")


def commit():
    return first_line("git", "-C", TOP, "describe", "--always", "--dirty", "--exclude=*")


def description():
    """(what, value) pairs for the head of a report."""
    memory = int(field("/proc/meminfo", "MemTotal").split()[0]) / (1 << 20)
    return [
        ("processor", "%s, %d cores" % (field("/proc/cpuinfo", "model name"), len(cores()))),
        ("memory", "%.0f GiB" % memory),
        ("system", "%s, Linux %s" % (system_name(), platform.release())),
        ("dstream", "%s, commit %s" % (first_line(DSTREAM, "version"), commit())),
        ("compiler", first_line("cc", "--version")),
        ("ceilings", " ".join(CEILING_FLAGS)),
    ]


def system_name():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()
