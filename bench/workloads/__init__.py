"""The workloads by name, in the order of the tables: bench/workloads/NAME.py is one of them."""
import importlib

NAMES = ["grep", "grep_tcp", "words", "stateful", "yahoo", "yahoo_tcp", "csv", "combined",
         "regex", "window", "scaling", "empty", "interval", "latency", "start", "checkpoint"]


def load(name):
    module = importlib.import_module("workloads." + name)
    module.NAME = name
    return module
