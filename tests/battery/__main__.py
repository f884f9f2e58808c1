"""`python -m tests.battery`: the actual program against the actual sandbox, under every fault.

Batches of one catalogue are disturbed: killed at random moments and at each named crash point,
struck by each fault of the sandbox's plan, left without a platform, or killed together with it.
They are run again until they are finished, and held against the platform's own log of creates: no
object made twice, none lost, and every row as in a batch that nothing happened to. One table is
printed; `objects` are those that can be imported, `creates` what the platform made. The exit code
is 1 when anything is not as it should be. Progress goes to stderr.
"""

import argparse
import os
import queue
import random
import signal
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from tests.battery import cases
from tests.battery.arena import GOOD, Ended, arena
from tests.battery.table import render

PARTS = ("kills", "crashes", "faults", "both")

BATCHES_AN_ARENA = 24
"""After so many a fresh sandbox takes its place: each batch first reads the whole list."""


def planned(given, whole_s, chance):
    """The cases of the parts that were asked for."""
    fault_rounds = max(1, given.rounds // 10)
    of_part = {
        "kills": lambda: cases.kills(given.kills, whole_s, chance),
        "crashes": lambda: cases.crashes(given.rounds, chance),
        "faults": lambda: cases.faults(fault_rounds, chance, short=given.short),
        "both": lambda: cases.both(given.rounds, whole_s, chance),
    }
    return [case for part in given.only for case in of_part[part]()]


def carry_out(all_cases, at_once, tell):
    """Migrate every case, so many at a time, each worker in an arena of its own."""
    waiting = queue.SimpleQueue()
    for case in all_cases:
        waiting.put(case)

    def work():
        all_ended = []
        while not waiting.empty():
            with arena() as place:
                for _ in range(BATCHES_AN_ARENA):
                    try:
                        case = waiting.get_nowait()
                    except queue.Empty:
                        break
                    try:
                        ended = place.migrate(case)
                    except Exception:  # noqa: BLE001 - one batch of many; the arena may be gone
                        ended = Ended(case.line, case.name, wrong=[traceback.format_exc()])
                    all_ended.append(ended)
                    tell(ended)
                    if ended.wrong:
                        break
        return all_ended

    with ThreadPoolExecutor(at_once) as pool:
        workers = [pool.submit(work) for _ in range(min(at_once, len(all_cases)))]
        ended = {one.name: one for worker in workers for one in worker.result()}
    return [ended[case.name] for case in all_cases]


def tell(ended):
    """One line on stderr, as soon as a batch has ended."""
    verdict = "WRONG" if ended.wrong else "ok"
    story = "; ".join(ended.story)
    print(f"{verdict} {ended.name} ({ended.seconds:.1f} s): {story}", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.battery", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="batches killed at random moments")
    parser.add_argument("--rounds", type=int, default=20, help="times that each crash point is hit")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--short", action="store_true", help="faults: one of their two forms each")
    parser.add_argument("--at-once", type=int, default=2 * (os.cpu_count() or 1))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 2**32))
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    print(f"seed {given.seed}", file=sys.stderr, flush=True)
    began_s = time.monotonic()
    # Measured under the load of what follows: so many of them at once.
    first = carry_out(cases.undisturbed(given.at_once), given.at_once, tell)
    whole_s = min(ended.seconds for ended in first)
    rest = planned(given, whole_s, random.Random(given.seed))
    ended = [*first, *carry_out(rest, given.at_once, tell)]
    print(render(ended, GOOD))
    print(f"\nseed {given.seed}, {time.monotonic() - began_s:.0f} s on the clock")
    wrong = [one for one in ended if one.wrong]
    for one in wrong:
        print(f"\n{one.name}: {'; '.join(one.story)}\n  " + "\n  ".join(one.wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
