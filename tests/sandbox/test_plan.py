"""What a plan of faults is, and which requests it strikes."""

import subprocess
import sys

import pytest

from migrator.sandbox.errors import SandboxError
from migrator.sandbox.faults import UNTOUCHED, Faults
from migrator.sandbox.moments import Clock
from migrator.sandbox.plan import PlanError, from_toml, plan_of

CREATE = "POST /v1/videos/in/s3"
HTTPS = "POST /v1/videos/in/https"
LIST = "GET /v1/videos"
ACCOUNT = "GET /v1/account"
OPERATIONS = frozenset({CREATE, HTTPS, LIST, ACCOUNT})


def faults(*rules, clock=None, **top):
    return Faults(plan_of({"rules": list(rules), **top}, OPERATIONS), OPERATIONS, clock or Clock())


def struck(given, operation, times):
    """At which of so many requests an answer goes wrong."""
    return [n for n in range(times) if given.strike(operation).answer is not None]


def test_without_a_plan_nothing_is_struck():
    assert faults().strike(CREATE) is UNTOUCHED


def test_a_rule_without_a_limit_strikes_every_request_of_its_operation():
    given = faults({"fault": "html", "operation": CREATE})
    assert struck(given, CREATE, 5) == [0, 1, 2, 3, 4]
    assert struck(given, LIST, 5) == []


def test_a_count_ends_and_after_begins():
    given = faults({"fault": "html", "count": 2, "after": 3})
    assert struck(given, CREATE, 10) == [3, 4]


def test_a_star_stands_for_any_characters():
    given = faults({"fault": "html", "operation": "POST *"})
    assert struck(given, CREATE, 1) == struck(given, HTTPS, 1) == [0]
    assert struck(given, LIST, 1) == []


def test_the_same_seed_and_requests_give_the_same_faults_and_another_seed_gives_others():
    rule = {"fault": "error", "probability": 0.3}
    requests = [CREATE, LIST, ACCOUNT] * 100

    def happened(seed):
        given = faults(rule, seed=seed)
        return [given.strike(operation).answer is not None for operation in requests]

    assert happened(7) == happened(7)
    assert happened(7) != happened(8)
    assert 60 < sum(happened(7)) < 120


def test_a_rule_is_not_moved_by_another_nor_by_requests_of_other_operations():
    rule = {"fault": "error", "operation": CREATE, "probability": 0.3}
    alone = struck(faults(rule), CREATE, 100)
    beside = faults(rule, {"fault": "slow", "seconds": 1, "operation": CREATE, "after": 10**6})
    mixed = []
    for n in range(100):
        beside.strike(LIST)
        if beside.strike(CREATE).answer is not None:
            mixed.append(n)
    assert alone == mixed


def test_two_equal_rules_have_chances_of_their_own():
    rule = {"fault": "late", "seconds": 1, "probability": 0.5}
    given = faults(rule, rule)
    for _ in range(200):
        given.strike(CREATE)
    first, second = given.counts
    assert first.seen == second.seen == 200
    both = faults({**rule}, {**rule, "seconds": 2})
    late = [both.strike(CREATE).late_s for _ in range(200)]
    assert set(late) == {0.0, 1.0, 2.0}  # were they the same stream, the second would never show


def test_of_several_faults_the_first_rule_counts_and_different_kinds_add_up():
    given = faults(
        {"fault": "slow", "seconds": 1},
        {"fault": "html"},
        {"fault": "late", "seconds": 9},
        {"fault": "copy_size", "off_bytes": -5},
        {"fault": "copy_stalls"},
        {"fault": "copy_fails"},
    )
    one = given.strike(CREATE)
    assert type(one.answer).__name__ == "Slow"
    assert type(one.copy).__name__ == "CopyStalls"
    assert (one.late_s, one.size_off_bytes) == (9, -5)
    assert [count.struck for count in given.counts] == [1] * 6


def test_a_shift_goes_either_way_within_its_bounds_and_is_never_nothing():
    given = faults({"fault": "shift", "rows": 2})
    shifts = {given.strike(LIST).shift_rows for _ in range(200)}
    assert shifts == {-2, -1, 1, 2}


def test_faults_of_videos_and_lists_strike_nothing_else():
    given = faults({"fault": "late", "seconds": 1}, {"fault": "ties"})
    assert given.strike(ACCOUNT) is UNTOUCHED
    assert given.strike(LIST).late_s == 0
    assert given.strike(CREATE).ties_s == 0


def test_a_plan_sets_the_clock_and_its_end_sets_it_right():
    clock = Clock()
    given = faults(clock=clock, clock_offset_s=-90.5)
    assert clock.offset_ms == -90_500
    given.replace(plan_of({}, OPERATIONS))
    assert clock.offset_ms == 0


def test_another_plan_counts_anew():
    given = faults({"fault": "html", "count": 1})
    assert struck(given, CREATE, 3) == [0]
    given.replace(given.plan)
    assert struck(given, CREATE, 3) == [0]


# -------------------------------------------------------------------- bad plans


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"rules": [{"fault": "html"}, {"fault": "html", "probability": 1.5}]}, "rule 2: probab"),
        ({"rules": [{"fault": "html", "probability": 0}]}, "rule 1: probability: "),
        ({"rules": [{"fault": "html", "count": 0}]}, "rule 1: count: "),
        ({"rules": [{"fault": "html", "after": -1}]}, "rule 1: after: "),
        ({"rules": [{"fault": "html", "colour": 1}]}, "rule 1: colour: "),
        ({"rules": [{"fault": "htlm"}]}, "rule 1: fault: "),
        ({"rules": [{}]}, "rule 1: fault: "),
        ({"rules": [{"fault": "slow"}]}, "rule 1: seconds: "),
        ({"rules": [{"fault": "slow", "seconds": "5"}]}, "rule 1: seconds: "),
        ({"rules": [{"fault": "slow", "seconds": -1}]}, "rule 1: seconds: "),
        ({"rules": [{"fault": "slow", "seconds": float("nan")}]}, "rule 1: seconds: "),
        ({"rules": [{"fault": "error", "status": 404}]}, "rule 1: status: "),
        ({"rules": [{"fault": "error", "when": "during"}]}, "rule 1: when: "),
        ({"rules": [{"fault": "throttle", "headers": "odd"}]}, "rule 1: headers: "),
        ({"rules": [{"fault": "copy_fails", "at_percent": 100}]}, "rule 1: at_percent: "),
        ({"rules": [{"fault": "html", "operation": "GET /v1/video"}]}, "rule 1: operation: "),
        ({"rules": [{"fault": "late", "seconds": 1, "operation": LIST}]}, "rule 1: operation: "),
        ({"rules": ["html"]}, "rule 1: "),
        ({"rules": {}}, "rules: "),
        ({"seed": -1}, "seed: "),
        ({"seeds": 1}, "seeds: "),
        ({"clock_offset_s": 10**10}, "clock_offset_s: "),
        ([], "Expected `object`"),
    ],
)
def test_a_plan_that_cannot_be_meant_names_the_rule_and_the_field(given, place):
    with pytest.raises(PlanError) as refused:
        plan_of(given, OPERATIONS)
    assert str(refused.value).startswith(place)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"seed = ", "is not TOML"),
        (b"\xff", "is not TOML"),
        (b'[[rules]]\nfault = "slow"\nseconds = -1', "rule 1: seconds"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_holds_no_plan_is_one_error_that_names_it(tmp_path, content, said):
    path = tmp_path / "plan.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SandboxError) as refused:
        from_toml(path, OPERATIONS)
    assert str(refused.value).startswith(f"{path}")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_sandbox_does_not_start_with_a_bad_plan(sandbox, tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text('[[rules]]\nfault = "html"\ncount = "many"')
    with pytest.raises(SandboxError, match=r"plan\.toml: rule 1: count: "):
        async with sandbox(faults=path):
            pass


def test_on_the_command_line_a_bad_plan_is_one_line(tmp_path):
    path = tmp_path / "plan.toml"
    path.write_text("seed = true")
    command = [sys.executable, "-m", "migrator", "sandbox", "--dir", str(tmp_path / "sandbox")]
    command += ["--faults", str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert f"{path}: seed: " in ended.stderr
    assert "Traceback" not in ended.stderr
