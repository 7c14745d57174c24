#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What service.sh does to a redis-server, and sees of it.

service.py load SOCKET MS      commands in rounds with that much of a pause after each,
                               until SIGTERM; each reply is compared with what it must be
service.py watch PID SOCKET SPOOL
                               looks at a process and at the agents of that folder, some
                               times a second, until the process has ended

load prints `rounds N`, and `bad ...` for a reply that is wrong or does not come.
watch prints:
    kept N WHAT       descriptor N of the process was WHAT at two looks in a row
    foreign WHAT      a socket that is not of SOCKET, in a table of any thread, at two looks
                      in a row
    asleep N OPEN     so often the library's thread slept all through a look, and had so
                      many descriptors open in its table at most
    zombies N         children of the process that had ended at two looks in a row, at most
    agent N PEAK      so many agents there were, with that resident size in KiB at most
    together N        so many of them at once, at two looks in a row, at most
"""
import os
import re
import signal
import socket
import sys
import time


# ---- load -------------------------------------------------------------------------


def command(*words):
    parts = ["*%d" % len(words)]
    for word in words:
        parts += ["$%d" % len(word), word]
    return ("\r\n".join(parts) + "\r\n").encode()


def bulk(text):
    return "$%d\r\n%s" % (len(text), text)


def a_round():
    """[(commands, replies)], which begin and end with the same data."""
    steps = [(("FLUSHALL",), "+OK")]
    for i in range(600):
        text = ("%d " % i) * (1 + i * 7 % 400)
        item = "item-%d" % i + "x" * (i % 90)
        steps += [
            (("SET", "key:%d" % i, text), "+OK"),
            (("APPEND", "key:%d" % i, item), ":%d" % (len(text) + len(item))),
            (("GET", "key:%d" % i), bulk(text + item)),
            (("RPUSH", "list:%d" % (i % 25), item), ":%d" % (i // 25 + 1)),
            (("HSET", "hash:%d" % (i % 20), "f%d" % i, item), ":1"),
            (("ZADD", "sorted", str(i), item), ":1"),
            (("INCR", "counter"), ":%d" % (i + 1)),
        ]
        if i % 5 == 4:
            steps.append((("DEL", "key:%d" % (i - 2)), ":1"))
    steps += [(("LLEN", "list:7"), ":24"), (("ZSCORE", "sorted", "item-90"), bulk("90"))]
    return [(b"".join(command(*words) for words, _ in steps[at:at + 50]),
             "".join(reply + "\r\n" for _, reply in steps[at:at + 50]).encode())
            for at in range(0, len(steps), 50)]


def load(path, pause_ms):
    stopped, rounds, steps = [], 0, a_round()
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    server = socket.socket(socket.AF_UNIX)
    server.settimeout(60)
    server.connect(path)
    try:
        while not stopped:
            for commands, want in steps:
                server.sendall(commands)
                got = b""
                while len(got) < len(want):
                    more = server.recv(1 << 20)
                    if not more:
                        break
                    got += more
                if got != want:
                    at = len(os.path.commonprefix([got, want]))
                    print("bad round %d: %r instead of %r" % (
                        rounds, got[at:at + 40], want[at:at + 40]))
                    return
            rounds += 1
            time.sleep(pause_ms / 1000)
    except OSError as e:
        print("bad round %d: %s" % (rounds, e))
    print("rounds", rounds)


# ---- watch ------------------------------------------------------------------------


def text_of(*path):
    try:
        with open("/".join(path), encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def descriptors(of):
    """{number: what} of /proc/.../fd."""
    found = {}
    try:
        for name in os.listdir(of + "/fd"):
            found[name] = os.readlink("%s/fd/%s" % (of, name))
    except OSError:
        pass
    return found


def fields_of_stat(pid):
    """What stands behind the name: state, parent, ..."""
    return text_of("/proc", pid, "stat").rpartition(") ")[2].split()


class Watch:
    def __init__(self, pid, path, spool):
        self.pid, self.path, self.spool = pid, path, spool
        self.kept, self.foreign = {}, set()
        self.asleep = self.open_asleep = self.zombies = self.together = 0
        self.agents = {}  # pid and start: peak
        self.before = ({}, set(), set(), set())

    def thread(self, tid):
        """The library's own thread."""
        at = "/proc/%s/task/%s" % (self.pid, tid)

        def sleeps():
            turns = re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text_of(at, "status"), re.M)
            # futex(2), where it waits for the next profile.
            return turns and text_of(at, "syscall").startswith("202 ") and turns.group(1)

        turns = sleeps()
        table = descriptors(at)
        if turns and sleeps() == turns:
            self.asleep += 1
            self.open_asleep = max(self.open_asleep, len(table))
        return {what for what in table.values() if what.startswith("socket:")}

    def processes(self):
        """(zombies of ours, agents that live)."""
        zombies, agents = set(), set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            stat = fields_of_stat(pid)
            if len(stat) < 20:
                continue
            if stat[0] == "Z" and stat[1] == self.pid:
                zombies.add(pid)
            words = text_of("/proc", pid, "cmdline").split("\0")
            if "agent" in words[:2] and self.spool in words and stat[0] not in "ZX":
                agents.add(pid)
                peak = re.search(r"^VmHWM:\s*(\d+)", text_of("/proc", pid, "status"), re.M)
                key = (pid, stat[19])
                self.agents[key] = max(self.agents.get(key, 0), int(peak.group(1)) if peak else 0)
        return zombies, agents

    def look(self):
        at = "/proc/" + self.pid
        table, sockets = descriptors(at), set()
        try:
            tids = os.listdir(at + "/task")
        except OSError:
            tids = []
        for tid in tids:
            if text_of(at, "task", tid, "comm") == "otheap\n":
                sockets |= self.thread(tid)
        own = {line.split()[6] for line in text_of(at, "net/unix").split("\n")
               if line.endswith(" " + self.path)}
        sockets |= {what for what in table.values()
                    if what.startswith("socket:") and what[8:-1] not in own}
        zombies, agents = self.processes()

        table_before, sockets_before, zombies_before, agents_before = self.before
        for number, what in table.items():
            if table_before.get(number) == what and not what.startswith("socket:"):
                self.kept[number] = re.sub(r"\[\d+\]", "", what)
        self.foreign |= sockets & sockets_before
        self.zombies = max(self.zombies, len(zombies & zombies_before))
        self.together = max(self.together, len(agents & agents_before))
        self.before = (table, sockets, zombies, agents)

    def say(self):
        for number in sorted(self.kept, key=int):
            print("kept", number, self.kept[number])
        for what in sorted(self.foreign):
            print("foreign", what)
        print("asleep", self.asleep, self.open_asleep)
        print("zombies", self.zombies)
        print("agent", len(self.agents), max(self.agents.values(), default=0))
        print("together", self.together)


def watch(pid, path, spool):
    w = Watch(pid, path, spool)
    start = fields_of_stat(pid)[19:20]
    while True:
        stat = fields_of_stat(pid)
        if stat[19:20] != start or not stat or stat[0] in "ZX":
            break
        w.look()
        time.sleep(0.15)
    w.say()


def main():
    what, *rest = sys.argv[1:]
    if what == "load":
        load(rest[0], int(rest[1]))
    else:
        watch(*rest)


main()
