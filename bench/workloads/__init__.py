"""The workloads by name, in the order of the tables: bench/workloads/NAME.py is one of them."""
import importlib

NAMES = ["grep", "words", "stateful", "yahoo", "csv", "combined", "window", "scaling",
         "empty", "interval", "latency", "start", "checkpoint"]


def load(name):
    module = importlib.import_module("workloads." + name)
    module.NAME = name
    return module
