"""`python -m tests.simulation`: plays seeds, and says which of them fail and how to replay them."""

import argparse
import multiprocessing
import os
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does: `simulation` is a package

from simulation.climate import draw
from simulation.mutations import MUTATIONS
from simulation.world import play


def main():
    arguments = _arguments()
    if arguments.seed is not None:
        return _replay(arguments.seed, everything=arguments.verbose)
    if arguments.mutations:
        return _mutate(arguments)
    began_s = time.monotonic()
    failed, simulated_s, calls, rows = [], 0.0, 0, 0
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    with multiprocessing.Pool(arguments.jobs) as pool:
        for number, verdict in enumerate(pool.imap_unordered(play, seeds, chunksize=4), start=1):
            simulated_s += verdict.simulated_s
            calls += verdict.calls
            rows += len(verdict.rows)
            if verdict.violation is not None:
                failed.append(verdict.seed)
                row = "" if verdict.row is None else f" (row {verdict.row})"
                print(f"seed {verdict.seed}{row}: {verdict.violation}")
                print(f"  replay it: make simulate SEED={verdict.seed}", flush=True)
            if sys.stderr.isatty():
                print(f"\r{number}/{len(seeds)}", end="", file=sys.stderr)
    took_s = time.monotonic() - began_s
    print(
        f"{len(seeds)} seeds, {len(failed)} failing; {rows} rows, {calls} calls, "
        f"{simulated_s / 3600:.0f} simulated hours in {took_s:.0f} s "
        f"({len(seeds) / took_s:.1f} seeds a second)"
    )
    return 1 if failed else 0


def _arguments():
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=300, help="how many (300)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (all cores)")
    parser.add_argument("--seed", type=int, help="replay this one, and tell its story")
    parser.add_argument(
        "--mutations", action="store_true", help="how many seeds find each defect put in on purpose"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="the story of every row")
    return parser.parse_args()


def _mutate(arguments):
    """How many seeds find each mutation; one that none finds is a hole in the simulation."""
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    unfound = 0
    for name in MUTATIONS:
        with multiprocessing.Pool(arguments.jobs) as pool:
            verdicts = pool.map(partial(play_mutated, name), seeds, chunksize=4)
        found = [verdict for verdict in verdicts if verdict.violation]
        unfound += not found
        words = found[0].violation if found else "NOT FOUND"
        print(f"{name:40} {len(found):5} of {len(seeds)}   {words}"[:180], flush=True)
    return 1 if unfound else 0


def play_mutated(name, seed):
    """Play a seed with a defect in the engine."""
    with MUTATIONS[name]():
        return play(seed)


def _replay(seed, *, everything):
    climate = draw(seed)
    for name, value in vars(climate).items():
        if name != "things":
            print(f"  {name}: {value}")
    began_s = time.monotonic()
    verdict = play(seed, trace=True)
    for moment_s, row, text in verdict.story:
        if everything or row is None or row == verdict.row:
            print(f"{moment_s:10.3f} {'' if row is None else f'row {row}: '}{text}")
    thing = next((t for t in climate.things if t.row == verdict.row), None)
    if thing is not None:
        print(f"row {thing.row}: {thing}")
    print(
        f"seed {seed}: {verdict.violation or 'all that always holds has held'}; "
        f"{verdict.starts} starts, {verdict.calls} calls, {verdict.simulated_s / 3600:.2f} "
        f"simulated hours in {time.monotonic() - began_s:.2f} s, digest {verdict.digest}"
    )
    return 1 if verdict.violation else 0


if __name__ == "__main__":
    sys.exit(main())
