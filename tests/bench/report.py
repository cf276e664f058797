#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""report: what scripts/bench measured, as a table or as JSON (the fields: head of scripts/bench).

report.py [--json] [--quick] --streams N FOLDER

FOLDER holds the names of the paths (paths), what flood printed about them (costs), and what
punchstorm printed (punches, takeovers).
"""
import argparse
import collections
import json
import os
import platform
import re
import sys

PACKET_BYTES = 1200
SOFTIRQ_HIDDEN = 0.7  # of the time that passed; below it the thread was not charged for softirqs
CARRIED = ("socat", "mmsg")  # by a process
ALL = re.compile(r".*-(\d+)-all$")

Round = collections.namedtuple("Round", "valid cpu wall")


def quantile(values, part):
    values = sorted(values)
    return values[min(int(part * len(values)), len(values) - 1)] if values else None


def rounded(value, digits):
    return None if value is None else round(value, digits)


def lines(folder, name):
    if not os.path.exists(os.path.join(folder, name)):
        return []  # not measured
    with open(os.path.join(folder, name), encoding="ascii") as file:
        return [line.split() for line in file]


def read_costs(folder):
    """{path: {round: Round}}, in the order in which the paths were given."""
    costs = {name: {} for name, in lines(folder, "paths")}
    for name, number, sent, arrived, cpu, wall in lines(folder, "costs"):
        costs[name][int(number)] = Round(sent == arrived, float(cpu), float(wall))
    return costs


def choose_clock(costs):
    shares = [one.cpu / one.wall for one in costs["route"].values()]
    return "cpu" if quantile(shares, 0.9) > SOFTIRQ_HIDDEN else "wall"


def times(rounds, name, clock):
    if clock == "wall" and name in CARRIED:
        return {}
    return {number: getattr(one, clock) for number, one in rounds.items() if one.valid}


def like(name, other):
    """The other path of the same kind: one that sends to all streams has its own wire and hand."""
    found = ALL.match(name)
    return f"{other}-{found[1]}-all" if found else other


def low(times_of, name):
    return quantile(times_of.get(name, {}).values(), 0.1)


def above(times_of, name, base):
    cost, less = low(times_of, name), low(times_of, base)
    return None if None in (cost, less) else cost - less


def low_ratio(times_of, names, base=None):
    """Cost above the base (wire) of the first of the two, in that of the second."""
    first, second = (above(times_of, name, base or like(name, "wire")) for name in names)
    return None if first is None or not second or second < 0 else first / second


def paired_ratio(times_of, name):
    """The same, compared with hand round by round: the median of the rounds."""
    mine, hand, wire = (times_of.get(x, {}) for x in (name, like(name, "hand"), like(name, "wire")))
    return quantile([(mine[n] - wire[n]) / (hand[n] - wire[n]) for n in mine
                     if n in hand and n in wire and hand[n] > wire[n]], 0.5)


def path_report(name, rounds, times_of):
    hand = like(name, "hand")
    return {
        "cost_ns": rounded(low(times_of, name), 0),
        "median_ns": rounded(quantile(times_of[name].values(), 0.5), 0),
        "above_wire_ns": rounded(above(times_of, name, like(name, "wire")), 0),
        "ratio": rounded(low_ratio(times_of, (name, hand)), 3),
        "ratio_paired": rounded(paired_ratio(times_of, name), 3),
        "ratio_patch": rounded(low_ratio(times_of, (name, hand), like(name, "patch")), 3),
        "rounds": len(rounds),
        "invalid": sum(not one.valid for one in rounds.values()),
    }


def punch_report(folder):
    report = {}
    for name, count, seconds, cpu, lost in lines(folder, "punches"):
        count, seconds, cpu = int(count), float(seconds), float(cpu)
        report[name] = {
            "count": count, "seconds": seconds, "cpu_seconds": cpu, "lost": int(lost),
            "per_second": round(count / seconds) if seconds else None,
            "per_cpu_second": round(count / cpu) if cpu else None,
        }
    return report


def takeover_report(folder):
    report = {}
    rows = collections.defaultdict(list)
    for streams, _, *figures in lines(folder, "takeovers"):
        rows[streams].append(figures)
    for streams, all_figures in rows.items():
        good = [[float(x) / 1000 for x in row] for row in all_figures if "-" not in row]
        media, reply, whole = ([row[i] for row in good] for i in range(3))
        report[streams] = {
            "count": len(all_figures), "failed": len(all_figures) - len(good),
            "p50_ms": rounded(quantile(media, 0.5), 3), "p99_ms": rounded(quantile(media, 0.99), 3),
            "max_ms": rounded(max(media, default=None), 3),
            "reply_p50_ms": rounded(quantile(reply, 0.5), 3),
            "all_p50_ms": rounded(quantile(whole, 0.5), 3),
        }
    return report


def goal(what, figure, limit):
    return {"what": what, "figure": rounded(figure, 3), "limit": limit,
            "met": figure is not None and figure <= limit}


def goals(times_of, takeovers, streams):
    many = f"ours-{streams}"
    if many not in times_of:
        return []
    compared = [
        ("ours-1", "hand", 1.15), (many, "hand", 1.15), (many + "-all", f"hand-{streams}-all", 1.3),
        (many, "ours-1", 1.1),
    ]
    found = [goal(f"{a} / {b}, cost above the wire", low_ratio(times_of, (a, b)), limit)
             for a, b, limit in compared]
    found += [goal(f"takeover among {n} streams, p99, ms", row["p99_ms"], 5)
              for n, row in takeovers.items()]
    return found


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def report(options):
    costs = read_costs(options.folder)
    clock = choose_clock(costs)
    times_of = {name: times(rounds, name, clock) for name, rounds in costs.items()}
    takeovers = takeover_report(options.folder)
    return {
        "kernel": platform.release(), "cpu": cpu_name(), "cores": os.cpu_count(),
        "quick": options.quick, "clock": clock, "packet_bytes": PACKET_BYTES,
        "rounds": max(map(len, costs.values())),
        "paths": {name: path_report(name, costs[name], times_of) for name in costs},
        "punches": punch_report(options.folder),
        "takeover": takeovers,
        "goals": goals(times_of, takeovers, options.streams),
    }


def cell(value, width, digits=0):
    return f"{'-' if value is None else f'{value:.{digits}f}':>{width}}"


def print_paths(paths):
    print(f"\n{'ns per packet':18}{'cost':>8}{'median':>8}{'above wire':>12}{'x hand':>8}"
          f"{'paired':>8}{'x hand/patch':>14}{'invalid':>9}")
    for name, row in paths.items():
        print(f"{name:18}{cell(row['cost_ns'], 8)}{cell(row['median_ns'], 8)}"
              f"{cell(row['above_wire_ns'], 12)}{cell(row['ratio'], 8, 2)}"
              f"{cell(row['ratio_paired'], 8, 2)}{cell(row['ratio_patch'], 14, 2)}"
              f"{row['invalid']:>5}/{row['rounds']}")


def print_text(found):
    print(f"\nLinux {found['kernel']}, {found['cores']} cores, {found['cpu']}; "
          f"{found['packet_bytes']}-byte packets, {found['rounds']} rounds")
    print("Cost of a packet: processor time of its whole way, sender and relay, on one core."
          if found["clock"] == "cpu" else
          "Cost of a packet: time that passed, for this kernel accounts softirqs apart.")
    print('"above wire": less the cost of a cable. "x hand": that, in that of the two hand-written '
          'rules.\n"paired": the same as median of the rounds. "x hand/patch": above two cables, '
          'joined.')
    print_paths(found["paths"])
    print()
    for name, row in found["punches"].items():
        print(f"punches, {name}: {row['per_second']}/s on one core ({row['count']} in "
              f"{row['seconds']:.2f} s, {row['per_cpu_second']} per second of processor time, "
              f"{row['lost']} lost)")
    for streams, row in found["takeover"].items():
        print(f"punch to first media, {streams} streams: p50 {cell(row['p50_ms'], 0, 2)} ms, p99 "
              f"{cell(row['p99_ms'], 0, 2)} ms, max {cell(row['max_ms'], 0, 2)} ms "
              f"({row['count']} times, {row['failed']} failed; answer p50 "
              f"{cell(row['reply_p50_ms'], 0, 2)} ms)")
    print()
    for one in found["goals"]:
        print(f"{'met   ' if one['met'] else 'MISSED'} {one['what']}: {cell(one['figure'], 0, 3)}, "
              f"at most {one['limit']}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("folder")
    options = parser.parse_args()
    found = report(options)
    if options.json:
        json.dump(found, sys.stdout, indent=2)
        print()
    else:
        print_text(found)


if __name__ == "__main__":
    main()
