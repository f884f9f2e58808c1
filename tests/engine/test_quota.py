"""Quota headers, read with distrust."""

from email.utils import formatdate

import pytest

from migrator.pixop.quota import MAX_WAIT_S, Quota, read_quota

NOW = 1_764_000_000


def headers(**values):
    names = {"limit": "Limit", "remaining": "Remaining", "reset": "Reset", "after": "Retry-After"}
    return {f"X-RateLimit-{names[name]}": value for name, value in values.items()}


def test_what_the_platform_announces_is_taken():
    told = headers(limit="1200", remaining="7", reset="31", after="4")
    assert read_quota(told, NOW) == Quota(1200, 7, 31, 4)


def test_nothing_announced_is_nothing_known():
    assert read_quota({}, NOW) == Quota()


@pytest.mark.parametrize("value", ["-1", "soon", "", "1e9", "0x10", "NaN", "1.5.2", "9" * 40, "٣"])
def test_what_makes_no_sense_counts_as_absent(value):
    told = headers(limit=value, remaining=value, reset=value, after=value)
    assert read_quota(told, NOW) == Quota()


def test_a_limit_of_nothing_or_of_everything_counts_as_absent():
    assert read_quota(headers(limit="0"), NOW).limit is None
    assert read_quota(headers(limit="99999999999"), NOW).limit is None


@pytest.mark.parametrize("scale", [1, 1000])
def test_a_point_in_time_is_read_as_seconds_from_the_answer_s_own_date(scale):
    assert read_quota(headers(after=str((NOW + 20) * scale)), NOW).retry_after_s == 20
    assert read_quota(headers(after=str((NOW - 20) * scale)), NOW).retry_after_s is None
    assert read_quota(headers(after=str((NOW + 20) * scale)), None).retry_after_s is None


def test_no_header_makes_the_engine_wait_absurdly_long():
    assert read_quota(headers(after="86400"), NOW).retry_after_s == MAX_WAIT_S
    assert read_quota(headers(after=str(10**12)), NOW).retry_after_s is None
    assert read_quota(headers(after=str((NOW + 10**7) * 1000)), NOW).retry_after_s is None


def test_the_common_retry_after_header_stands_in():
    assert read_quota({"Retry-After": "3"}, NOW).retry_after_s == 3


def test_parts_of_a_request_are_not_to_be_had_and_parts_of_a_second_are_waited_for():
    told = headers(limit="100.9", remaining="7.75", reset="31.000", after="4.2")
    assert read_quota(told, NOW) == Quota(100, 7, 31, 5)


def test_of_a_list_as_gateways_write_it_the_first_number_counts():
    told = headers(limit="1200, 1200;w=60", remaining="7;w=60", reset="31, 29")
    assert read_quota(told, NOW) == Quota(1200, 7, 31, None)


def test_the_common_retry_after_header_may_hold_a_date():
    later = formatdate(NOW + 20, usegmt=True)
    assert read_quota({"Retry-After": later}, NOW).retry_after_s == 20
    assert read_quota({"Retry-After": later}, NOW + 21).retry_after_s is None
    assert read_quota({"Retry-After": later}, None).retry_after_s is None


def test_a_senseless_wait_does_not_hide_the_one_beside_it():
    assert read_quota({**headers(after="soon"), "Retry-After": "3"}, NOW).retry_after_s == 3
