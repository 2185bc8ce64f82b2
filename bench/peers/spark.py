"""Apache Spark from Maven Central: each job with the DStream API and with Structured Streaming."""
from harness import contestants
from peers import java

NAME = "spark"
SHARE = 0.5
OPENED = ["java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio",
          "java.util", "java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref",
          "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar"]
OPTIONS = ["-Xms3g", "-Xmx3g", "-XX:+UseParallelGC", "-XX:+IgnoreUnrecognizedVMOptions",
           "-Djdk.reflect.useDirectMethodHandle=false", "-Dio.netty.tryReflectionSetAccessible=true",
           "--enable-native-access=ALL-UNNAMED",
           *("--add-opens=java.base/%s=ALL-UNNAMED" % name for name in OPENED)]
PROJECT = java.Project("spark", OPTIONS)
install, absent = PROJECT.install, PROJECT.absent


def version():
    return "Apache Spark %s, %s, %s" % (PROJECT.version("spark-core"), java.java_version(),
                                        " ".join(OPTIONS[:3]))


def takes_part(workload):
    return hasattr(workload, "SPARK")


def batches(workload, part):
    """All files in one batch, or each in its own where there is state to go on with."""
    if getattr(workload, "BATCH_FOR_EACH_FILE", False):
        return [[path] for path in part.paths]
    return [part.paths]


def enter(workload, _):
    share = getattr(workload, "SPARK_SHARE", SHARE)
    part = workload.dataset.part(share)
    return [contestants.Served("%s %s" % (NAME, api), share, part, PROJECT.server, {
        "api": api, "workload": workload.NAME.removesuffix("_tcp"), "folder": part.folder,
        "tables": part.tables, "batches": batches(workload, part),
        "total": sum(values[0] for values in part.expected.values())}) for api in workload.SPARK]
