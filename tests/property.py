#!/usr/bin/python3
"""property: random sequences of what happens to a relay, each step judged by kernel, table, registry
and packets.

  property --prefix NS --relayd FILE --config FILE --database FILE --socket FILE --log FILE
           [--seed N] [--steps N] [--episode N] [--seconds N] [--replay STEPS] [--shrink SECONDS]

Prints what happens, and figures. On a failure it leaves out steps as long as the failure stays, prints
the rest, and ends with status 1. --replay takes such a rest, as printed.
"""
import argparse
import glob
import os
import random
import sys
import time

from property_judge import Judge
from property_model import Model
from property_steps import CONFIGURED, Steps, configured, draw
from property_world import Failure, World


class Episode:
    """A sequence of steps from an empty relay on."""

    def __init__(self, world, seed):
        self.world = world
        self.model = Model()
        self.judge = Judge(world, self.model)
        self.steps = Steps(world, self.model, self.judge)
        self.said = []
        self.done = 0
        rng = random.Random(seed)
        world.end("both")
        world.run(world.args.relayd, "--flush")
        world.run("conntrack", "-F")
        for path in glob.glob(world.args.database + "*"):
            os.unlink(path)
        for i in range(CONFIGURED):
            spec = configured(i, rng)
            if not any(self.model.port_owner(port) for port in spec["ports"]):
                self.model.add(spec, "config")
        self.steps.write_config(self.steps.config_specs())
        world.start()

    def run(self, sequence, until):
        for name, number in sequence:
            if time.monotonic() > until:
                return
            self.one(name, number)
            self.done += 1

    def one(self, name, number):
        rng = random.Random(number)
        text = "(failed)"
        try:
            self.steps.tend()
            text = getattr(self.steps, name)(rng)
            table = self.judge.settle(text)
            for _ in range(3):
                slot = self.steps._slot(rng)
                if slot:
                    sender = slot.owner or self.steps._some(rng, self.world.senders, slot.family)
                    self.judge.probe(sender, slot, table)
        finally:
            self.said.append("%s:%d  %s" % (name, number, text))
            self.world.log.write(("== %s\n" % self.said[-1]).encode())
            self.world.log.flush()


def attempt(world, seed, sequence, until):
    """The episode, and the failure or None."""
    episode = Episode(world, seed)
    try:
        episode.run(sequence, until)
    except Failure as failure:
        return episode, str(failure)
    return episode, None


def shrink(world, seed, sequence, until):
    """Leaves out ever smaller parts while it still fails."""
    last = None
    size = len(sequence) // 2
    while size and time.monotonic() < until:
        at = 0
        while at < len(sequence) and time.monotonic() < until:
            shorter = sequence[:at] + sequence[at + size:]
            episode, failure = attempt(world, seed, shorter, until)
            if failure:
                sequence, last = shorter[:episode.done + 1], (episode, failure)
            else:
                at += size
        size //= 2
    return sequence, last


def explain(world, seed, sequence, episode, failure, seconds):
    print("# seed %d failed at step %d: %s" % (seed, episode.done + 1, failure))
    sequence = sequence[:episode.done + 1]
    for text in episode.said[-12:]:
        print("#   %s" % text)
    sys.stdout.flush()
    shorter, last = shrink(world, seed, sequence, time.monotonic() + seconds)
    if last:
        episode, failure = last
        print("# %d steps are enough:" % len(shorter))
        for text in episode.said:
            print("#   %s" % text)
        print("# %s" % failure)
    print("# again with PROPERTY_SEED=%d PROPERTY_REPLAY=%s" % (
        seed, ",".join("%s:%d" % step for step in shorter)))


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for word in ("prefix", "relayd", "config", "database", "socket", "log"):
        parser.add_argument("--" + word, required=True)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--episode", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--shrink", type=float, default=60)
    parser.add_argument("--replay")
    return parser.parse_args()


def main():
    args = parse()
    world = World(args)
    begin, done, probes, arrived, slowest, handovers, seed = time.monotonic(), 0, 0, 0, (0.0, ""), [], args.seed
    while done < args.steps and time.monotonic() - begin < args.seconds:
        sequence = draw(seed, min(args.episode, args.steps - done))
        if args.replay:
            sequence = [(name, int(number)) for name, number in (
                step.split(":") for step in args.replay.split(","))]
        episode, failure = attempt(world, seed, sequence, begin + args.seconds)
        done += episode.done
        probes += episode.judge.probes
        arrived += episode.judge.arrived
        slowest = max(slowest, episode.judge.slowest)
        handovers += episode.steps.handovers
        if failure:
            explain(world, seed, sequence, episode, failure, args.shrink)
            sys.exit(1)
        if args.replay:
            break
        seed += 1
    world.end("stop")
    took = time.monotonic() - begin
    handovers.sort()
    print("seeds %d to %d: %d steps in %.1f s, %.1f a second; %d probes, %d arrived" % (
        args.seed, seed - 1, done, took, done / took, probes, arrived))
    print("slowest agreement %.0f ms, after: %s" % (slowest[0] * 1000, slowest[1]))
    print("senders that came back: %d, median %.0f ms, slowest %.0f ms" % (
        len(handovers), (handovers or [0])[len(handovers) // 2] * 1000,
        (handovers or [0])[-1] * 1000))


if __name__ == "__main__":
    main()
