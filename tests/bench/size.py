#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""size: what relayd costs with 1, 100, 10,000 and 100,000 streams; see scripts/bench-size."""
import argparse
import json
import os
import re
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

PER = 50000  # ports at one address
PER_STORM = 15000  # clients of one process: descriptors
ROUND = 15  # seconds in which every client punches once
TICK = os.sysconf("SC_CLK_TCK")
PREFIX = f"sz{os.getpid()}"


def run(*words, **options):
    return subprocess.run(words, check=True, text=True, capture_output=True, **options).stdout


def ip(*words):
    return run("ip", *words)


def inside(host, *words):
    return ["ip", "netns", "exec", PREFIX + host, *words]


def wait(seconds, true, what):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            sys.exit(f"size: {what} takes too long")
        time.sleep(0.02)


class Relay:
    """One relayd with its own link to the senders and to the clients."""

    def __init__(self, bench, count, index):
        self.bench, self.count, self.host = bench, count, f"r{index}"
        self.net = f"198.18.{index}"
        self.out = f"198.19.{index}"
        self.folder = os.path.join(bench.folder, self.host)
        self.socket = os.path.join(self.folder, "relayd.sock")
        self.log = os.path.join(bench.folder, self.host + ".log")
        self.places = 1 + (count - 1) // PER
        self.process = None
        os.mkdir(self.folder)
        shutil.chown(self.folder, "nobody")
        bench.host(self.host)
        bench.link("s", f"s{index}", [f"{self.net}.1"], self.host, "r0", self.relays())
        clients = [f"{self.out}.{10 + i}" for i in range(self.places)]
        bench.link("c", f"c{index}", clients, self.host, "r1", [f"{self.out}.2"])
        ip("-n", PREFIX + "c", "route", "add", f"{self.net}.0/24", "via", f"{self.out}.2")
        ip("-n", PREFIX + "s", "route", "add", f"{self.out}.0/24", "via", f"{self.net}.2")
        self.write_config()

    def relays(self):
        return [f"{self.net}.{2 + i}" for i in range(self.places)]

    def write_config(self):
        addresses = ", ".join(f'"{a}"' for a in self.relays())
        with open(self.folder + ".conf", "w", encoding="ascii") as file:
            file.write(f'address = {{ {addresses} }}\npunch = 3478\nconsent = 3600\n'
                       f'database = "{self.folder}/streams.db"\nsocket = "{self.socket}"\n'
                       'user = "nobody"\n')
        with open(self.folder + ".list", "w", encoding="ascii") as file:
            for i in range(self.count):
                file.write(f"s{i} --listen {self.relays()[i // PER]}:{10000 + i % PER} "
                           f"--source any --key-file {self.bench.key_file}\n")

    def readies(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return len(re.findall("ready:", file.read()))

    def start(self):
        """Seconds until it is ready."""
        before = self.readies() if os.path.exists(self.log) else 0
        began = time.monotonic()
        with open(self.log, "a", encoding="ascii") as log:
            # pylint: disable-next=consider-using-with
            self.process = subprocess.Popen(
                inside(self.host, self.bench.relayd, "--config", self.folder + ".conf"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait(120, lambda: os.path.exists(self.log) and self.readies() > before, "a start")
        return time.monotonic() - began

    def pids(self):
        return ip("netns", "pids", PREFIX + self.host).split()

    def kill(self):
        self.process.kill()
        self.process.wait()
        wait(20, lambda: not self.pids(), "an end")

    def cpu(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICK

    def memory(self):
        """PSS of both processes in MB."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M).group(1))
        return total / 1024

    def ask(self, *words):
        """Seconds that punchctl needs."""
        began = time.monotonic()
        run(self.bench.punchctl, "--socket", self.socket, *words)
        return time.monotonic() - began

    def storm(self, seconds):
        """Every client punches, then in rounds; returns the processes."""
        storms = []
        parts = 1 + (self.count - 1) // PER_STORM
        for i in range(parts):
            first = i * self.count // parts
            count = (i + 1) * self.count // parts - first
            words = ["--relay", f"{self.net}.2:3478", "--from", f"{self.out}.10:10000", "--per",
                     str(PER), "--first", str(first), "--key", self.bench.key, "--clients",
                     str(count), "--window", "64", "--slow"]
            if seconds:
                words += ["--again", str(seconds), "--pace", str(max(1, count // ROUND))]
            # pylint: disable-next=consider-using-with
            storms.append(subprocess.Popen(inside("c", self.bench.storm, *words), text=True,
                                           stdout=subprocess.PIPE))
        return storms


class Bench:
    def __init__(self, args):
        self.args = args
        self.relayd, self.punchctl = args.relayd, args.punchctl
        self.storm = os.path.join(args.tools, "punchstorm")
        self.flood = os.path.join(args.tools, "flood")
        self.folder = tempfile.mkdtemp(prefix="bench-size.")
        os.chmod(self.folder, 0o755)
        self.key = run(self.punchctl, "key").strip()
        self.key_file = os.path.join(self.folder, "key")
        with open(self.key_file, "w", encoding="ascii", opener=lambda p, f: os.open(p, f, 0o600)) as f:
            f.write(self.key + "\n")
        self.hosts = []

    def host(self, name):
        ip("netns", "add", PREFIX + name)
        self.hosts.append(name)
        ip("-n", PREFIX + name, "link", "set", "lo", "up")
        run(*inside(name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1",
                    "net.ipv4.ip_forward=1", "net.ipv4.conf.all.send_redirects=0"))

    # pylint: disable-next=too-many-arguments,too-many-positional-arguments
    def link(self, host, interface, addresses, other, peer, others):
        ip("-n", PREFIX + host, "link", "add", interface, "type", "veth", "peer", "name", peer,
           "netns", PREFIX + other)
        for name, dev, list_ in ((host, interface, addresses), (other, peer, others)):
            for address in list_:
                ip("-n", PREFIX + name, "addr", "add", address + "/24", "dev", dev)
            ip("-n", PREFIX + name, "link", "set", dev, "up")

    def close(self):
        for host in self.hosts:
            for pid in ip("netns", "pids", PREFIX + host).split():
                try:
                    os.kill(int(pid), 9)
                except ProcessLookupError:
                    pass
            ip("netns", "del", PREFIX + host)
        shutil.rmtree(self.folder)

    def measure(self, relay):
        result = {"streams": relay.count}
        relay.start()
        result["add_s"] = relay.ask("add", "--batch", relay.folder + ".list")
        storms = relay.storm(self.args.seconds)
        result.update(self.watch(relay, storms))
        result["memory_mb"] = relay.memory()
        relay.kill()
        result["adopt_s"] = relay.start()
        result["adopt_cpu_s"] = relay.cpu()
        return result

    def watch(self, relay, storms):
        """First punches, then rounds; list and metrics are asked for in the midst of them."""
        rates, slowest, waiting = [], 0.0, {s.stdout: s for s in storms}
        phase, cpu, began, asker, asked = 0, relay.cpu(), time.monotonic(), None, {}

        def ask():
            time.sleep(self.args.seconds / 3)
            for word in ("list", "metrics"):
                asked[word + "_s"] = min(relay.ask(word) for _ in range(2))

        ended = 0
        while waiting:
            for stream in select.select(list(waiting), [], [], 1)[0]:
                words = stream.readline().split()
                if not words:
                    waiting.pop(stream)
                elif words[0] == "first":
                    ended += 1
                elif words[0] == "slowest" and phase == 1 and asker:
                    slowest = max(slowest, float(words[1]))
                elif words[0] == "again":
                    rates.append(float(words[1]) / float(words[2]))
            if ended == len(storms) and phase == 0:
                first = relay.cpu() - cpu
                phase, cpu, began = 1, relay.cpu(), time.monotonic()
                asker = threading.Thread(target=ask)
                asker.start()
        asker.join()
        for storm in storms:
            if storm.wait():
                sys.exit("size: punching failed")
        return {"first_cpu_s": first, "punches_per_s": sum(rates),
                "cores": (relay.cpu() - cpu) / (time.monotonic() - began),
                "slowest_ms": slowest, **asked}

    def costs(self, relays, results):
        """Cost of a packet to one stream among so many, paths in turn; ratio to the first."""
        sink = subprocess.Popen(inside("c", "sleep", "600"))
        paths = []
        for relay in relays:
            index = relay.host[1:]
            for name in [f"{relay.out}.{10 + i}" for i in range(relay.places)]:
                ip("-n", PREFIX + relay.host, "neigh", "replace", name, "lladdr",
                   "02:00:00:00:00:99", "dev", "r1", "nud", "permanent")
            paths.append(f"n{relay.count},{relay.net}.1:5004,{relay.net}.2:10000,1,c{index}")
        wait(5, lambda: os.path.exists(f"/proc/{sink.pid}/net/dev"), "a namespace")
        time.sleep(0.5)
        out = run(*inside("s", self.flood, "--sink", str(sink.pid), "--rounds",
                          str(self.args.rounds), *paths))
        sink.kill()
        sink.wait()
        costs = {}
        for line in out.splitlines():
            name, _, sent, arrived, cpu, _ = line.split()
            if sent == arrived:
                costs.setdefault(name, []).append(float(cpu))
        for result in results:
            values = sorted(costs.get(f"n{result['streams']}", []))
            result["packet_ns"] = values[len(values) // 10] if values else None
            result["packet_median_ns"] = statistics.median(values) if values else None
        base = results[0]["packet_ns"]
        for result in results:
            result["packet_ratio"] = result["packet_ns"] / base if base and result["packet_ns"] \
                else None


COLUMNS = (("streams", "streams", "{:,.0f}"), ("add_s", "add s", "{:.2f}"),
           ("adopt_s", "adopt s", "{:.2f}"), ("adopt_cpu_s", "cpu s", "{:.2f}"),
           ("punches_per_s", "punches/s", "{:,.0f}"), ("cores", "cores", "{:.3f}"),
           ("memory_mb", "MB", "{:.1f}"), ("list_s", "list s", "{:.2f}"),
           ("metrics_s", "metrics s", "{:.2f}"), ("slowest_ms", "slowest ms", "{:.0f}"),
           ("packet_ratio", "packet", "{:.3f}"))
GOALS = {"add_s": 30, "adopt_s": 3, "cores": 0.5, "memory_mb": 150, "list_s": 1, "metrics_s": 1,
         "packet_ratio": 1.05}


def table(results):
    rows = [[head for _, head, _ in COLUMNS]]
    for result in results:
        rows.append([form.format(result[name]) if result.get(name) is not None else "-"
                     for name, _, form in COLUMNS])
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths)) for row in rows)


def svg(results, path):
    """One small graph for each figure: over streams, log against log, with its limit."""
    import math  # pylint: disable=import-outside-toplevel
    charts = (("add_s", "added in, s"), ("adopt_s", "adopted in, s"), ("cores", "cores, punches"),
              ("memory_mb", "memory, MB"), ("list_s", "list, s"), ("packet_ratio", "cost per packet"))
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="720" height="440" '
           'font-family="sans-serif" font-size="11">', '<rect width="720" height="440" fill="#fff"/>']
    for n, (name, title) in enumerate(charts):
        left, top = 50 + n % 3 * 235, 40 + n // 3 * 210
        points = [(r["streams"], max(r[name], 0.001)) for r in results if r.get(name)]
        values = [v for _, v in points] + [GOALS[name]]
        linear = name == "packet_ratio"
        low, high = (0.9, max(1.15, max(values))) if linear else \
            (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))))

        def place(x, y, left=left, top=top, low=low, high=high, linear=linear):
            y = y if linear else math.log10(y)
            return (left + math.log10(x) / 5 * 165, top + 140 - (y - low) / (high - low) * 140)

        out.append(f'<text x="{left}" y="{top - 12}" font-weight="bold">{title}</text>')
        out.append(f'<path d="M{left},{top}v140h165" fill="none" stroke="#888"/>')
        marks = [low, 1, high] if linear else range(low, high + 1)
        for mark in marks:
            y = place(1, mark if linear else 10 ** mark)[1]
            text = f"{mark if linear else 10 ** mark:g}"
            out.append(f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
        for x, text in ((1, "1"), (100, "100"), (10000, "10k"), (100000, "100k")):
            out.append(f'<text x="{place(x, 1)[0]:.1f}" y="{top + 155}" text-anchor="middle">'
                       f'{text}</text>')
        y = place(1, GOALS[name])[1]
        out.append(f'<path d="M{left},{y:.1f}h165" stroke="#c33" stroke-dasharray="4 3"/>')
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*p) for p in points))
        out.append(f'<polyline points="{line}" fill="none" stroke="#26c" stroke-width="2"/>')
        for x, y in (place(*p) for p in points):
            out.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#26c"/>')
    out.append('<text x="50" y="432" fill="#666">over the number of streams, each with a client; '
               'dashed: the limit that is kept at 100,000</text></svg>')
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(out) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--svg")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 100, 10000, 100000])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--relayd", required=True)
    parser.add_argument("--punchctl", required=True)
    parser.add_argument("--tools", required=True)
    args = parser.parse_args()
    bench = Bench(args)
    try:
        bench.host("s")
        bench.host("c")
        relays, results = [], []
        for index, count in enumerate(args.streams):
            relays.append(Relay(bench, count, index + 1))
            results.append(bench.measure(relays[-1]))
            if not args.json:
                print(table(results).splitlines()[-1], flush=True)
        bench.costs(relays, results)
        goals = {name: {"limit": limit, "met": (results[-1].get(name) or 0) <= limit}
                 for name, limit in GOALS.items()} if args.streams[-1] == 100000 else {}
        if args.json:
            print(json.dumps({"results": results, "goals": goals}, indent=1))
        else:
            print(table(results))
            for name, goal in goals.items():
                print(f"{name}: at most {goal['limit']}: {'met' if goal['met'] else 'MISSED'}")
        if args.svg:
            svg(results, args.svg)
    finally:
        bench.close()


main()
