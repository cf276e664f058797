#!/usr/bin/env python3
"""The runs of scripts/matrix, and what they found. Knows no more than the programs' JSON lines.

  matrix.py hosts [--pair A,B]... NAT...    which hosts the pairs need: c0 is a client behind the first NAT
  matrix.py run [--runs N] ...              makes the runs, in the hosts that scripts/matrix has made
  matrix.py show --text|--json|--svg FILE   a table of what a run has found
  matrix.py echo --bind ADDRESS             sends every datagram back
  matrix.py probe --to ADDRESS --log FILE   a program that knows nothing: numbered datagrams, and their echoes
"""

import argparse
import colorsys
import json
import os
import select
import signal
import socket
import statistics
import subprocess
import sys
import time

# P2PSP's NAT traversal set, 250 runs, 30 +- 5 ms, 1 % loss (doc/NTS, results of 2015), in per cent.
PUBLISHED = {
    "name": "P2PSP",
    "nats": ["full-cone", "restricted", "port-restricted", "symmetric-preserving",
             "symmetric-sequential", "symmetric-random"],
    "direct": [[100, 100, 100, 100, 100, 99], [100, 100, 100, 100, 99, 100],
               [99, 100, 100, 28, 70, 0], [100, 100, 99, 27, 70, 0],
               [100, 100, 100, 31, 68, 0], [99, 100, 0, 0, 0, 0]],
}
RATE = 50  # datagrams a second of the program that knows nothing
SETTLED = 20  # echoes that are waited for on the direct path


def address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


### A program and its service ###############################################################


def echo(args):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(args.bind)
    while True:
        data, addr = sock.recvfrom(2048)
        sock.sendto(data, addr)


def events(path):
    """The JSON lines that are whole."""
    try:
        with open(path) as log:
            lines = log.read().split("\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines]


def direct_of(path):
    return next((e for e in events(path) if e["event"] == "direct"), None)


def probe(args):
    """Sends until the agent is on a direct path and some echoes came, or until the limit."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(args.to)
    sock.setblocking(False)
    sent, echoed, doubled, first = {}, {}, 0, None
    began = time.monotonic()
    direct, looked, settled = None, began, 0
    while time.monotonic() - began < args.limit and settled < SETTLED:
        now = time.monotonic()
        if now >= began + len(sent) / RATE:
            sent[len(sent)] = now
            try:
                sock.send(b"%d" % (len(sent) - 1))
            except ConnectionError:
                pass
        if not direct and now - looked > 0.1:
            looked, direct = now, direct_of(args.log)
        select.select([sock], [], [], max(0, began + len(sent) / RATE - time.monotonic()))
        try:
            number = int(sock.recv(2048))
        except (BlockingIOError, ConnectionError):
            continue
        doubled += number in echoed
        echoed[number] = time.monotonic()
        if first is None:
            first = (echoed[number] - began) * 1000
        if direct:
            settled += 1
    # The last ones are still under way.
    counted = [n for n, at in sent.items() if at < time.monotonic() - 1]
    print(json.dumps({"first_ms": first, "sent": len(counted), "doubled": doubled,
                      "lost": sum(n not in echoed for n in counted)}))


### The runs ###############################################################################


class Lab:
    """The hosts that scripts/matrix has made; its namespaces begin with P, its folder is T."""

    def __init__(self):
        self.prefix, self.folder = os.environ["P"], os.environ["T"]
        self.running = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, host, log, *words):
        with open(self.path(log), "w") as out, open(self.path(log + ".err"), "a") as err:
            child = subprocess.Popen(["ip", "netns", "exec", self.prefix + host, *words],
                                     stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        self.running.append(child)
        return child

    def stop(self, *children):
        for child in children:
            child.send_signal(signal.SIGTERM)
        for child in children:
            child.wait()
            self.running.remove(child)

    def wait(self, seconds, condition):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True


def relay_start(lab):
    socket_path = lab.path("relayd/relayd.sock")
    config = lab.path("relayd.conf")
    subprocess.run(["ip", "netns", "exec", lab.prefix + "relay", os.environ["RELAYD"], "--config",
                    config, "--flush"], check=False, capture_output=True)
    relay = lab.start("relay", "relayd.log", os.environ["RELAYD"], "--config", config)

    def answers():
        return subprocess.run([os.environ["PUNCHCTL"], "--socket", socket_path, "list"],
                              capture_output=True, check=False).returncode == 0
    if not lab.wait(10, answers):
        sys.exit("matrix: relayd does not start; see " + lab.path("relayd.log.err"))
    return relay


def has(lab, log, event):
    return any(e["event"] == event for e in events(lab.path(log)))


class Run:
    """One pair: a client, a service, and the program between them."""

    def __init__(self, lab, client, service, copy):
        self.lab, self.copy = lab, copy
        self.cell = client, service
        self.client, self.service = f"c{client}k{copy}", f"s{service}k{copy}"
        name = f"{self.client}-{self.service}"
        self.logs = {role: f"{name}.{role}" for role in ("serve", "connect", "probe")}
        self.key = lab.path(self.service + ".key")
        self.target = f"{self.service}@{os.environ['RELAY']}"
        self.children = []

    def serve(self):
        self.children.append(self.lab.start(
            self.service, self.logs["serve"], os.environ["PUNCHCTL"], "serve", self.target,
            "--key-file", self.key, "--to", "127.0.0.1:7000", "--json"))

    def is_served(self):
        return has(self.lab, self.logs["serve"], "waiting")

    def connect(self):
        self.children.append(self.lab.start(
            self.client, self.logs["connect"], os.environ["PUNCHCTL"], "connect", self.target,
            "--key-file", self.key, "--listen", "127.0.0.1:9000", "--json"))

    def is_connected(self):
        return has(self.lab, self.logs["connect"], "ready")

    def go(self, limit):
        self.program = self.lab.start(
            self.client, self.logs["probe"], sys.executable, __file__, "probe", "--to",
            "127.0.0.1:9000", "--log", self.lab.path(self.logs["connect"]), "--limit", str(limit))

    def end(self):
        self.program.wait()
        self.lab.running.remove(self.program)
        self.lab.stop(*self.children)

    def result(self):
        with open(self.lab.path(self.logs["probe"])) as log:
            found = json.loads(log.read() or '{"first_ms": null, "sent": 0, "lost": 0, "doubled": 0}')
        logs = [events(self.lab.path(self.logs[role])) for role in ("connect", "serve")]
        direct = next((e for e in logs[0] if e["event"] == "direct"), None)
        # A round counts on both sides, whether it found something or not.
        rounds = [e for log in logs for e in log if e["event"] in ("direct", "nopath")]
        found["direct"] = direct is not None
        found["plan"] = direct["plan"] if direct else None
        found["probes"] = sum(e.get("probes", 0) for e in rounds)
        found["ms"] = sum(e.get("ms", 0) for e in logs[0] if e["event"] in ("direct", "nopath")) \
            if direct else None
        return found


def cells_of(args):
    """Pairs of numbers, as asked for or all."""
    numbers = {nat: i for i, nat in enumerate(args.nats)}
    everything = range(len(args.nats))
    pairs = []
    for pair in args.pair or ["all,all"]:
        ends = []
        for nat in pair.split(","):
            if nat not in numbers and nat != "all":
                sys.exit(f"matrix: no NAT is called {nat}; there are: {', '.join(args.nats)}")
            ends.append(everything if nat == "all" else [numbers[nat]])
        if len(ends) != 2:
            sys.exit(f"matrix: a pair is two NATs, as in full-cone,linux, and not {pair}")
        pairs += [(c, s) for c in ends[0] for s in ends[1]]
    return list(dict.fromkeys(pairs))


def batches_of(cells, count):
    """In each, a host is in one pair: two searches from one address would wait for each other."""
    left = sorted(cells, key=lambda cell: ((cell[1] - cell[0]) % count, cell))
    while left:
        batch, used = [], set()
        for cell in list(left):
            ends = {f"c{cell[0]}", f"s{cell[1]}"}
            if not ends & used:
                used |= ends
                batch.append(cell)
                left.remove(cell)
        yield batch


def batch_run(lab, batch, copies, limit):
    relay = relay_start(lab)
    runs = [Run(lab, c, s, copy) for c, s in batch for copy in range(1, copies + 1)]
    for run in runs:
        run.serve()
    served = lab.wait(20, lambda: all(run.is_served() for run in runs))
    for run in runs:
        run.connect()
    ready = lab.wait(20, lambda: all(run.is_connected() for run in runs))
    if not served or not ready:
        print("matrix: some agents did not reach the relay", file=sys.stderr)
    for run in runs:
        run.go(limit)
    for run in runs:
        run.end()
    lab.stop(relay)
    return [(run.cell, run.result()) for run in runs]


def run_all(args):
    lab = Lab()
    cells = cells_of(args)
    found = {cell: [] for cell in cells}
    for service in sorted({s for _, s in cells}):
        for copy in range(1, args.at_once + 1):
            lab.start(f"s{service}k{copy}", f"s{service}k{copy}.echo", sys.executable, __file__,
                      "echo", "--bind", "127.0.0.1:7000")
    batches = list(batches_of(cells, len(args.nats)))
    for done in range(0, args.runs, args.at_once):
        for i, batch in enumerate(batches):
            copies = min(args.at_once, args.runs - done)
            for cell, result in batch_run(lab, batch, copies, args.limit):
                found[cell].append(result)
            print(f"matrix: run {done + 1} to {done + copies} of {args.runs}, "
                  f"batch {i + 1} of {len(batches)}", file=sys.stderr)
    lab.stop(*list(lab.running))
    json.dump({"delay_ms": 30, "jitter_ms": 5, "loss_percent": 1, "runs": args.runs,
               "nats": args.nats,
               "cells": [summary(args.nats, cell, runs) for cell, runs in found.items()]},
              sys.stdout, indent=1)
    print()


def median(values):
    values = [v for v in values if v is not None]
    return round(statistics.median(values)) if values else None


def summary(nats, cell, runs):
    direct = [r for r in runs if r["direct"]]
    return {
        "client": nats[cell[0]], "service": nats[cell[1]], "runs": len(runs),
        "exchanged": sum(r["first_ms"] is not None for r in runs),
        "first_ms": median(r["first_ms"] for r in runs),
        "first_ms_max": max((round(r["first_ms"]) for r in runs if r["first_ms"] is not None),
                            default=None),
        "direct": len(direct), "probes": median(r["probes"] for r in direct),
        "ms": median(r["ms"] for r in direct),
        "plans": sorted({r["plan"] for r in direct}),
        "sent": sum(r["sent"] for r in runs), "lost": sum(r["lost"] for r in runs),
        "doubled": sum(r["doubled"] for r in runs),
    }


### What they found ########################################################################


def table(found):
    return {(c["client"], c["service"]): c for c in found["cells"]}


def percent(cell):
    return round(100 * cell["direct"] / cell["runs"])


def published(client, service):
    nats = PUBLISHED["nats"]
    if client not in nats or service not in nats:
        return None
    return PUBLISHED["direct"][nats.index(client)][nats.index(service)]


def text_rows(found, title, value):
    nats = [n for n in found["nats"] if any(n in (c["client"], c["service"]) for c in found["cells"])]
    cells = table(found)
    print(f"\n{title}")
    print(f"{'client / service':22}" + "".join(f"{short(n):>11}" for n in nats))
    for client in nats:
        row = [value(cells[client, s]) if (client, s) in cells else "" for s in nats]
        if any(row):
            print(f"{client:22}" + "".join(f"{v:>11}" for v in row))


def short(nat):
    return nat.replace("symmetric-", "sym-").replace("preserving", "pres").replace(
        "sequential", "seq").replace("restricted", "restr")


def with_published(cell):
    theirs = published(cell["client"], cell["service"])
    return f"{percent(cell)}" + (f" ({theirs})" if theirs is not None else "")


def show_text(found):
    print(f"Two peers, {found['delay_ms']} +- {found['jitter_ms']} ms and {found['loss_percent']} % loss "
          f"on each wire, {found['runs']} runs a cell.")
    text_rows(found, f"Direct, per cent of runs (in brackets: {PUBLISHED['name']}, 250 runs)", with_published)
    text_rows(found, "Datagrams of the search, both sides, median",
              lambda c: "-" if c["probes"] is None else str(c["probes"]))
    text_rows(found, "Search, milliseconds, median", lambda c: "-" if c["ms"] is None else str(c["ms"]))
    text_rows(found, "First echo after the first datagram, milliseconds, longest",
              lambda c: "-" if c["first_ms_max"] is None else str(c["first_ms_max"]))
    cells = found["cells"]
    print(f"\n{sum(c['exchanged'] for c in cells)} of {sum(c['runs'] for c in cells)} runs exchanged data; "
          f"of {sum(c['sent'] for c in cells)} datagrams {sum(c['lost'] for c in cells)} had no echo, "
          f"{sum(c['doubled'] for c in cells)} had two.")


def colour(value):
    """From red by yellow to green."""
    red, green, blue = colorsys.hls_to_rgb(value / 300, 0.8, 0.65)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def show_svg(found):
    nats, cells = found["nats"], table(found)
    left, top, width, height = 190, 130, 92, 46
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width * len(nats) + 10}" '
           f'height="{top + height * len(nats) + 40}" font-family="sans-serif" font-size="13">']

    def write(x, y, words, size=13, anchor="middle", more=""):
        out.append(f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" {more}>{words}</text>')
    write(left, 20, "Direct path found, per cent of runs; below: milliseconds, datagrams of both sides",
          15, "start")
    write(left, 40, f"rows: client, columns: service; {found['delay_ms']} ± {found['jitter_ms']} ms and "
          f"{found['loss_percent']} % loss on each wire, {found['runs']} runs a cell; "
          f"in brackets: {PUBLISHED['name']}", 12, "start")
    for i, nat in enumerate(nats):
        write(left - 8, top + height * i + 28, nat, anchor="end")
        x = left + width * i + 46
        write(x, top - 8, nat, anchor="start", more=f'transform="rotate(-30 {x} {top - 8})"')
    for (client, service), cell in cells.items():
        x, y = left + width * nats.index(service), top + height * nats.index(client)
        out.append(f'<rect x="{x}" y="{y}" width="{width - 2}" height="{height - 2}" rx="3" '
                   f'fill="{colour(percent(cell))}"/>')
        write(x + width / 2 - 1, y + 20, with_published(cell), 14)
        if cell["ms"] is not None:
            write(x + width / 2 - 1, y + 37, f"{cell['ms']} ms, {cell['probes']}", 11)
    out.append("</svg>")
    print("\n".join(out))


def show(args):
    with open(args.file) as file:
        found = json.load(file)
    if args.svg:
        show_svg(found)
    elif args.json:
        json.dump(dict(found, published=PUBLISHED), sys.stdout, indent=1)
        print()
    else:
        show_text(found)


def hosts(args):
    cells = cells_of(args)
    print(*sorted({f"c{c}" for c, _ in cells} | {f"s{s}" for _, s in cells}))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for call, name in ((hosts, "hosts"), (run_all, "run")):
        command = commands.add_parser(name)
        command.set_defaults(call=call)
        command.add_argument("--pair", action="append")
        command.add_argument("--runs", type=int, default=1)
        command.add_argument("--at-once", type=int, default=1)
        command.add_argument("--limit", type=float, default=45)
        command.add_argument("nats", nargs="+")
    command = commands.add_parser("show")
    command.set_defaults(call=show)
    for form in ("text", "json", "svg"):
        command.add_argument("--" + form, action="store_true")
    command.add_argument("file")
    command = commands.add_parser("echo")
    command.set_defaults(call=echo)
    command.add_argument("--bind", type=address, required=True)
    command = commands.add_parser("probe")
    command.set_defaults(call=probe)
    command.add_argument("--to", type=address, required=True)
    command.add_argument("--log", required=True)
    command.add_argument("--limit", type=float, required=True)
    args = parser.parse_args()
    args.call(args)


if __name__ == "__main__":
    main()
