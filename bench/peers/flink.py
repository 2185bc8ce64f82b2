"""Apache Flink from Maven Central, as a mini cluster in one process, for the Yahoo benchmark."""
from harness import contestants
from peers import java

NAME = "flink"
SHARE = 0.5
OPTIONS = ["-Xms3g", "-Xmx3g", "-XX:+UseParallelGC",
           "--add-opens=java.base/java.util=ALL-UNNAMED",
           "--add-opens=java.base/java.lang=ALL-UNNAMED"]
PROJECT = java.Project("flink", OPTIONS)
install, absent = PROJECT.install, PROJECT.absent


def version():
    return "Apache Flink %s, %s, %s" % (PROJECT.version("flink-core"), java.java_version(),
                                        " ".join(OPTIONS[:3]))


def takes_part(workload):
    return hasattr(workload, "FLINK")


def enter(workload, _):
    part = workload.dataset.part(SHARE)
    return [contestants.Served(NAME, SHARE, part, PROJECT.server,
                               {"files": part.paths, "tables": part.tables})]
