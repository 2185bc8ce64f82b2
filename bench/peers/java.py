"""What the peers that are written in Java have in common: a Maven project in a folder here, whose
jobs and libraries go under build-bench."""
import glob
import os
import shutil
import subprocess

from harness import contestants, machine

HERE = os.path.dirname(os.path.abspath(__file__))


class Project:
    def __init__(self, name, options):
        self.folder = os.path.join(HERE, name)
        self.out = os.path.join(machine.TOOLS, name)
        self.options = options

    def jar(self):
        return os.path.join(self.out, "jobs.jar")

    def install(self):
        if shutil.which("javac") is None or shutil.which("mvn") is None:
            subprocess.run([os.path.join(machine.TOP, "scripts", "setup"), "java"], check=True)
        built = subprocess.run(["mvn", "-q", "-B", "package", "dependency:copy-dependencies",
                                "-DoutputDirectory=" + os.path.join(self.out, "lib")],
                               cwd=self.folder, stdout=subprocess.PIPE, check=False)
        if built.returncode != 0:
            raise OSError("mvn failed:\n" + built.stdout.decode(errors="replace")[-2000:])

    def absent(self):
        if not os.path.exists(self.jar()) or shutil.which("java") is None:
            return "not installed"
        sources = [path for folder in (self.folder, os.path.join(HERE, "common"))
                   for path in glob.glob(os.path.join(folder, "**", "*.*"), recursive=True)]
        if max(map(os.path.getmtime, sources)) > os.path.getmtime(self.jar()):
            return "not built since it was changed"
        return None

    def version(self, library):
        """Of a library, by the name of its file."""
        paths = glob.glob(os.path.join(self.out, "lib", library + "[-_][0-9]*.jar"))
        return os.path.basename(paths[0])[:-4].rsplit("-", 1)[1] if paths else "unknown"

    def command(self):
        classes = self.jar() + ":" + os.path.join(self.out, "lib", "*")
        return ["java", *self.options, "-cp", classes, "bench.Server"]

    def server(self):
        """On all cores."""
        return contestants.Server.of(self.command(), None, self.out + ".log")

    def fresh_server(self):
        """One more, that is the caller's to close."""
        return contestants.Server(self.command(), None, self.out + "-fresh.log")


def java_version():
    return machine.first_line("java", "-version").replace('"', "")
