"""All that the battery does to a batch, drawn from a seed."""

from tests.battery.arena import Case
from tests.battery.child import POINTS
from tests.battery.disturbances import (
    BothKilled,
    Crash,
    Kill,
    NowAndThen,
    PlatformKilled,
    Storm,
)

OFTEN = 0.05
"""The share of requests that is struck where faults come now and then."""

STORM_S = 2.0

SPARED = 20
"""Requests before a storm: the run has begun to submit by then."""

CREATES = "POST /v1/videos/in/s3"
UNHEARD = {"fault": "reset", "when": "after", "operation": CREATES, "probability": 0.2}
"""Lost answers, which make the program read the list that another fault spoils."""

FAULTS = {
    **{
        f"throttle, {kind} headers": {"fault": "throttle", "headers": kind}
        for kind in ("correct", "absent", "negative", "text", "epoch", "absurd")
    },
    **{
        f"{status} {when}": {"fault": "error", "status": status, "when": when}
        for status in (500, 502, 503)
        for when in ("before", "after")
    },
    "reset before": {"fault": "reset", "when": "before"},
    "reset after": {"fault": "reset", "when": "after"},
    "withheld": {"fault": "withhold", "seconds": 0.4},
    "cut body": {"fault": "truncate", "cut": "body"},
    "cut connection": {"fault": "truncate", "cut": "connection"},
    "page of HTML": {"fault": "html"},
    "slow": {"fault": "slow", "seconds": 0.4},
    "enormous": {"fault": "enormous", "size_bytes": 32 << 20},
    "copy fails once": {"fault": "copy_fails"},
    "copy fails always": {"fault": "copy_fails", "always": True},
    "copy stalls": {"fault": "copy_stalls"},
    "copy of another size": {"fault": "copy_size"},
    "late in lists": {"fault": "late", "seconds": 0.4},
    "shifted pages": {"fault": "shift"},
    "ties": {"fault": "ties"},
}
"""Every rule of a plan, as the sandbox's page lists them."""

FLAGS = {"copy stalls": ("--stuck-after", "4s"), "copy fails always": ("--restarts", "1")}

MAY_END_AS = {
    "copy fails always": (("failed", "copy_failed"),),
    "copy stalls": (("failed", "stuck"),),
    "copy of another size": (("failed", "size_mismatch"),),
}

SPOILED = {"late in lists", "shifted pages", "ties"}
"""Faults that are felt only where the list is read for lost answers."""

LISTS = {"shift", "ties"}
"""Faults of lists, of which few are read."""

FEW = {"throttle"}
"""A refusal may cost a whole window of a minute: two of them are enough."""

TOO_LONG = {f"throttle, {kind} headers" for kind in ("correct", "epoch", "absurd")}
"""What holds a run for a minute or more, rightly, is for the long form."""


def undisturbed(count):
    """Batches that nothing happens to: what all others are held against."""
    return [Case("undisturbed", f"undisturbed-{number}", slowly=True) for number in range(count)]


def kills(count, whole_s, chance):
    """Batches of which the first runs are killed, at any moment of what a run takes."""
    return [
        Case(
            "SIGKILL at random moments",
            f"kill-{number}",
            tuple(Kill(chance.uniform(0, whole_s)) for _ in range(chance.choice((1, 1, 2)))),
            slowly=True,
        )
        for number in range(count)
    ]


PASSED_AT_MOST = {"rows": 1, "sweep": 1, "report": 5, "restart": 3}
"""How often a point is passed for certain, by the first word of its name; the others six times."""


def crashes(rounds, chance):
    """Every named crash point, at one of its passings."""
    cases = []
    for point in POINTS:
        what = point.partition("-")[0]
        fails = {"fault": "copy_fails", "probability": 0.3}
        for number in range(rounds):
            plan = {"seed": chance.randrange(2**32), "rules": [fails] if what == "restart" else []}
            crash = Crash(point, chance.randint(1, PASSED_AT_MOST.get(what, 6)), plan)
            cases.append(Case(f"crash: {point}", f"crash-{point}-{number}", (crash,), slowly=True))
    return cases


def faults(rounds, chance, *, short):
    """Every fault at five percent and as a storm; in short, one of the two."""
    cases = []
    for place, name in enumerate(FAULTS):
        if short and name in TOO_LONG:
            continue
        for number in range(rounds):
            forms = (_now_and_then, _storm)
            chosen = (forms[place % 2],) if short else forms
            cases += [form(name, number, chance) for form in chosen]
    for number in range(rounds):
        offset_s = chance.choice((-86_400, -3600, 3600, 86_400))
        plan = {"clock_offset_s": offset_s, "rules": [UNHEARD]}
        cases.append(Case("the platform's clock is off", f"clock-{number}", (NowAndThen(plan),)))
    return cases


def _case(name, how, number, disturbance):
    slug = f"{name}-{how}-{number}".replace(",", "").replace(" ", "-").lower()
    return Case(
        f"{name}, {how}",
        slug,
        (disturbance,),
        flags=FLAGS.get(name, ()),
        may_end_as=MAY_END_AS.get(name, ()),
    )


def _now_and_then(name, number, chance):
    rule = FAULTS[name]
    seldom = {"probability": OFTEN}
    if rule["fault"] in FEW:
        seldom["count"] = 1
    # Five percent of so few requests may be none: one is struck for certain.
    surely = {"after": 1 if rule["fault"] in LISTS else chance.randint(5, 12), "count": 1}
    beside = [UNHEARD] if name in SPOILED else []
    rules = [{**rule, **seldom}, {**rule, **surely}, *beside]
    plan = {"seed": chance.randrange(2**32), "rules": rules}
    return _case(name, "5 %", number, NowAndThen(plan))


def _storm(name, number, chance):
    rule = FAULTS[name]
    drawn = {"after": SPARED}
    if rule["fault"] in LISTS:
        drawn["after"] = 0
    elif rule["fault"].startswith("copy_") or name in SPOILED:
        drawn["after"] = SPARED // 2
    elif number % 2:
        drawn |= {"operation": CREATES, "after": SPARED // 2}
    beside = [UNHEARD] if name in SPOILED else []
    plan = {"seed": chance.randrange(2**32), "rules": [{**rule, **drawn}, *beside]}
    return _case(name, "storm", number, Storm(plan, STORM_S))


def both(rounds, whole_s, chance):
    """The platform is killed under a run; then program and platform at once, or nearly."""
    cases = []
    for number in range(rounds):
        moment_s = chance.uniform(whole_s / 4, whole_s)
        killed = PlatformKilled(moment_s, chance.uniform(0, 1))
        cases.append(Case("platform killed", f"platform-{number}", (killed,)))
        apart_s = chance.choice((0, 0.05, 0.2))
        killed = BothKilled(moment_s, chance.random() < 0.5, apart_s)
        cases.append(Case("both killed", f"both-{number}", (killed,)))
    return cases
