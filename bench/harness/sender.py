"""Sends lines over TCP to whoever connects, in a process of its own.

    sender.py flood SECONDS FILE          the file, again and again
    sender.py files FILE ...              the files, and hangs up
    sender.py paced RATE SECONDS FILE     its lines, so many a second

Prints its port, and at the end how many lines it sent. `paced`: line i is due at start + i / RATE,
whatever became of those before. In ticks of a millisecond all lines that are due are sent; one of
them, at random, is "p DUE", the microseconds since 1970 for which it was due. A receiver that does
not keep up makes later lines late, and that counts.
"""
import os
import random
import socket
import sys
import time

TICK = 0.001


def read(path):
    with open(path, "rb") as file:
        return file.read()


def read_once(paths):
    """The texts of files; the same file is the same text."""
    files, texts = [os.stat(path).st_ino for path in paths], {}
    for file, path in zip(files, paths):
        if file not in texts:
            texts[file] = read(path)
    return [texts[file] for file in files]


def flood(connection, seconds, path):
    text, times = read(path), 0
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        connection.sendall(text)
        times += 1
    return times * text.count(b"\n")


def files(connection, *texts):
    for text in texts:
        connection.sendall(text)
    return 0


def lines_of_tick(rate):
    """The first of them is marked."""
    return max(1, round(float(rate) * TICK))


def paced(connection, rate, seconds, path):
    rate, lines = float(rate), read(path).splitlines(keepends=True)
    per_tick = lines_of_tick(rate)
    lines *= 2 + per_tick // len(lines)  # a tick may have more than the file
    ticks = [b"".join(lines[at:at + per_tick - 1])
             for at in range(0, len(lines) - per_tick, per_tick)]
    choose, start, sent = random.Random(1), time.time() + 0.05, 0
    for tick in range(int(float(seconds) / TICK)):
        due = start + (tick + 1) * TICK
        wait = due - time.time()
        if wait > 0:
            time.sleep(wait)
        marked = start + tick * TICK + choose.randrange(per_tick) / rate
        try:
            connection.sendall(b"p %016d %s\n" % (round(marked * 1e6), b"." * 12)
                               + ticks[tick % len(ticks)])
        except OSError:  # the receiver had enough
            break
        sent += per_tick
    return sent


def main():
    way, *arguments = sys.argv[1:]
    if way == "files":  # all at hand: a long pause would be the end for a receiver
        arguments = read_once(arguments)
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        connection, _ = server.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            print(WAYS[way](connection, *arguments), flush=True)
            if way != "files":
                sys.stdin.readline()  # stays until told


WAYS = {"flood": flood, "files": files, "paced": paced}
if __name__ == "__main__":
    main()
