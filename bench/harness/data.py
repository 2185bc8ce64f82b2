"""Generated input: seeded, in several files of about equal size, cached with what is to come out.

A workload writes a piece of the data at a time and tells what the results for it are; what they
are for several pieces is the merged results. So slower contestants can be given fewer pieces, and
faster ones the same pieces several times, as links, which take no more of the disk.
"""
import multiprocessing
import os
import pickle
import shutil

from harness import machine


class Part:
    """The first pieces of a data set, and the tables that stand beside it, by name."""

    def __init__(self, folder, paths, records, expected, dataset):
        self.folder, self.paths, self.records = folder, paths, records
        self.expected, self.tables, self.over_tcp = expected, dataset.tables, dataset.over_tcp

    def bytes(self):
        return sum(os.path.getsize(path) for path in self.paths)


class DataSet:
    """`write_piece(file, number)` writes one piece and returns (records, results by key)."""

    def __init__(self, name, pieces, write_piece, merge):
        self.folder = os.path.join(machine.DATA, name)
        self.pieces, self.merge, self.parts, self.tables = pieces, merge, {}, {}
        self.over_tcp = False
        if not os.path.exists(self.facts()):
            self.write(write_piece)
        with open(self.facts(), "rb") as file:
            self.known = pickle.load(file)

    def facts(self):
        return os.path.join(self.folder, "facts")

    def piece(self, number):
        return os.path.join(self.folder, "piece-%03d" % number)

    def write(self, write_piece):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        known = in_processes(lambda number: self.write_one(write_piece, number), self.pieces)
        with open(self.facts() + ".tmp", "wb") as file:
            pickle.dump(known, file)
        os.rename(self.facts() + ".tmp", self.facts())

    def write_one(self, write_piece, number):
        with open(self.piece(number), "w", encoding="utf-8", newline="\n") as file:
            return write_piece(file, number)

    def part(self, share):
        """A folder with about that share of the pieces, at least one."""
        count = max(1, round(self.pieces * share))
        if count not in self.parts:
            folder = os.path.join(self.folder, "first-%d" % count)
            os.makedirs(folder, exist_ok=True)
            paths = [os.path.join(folder, "piece-%03d" % number) for number in range(count)]
            for number, path in enumerate(paths):
                if not os.path.exists(path):
                    os.link(self.piece(number), path)
            expected = self.merge([results for _, results in self.known[:count]])
            records = sum(records for records, _ in self.known[:count])
            self.parts[count] = Part(folder, paths, records, expected, self)
        return self.parts[count]

    def repeated(self, times):
        """All pieces, and then all of them again, so many times in all, under other names."""
        if times == 1:
            return self.part(1.0)
        folder, paths = os.path.join(self.folder, "times-%d" % times), []
        os.makedirs(folder, exist_ok=True)
        for number in range(self.pieces * times):
            paths.append(os.path.join(folder, "piece-%03d" % number))
            if not os.path.exists(paths[-1]):
                os.link(self.piece(number % self.pieces), paths[-1])
        whole = self.part(1.0)
        expected = self.merge([whole.expected] * times)
        return Part(folder, paths, whole.records * times, expected, self)


def in_processes(make, count):
    """The values of make(0) to make(count - 1), by as many processes as there are cores."""
    global made_by
    made_by = make  # what forked processes have of it need not be sent to them
    fork = multiprocessing.get_context("fork")
    with fork.Pool(min(count, len(machine.cores()))) as pool:
        return pool.map(make_one, range(count), chunksize=1)


def make_one(number):
    return made_by(number)


def merge(kinds):
    """Merges dictionaries of tuples of values: each value by sum or max."""
    def merged(results):
        total = dict(results[0])
        for result in results[1:]:
            for key, values in result.items():
                old = total.get(key)
                total[key] = values if old is None else tuple(
                    kind(pair) for kind, pair in zip(kinds, zip(old, values)))
        return total
    return merged


def read_rows(lines, kinds):
    """Rows of text "key,...,value,..." as a dictionary; rows of one key are merged."""
    total, count = {}, len(kinds)
    for line in lines:
        key, *texts = line.rstrip("\n").rsplit(",", count)
        values = tuple(map(int, texts))
        old = total.get(key)
        total[key] = values if old is None else tuple(
            kind(pair) for kind, pair in zip(kinds, zip(old, values)))
    return total
