"""Deliveries over time: on a clock that the test moves, with real receivers and a real database."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from fakes.receiver import receiving
from fakes.steered_clock import SteeredClock

from migrator.sandbox import accounts, database, events
from migrator.sandbox.accounts import Accounts
from migrator.sandbox.database import Database
from migrator.sandbox.faults import Faults
from migrator.sandbox.plan import plan_of
from migrator.sandbox.seal import Sealer
from migrator.sandbox.webhooks import deliveries, lane
from migrator.sandbox.webhooks.parts import WebhookParts
from migrator.sandbox.webhooks.records import NewWebhook, WebhookChange
from migrator.sandbox.webhooks.values import EventFilter

DEADLINE_S = 20.0
DAY_S = 86_400


@dataclass
class Post:
    """The webhooks of a platform that does nothing else."""

    clock: SteeredClock
    kept: Database
    parts: WebhookParts
    faults: Faults
    team: Any

    async def webhook(self, receiver, *, types=("video_in.done",), **fields):
        new = {
            "is_active": True,
            "name": "told",
            "description": None,
            "url": receiver.url,
            "rate_limit_per_second": 1000,
            "max_total_retry_delay_minutes": 5,
            "event_types": types,
        }
        return await self.parts.webhooks.make(self.team, NewWebhook(**new | fields))

    async def happen(self, *videos, kind="video_in.done"):
        """Something happens to videos, all in one commit."""

        def write(connection):
            for video_id in videos:
                events.record(connection, self.clock, kind, self.team.team_id, video_id)

        await self.kept.ask(write)

    async def listed(self, **wanted):
        _, found = await self.parts.deliveries.page(EventFilter(**wanted), limit=1000, offset=0)
        return found

    async def until(self, holds):
        """The one event, once it is as wanted on disk."""
        async with asyncio.timeout(DEADLINE_S):
            while not holds((await self.listed())[-1]):
                await asyncio.sleep(0.002)
        return (await self.listed())[-1]

    async def tried(self, times):
        return await self.until(lambda event: event.attempts == times)

    async def change(self, webhook, **wanted):
        await self.parts.webhooks.change(webhook.webhook_id, WebhookChange(**wanted))


@pytest.fixture
def post(tmp_path):
    @asynccontextmanager
    async def opened(clock, *rules, seed=0):
        clock = clock or SteeredClock()
        path = tmp_path / "records.db"
        database.prepare(path, clock, (accounts.seed,))
        faults = Faults(
            plan_of({"seed": seed, "rules": list(rules)}, frozenset()), frozenset(), clock
        )
        sealer = Sealer(tmp_path / "seal.key")
        async with (
            Database(path) as kept,
            WebhookParts.opened(kept, clock, sealer, allow_local=True) as parts,
            parts.delivering(faults.strike),
        ):
            team = (await Accounts.load(kept, clock)).default_team
            yield Post(clock, kept, parts, faults, team)

    return opened


@pytest.fixture
async def receiver(contract):
    async with receiving(contract) as receiver:
        yield receiver


def statuses(*wanted):
    """Answers by these statuses, the last for ever."""
    left = list(wanted)
    return lambda _request: web.Response(status=left.pop(0) if len(left) > 1 else left[0])


def videos(receiver):
    return [one.json["data"]["videoId"] for one in receiver.deliveries]


A, B, C, D = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abcd")


# ------------------------------------------------------------------------ retries


async def test_a_delivery_that_fails_is_made_again_after_growing_delays_under_the_same_id(
    post, receiver
):
    receiver.answer = statuses(500, 404, 302, 200)
    async with post(None) as platform:
        await platform.webhook(receiver)
        await platform.happen(A)
        for times, delay_s in enumerate((10, 20, 40), start=1):
            event = await platform.tried(times)
            assert event.due_at == platform.clock.machine_ms() + 1000 * delay_s
            platform.clock.advance(delay_s)
        event = await platform.tried(4)
        assert (event.due_at, event.is_successful) == (None, True)
        assert [one.status for one in event.responses] == [500, 404, 302, 200]
    bodies = [one.json for one in receiver.deliveries]
    assert [body["attemptCount"] for body in bodies] == [1, 2, 3, 4]
    assert {body["id"] for body in bodies} == {event.event_id}


async def test_nothing_is_sent_before_its_time(post, receiver):
    receiver.answer = statuses(500, 200)
    async with post(None) as platform:
        await platform.webhook(receiver)
        await platform.happen(A)
        await platform.tried(1)
        platform.clock.advance(9.9)
        await platform.happen(B)
        await receiver.until(2)
        platform.clock.advance(0.1)
        await receiver.until(3)
        assert videos(receiver) == [A, B, A]


async def test_it_is_given_up_when_the_time_for_retries_is_over(post, receiver):
    receiver.answer = statuses(500)
    async with post(None) as platform:
        await platform.webhook(receiver, max_total_retry_delay_minutes=1)
        await platform.happen(A)
        for times, delay_s in enumerate((10, 20), start=1):
            await platform.tried(times)
            platform.clock.advance(delay_s)
        event = await platform.tried(3)
        assert (event.due_at, event.is_successful) == (None, False)


async def test_a_429_puts_the_next_attempt_off(post, receiver):
    answers = [web.Response(status=429, headers={"Retry-After": "60"}), web.Response()]
    receiver.answer = lambda _request: answers.pop(0)
    async with post(None) as platform:
        await platform.webhook(receiver)
        await platform.happen(A)
        event = await platform.tried(1)
        assert event.due_at == platform.clock.machine_ms() + 60_000
        assert event.responses[0].retry_at == platform.clock.now_ms() + 60_000
        platform.clock.advance(60)
        await platform.until(lambda event: event.is_successful)


async def test_a_platform_whose_clock_is_wrong_keeps_its_schedule(post, receiver):
    answers = [web.Response(status=429, headers={"Retry-After": "60"}), web.Response()]
    receiver.answer = lambda _request: answers.pop(0)
    async with post(None) as platform:
        platform.faults.replace(plan_of({"clock_offset_s": -3600}, frozenset()))
        await platform.webhook(receiver)
        await platform.happen(A)
        event = await platform.tried(1)
        assert event.due_at == platform.clock.machine_ms() + 60_000
        assert event.responses[0].retry_at == platform.clock.now_ms() + 60_000
        platform.clock.advance(60)
        await platform.until(lambda event: event.is_successful)
        hour_ago = platform.clock.machine_ms() // 1000 - 3600
        assert receiver.deliveries[1].headers["X-Pixop-Timestamp"] == str(hour_ago)
        assert event.due_at == platform.clock.machine_ms()


async def test_what_waits_goes_to_where_the_webhook_leads_by_then(post, receiver, contract):
    receiver.answer = statuses(500)
    async with post(None) as platform, receiving(contract) as other:
        webhook = await platform.webhook(receiver)
        await platform.happen(A)
        await platform.tried(1)
        await platform.change(webhook, url=other.url)
        platform.clock.advance(10)
        await other.until(1)
        assert other.deliveries[0].json["attemptCount"] == 2


async def test_while_a_webhook_is_inactive_what_waits_goes_on_waiting(post, receiver):
    receiver.answer = statuses(500, 200)
    async with post(None) as platform:
        webhook = await platform.webhook(receiver)
        await platform.happen(A)
        await platform.tried(1)
        await platform.change(webhook, is_active=False)
        await platform.happen(B)  # nobody listens
        platform.clock.advance(DAY_S)
        await platform.change(webhook, is_active=True)
        await platform.happen(C)
        await receiver.until(3)
        assert sorted(videos(receiver)) == [A, A, C]


async def test_a_webhook_that_is_switched_off_is_sent_nothing_of_what_was_due_already(
    post, receiver
):
    async with post(None) as platform:
        webhook = await platform.webhook(receiver, rate_limit_per_second=1)
        await platform.happen(A, B, C)
        await receiver.until(1)
        await platform.change(webhook, is_active=False)
        for _ in range(3):
            platform.clock.advance(1)
            await asyncio.sleep(0)
        await platform.webhook(receiver, types=("video.deleted",))
        await platform.happen(D, kind="video.deleted")
        await receiver.until(2)
        assert videos(receiver) == [A, D]


async def test_a_deleted_webhook_is_sent_nothing_more_and_its_events_are_removed(post, receiver):
    receiver.answer = statuses(500)
    async with post(None) as platform:
        webhook = await platform.webhook(receiver)
        await platform.happen(A)
        await platform.tried(1)
        await platform.parts.webhooks.delete(webhook.webhook_id)
        async with asyncio.timeout(DEADLINE_S):
            while await platform.listed():
                await asyncio.sleep(0.002)
        platform.clock.advance(10)
        await platform.webhook(receiver)
        await platform.happen(B)
        await receiver.until(2)
        assert videos(receiver) == [A, B]


# ---------------------------------------------------------------- pace, and others


async def test_deliveries_are_spaced_by_the_rate_of_the_webhook(post, receiver):
    came_at = []
    async with post(None) as platform:
        receiver.answer = lambda _request: came_at.append(platform.clock.ms) or web.Response()
        await platform.webhook(receiver, rate_limit_per_second=2)
        began = platform.clock.ms
        await platform.happen(A, B, C, D)
        for count in range(1, 5):
            await receiver.until(count)
            platform.clock.advance(0.5)
        assert came_at == [began, began + 500, began + 1000, began + 1500]


async def test_one_that_never_answers_has_a_bounded_number_under_way_and_holds_up_no_other(
    post, receiver, contract
):
    hang = asyncio.Event()
    under_way = [0]

    async def never(_request):
        under_way[0] += 1
        await hang.wait()
        return web.Response()

    receiver.answer = never
    async with post(None) as platform, receiving(contract) as other:
        await platform.webhook(receiver, rate_limit_per_second=1000)
        await platform.webhook(other, types=("video.deleted",))
        ids = [f"{number:08}-0000-4000-8000-000000000000" for number in range(60)]
        await platform.happen(*ids)
        await receiver.until(lane.AT_ONCE)
        for number in range(20):
            await platform.happen(A, kind="video.deleted")
            await other.until(number + 1)
        assert under_way[0] == lane.AT_ONCE
        hang.set()
        await receiver.until(60)
    assert sorted(videos(receiver)) == ids  # each once


async def test_what_fails_in_the_platform_itself_stops_no_other_delivery(
    post, receiver, monkeypatch, caplog
):
    async with post(None) as platform:
        whole = platform.parts.deliveries.tried
        full = [OSError("disk full")]

        async def tried(self, *given):
            if full:
                raise full.pop()
            await whole(*given)

        monkeypatch.setattr(deliveries.Deliveries, "tried", tried)
        await platform.webhook(receiver)
        await platform.happen(A)
        await receiver.until(1)
        await platform.happen(B)
        await receiver.until(2)
        while len(receiver.deliveries) < 3:
            platform.clock.advance(lane.PAUSE_MS / 1000)
            await asyncio.sleep(0.002)
        assert videos(receiver) == [A, B, A]  # twice, but not forgotten
        assert "could not be noted" in caplog.text


# ------------------------------------------------------------------------ at a glance


async def test_the_last_events_of_each_webhook_are_shown_newest_first(post, receiver):
    async with post(None) as platform:
        telling = await platform.webhook(receiver)
        silent = await platform.webhook(receiver, types=("video.deleted",))
        for count, video_id in enumerate((A, B, C), start=1):
            await platform.happen(video_id)
            await platform.tried(1)
            await receiver.until(count)
            platform.clock.ms += 1000
        latest = await platform.parts.deliveries.latest(2)
        assert silent.webhook_id not in latest
        told = latest[telling.webhook_id]
        assert [event.video_id for event in told] == [C, B]
        assert [event.responses[0].status for event in told] == [204, 204]


# ------------------------------------------------------------------------ retention


async def test_what_ended_is_kept_for_a_week_tests_for_a_day_and_what_waits_for_ever(
    post, receiver
):
    async with post(None) as platform:
        webhook = await platform.webhook(receiver)
        await platform.happen(A)
        await platform.tried(1)
        await platform.parts.deliveries.test(webhook, "video_in.done", B)
        await platform.tried(1)
        receiver.answer = statuses(500)
        await platform.happen(C)
        await platform.tried(1)
        await platform.change(webhook, is_active=False)

        async def kept():
            await platform.parts.deliveries.sweep()
            return [event.video_id for event in await platform.listed()]

        platform.clock.ms += 1000 * (DAY_S - 1)
        assert await kept() == [A, B, C]
        platform.clock.ms += 2000
        assert await kept() == [A, C]
        platform.clock.ms += 1000 * 6 * DAY_S
        assert await kept() == [C]


async def test_a_sweep_looks_at_all_in_steps(post, receiver, monkeypatch):
    monkeypatch.setattr(deliveries, "SWEPT_AT_ONCE", 2)
    async with post(None) as platform:
        webhook = await platform.webhook(receiver, is_active=True)
        await platform.happen(A, B, C, D, A)
        await receiver.until(1)
        await platform.parts.webhooks.delete(webhook.webhook_id)
        await platform.parts.deliveries.sweep()
        assert not await platform.listed()


# --------------------------------------------------------------------------- faults


async def test_a_lost_delivery_never_comes_and_is_not_tried_again(post, receiver):
    async with post(None, {"fault": "delivery_lost", "count": 1}) as platform:
        await platform.webhook(receiver)
        await platform.happen(A)
        event = await platform.tried(1)
        assert (event.due_at, event.is_successful) == (None, False)
        assert event.responses[0].error_code == "DELIVERY_LOST"
        await platform.happen(B)
        await receiver.until(1)
        assert videos(receiver) == [B]


async def test_a_doubled_delivery_comes_twice(post, receiver):
    async with post(None, {"fault": "delivery_doubled", "count": 1}) as platform:
        await platform.webhook(receiver)
        await platform.happen(A)
        event = await platform.until(lambda event: event.is_successful)
        assert [one.status for one in event.responses] == [204, 204]
        await platform.happen(B)
        await receiver.until(3)
        assert videos(receiver) == [A, A, B]
        assert receiver.deliveries[0].body == receiver.deliveries[1].body


async def test_a_late_delivery_comes_so_much_later_and_is_then_spared(post, receiver):
    async with post(None, {"fault": "delivery_late", "seconds": 30}) as platform:
        await platform.webhook(receiver)
        await platform.happen(A)
        event = await platform.until(lambda event: event.was_put_off)
        assert event.due_at == platform.clock.machine_ms() + 30_000
        platform.clock.advance(30)
        await platform.until(lambda event: event.is_successful)
        assert videos(receiver) == [A]


async def test_a_delivery_out_of_order_comes_after_as_many_later_ones(post, receiver):
    ids = [f"{number:08}-0000-4000-8000-000000000000" for number in range(12)]
    rule = {"fault": "delivery_reordered", "places": 4, "count": 1}
    async with post(None, rule) as platform:
        await platform.webhook(receiver, rate_limit_per_second=2)
        await platform.happen(*ids)
        async with asyncio.timeout(DEADLINE_S):
            while len(receiver.deliveries) < len(ids):
                platform.clock.advance(0.5)
                await asyncio.sleep(0.005)
    order = videos(receiver)
    assert 4 <= order.index(ids[0]) < len(ids) - 1
    assert sorted(order) == ids


async def test_where_none_are_left_to_come_it_comes_as_the_last(post, receiver):
    async with post(None, {"fault": "delivery_reordered", "places": 100}) as platform:
        await platform.webhook(receiver)
        await platform.happen(A)
        await platform.until(lambda event: event.is_successful)
        assert videos(receiver) == [A]


@pytest.mark.parametrize("how", ["body", "key", "key_id", "timestamp"])
async def test_a_wrongly_signed_delivery_does_not_verify_or_is_old(post, receiver, how):
    async with post(None, {"fault": "delivery_missigned", "how": how, "count": 1}) as platform:
        await platform.webhook(receiver)
        await platform.happen(A)
        await platform.tried(1)
        await platform.happen(B)
        await receiver.until(2)
        keys = [
            {"id": key.key_id, "publicKey": key.encoded}
            for key in await platform.parts.keys.published()
        ]
        wrong, right = receiver.deliveries
        now_s = platform.clock.now_ms() // 1000
        assert right.is_signed_by(keys)
        assert right.headers["X-Pixop-Timestamp"] == str(now_s)
        if how == "timestamp":
            assert wrong.is_signed_by(keys)
            assert wrong.headers["X-Pixop-Timestamp"] == str(now_s - 600)
        else:
            assert not wrong.is_signed_by(keys)
        assert (wrong.headers["X-Pixop-Public-Key-Id"] == keys[0]["id"]) == (how != "key_id")


async def test_the_same_seed_strikes_the_same_deliveries(post, contract, tmp_path):
    async def lost(seed):
        ids = [f"{number:08}-0000-4000-8000-000000000000" for number in range(40)]
        rule = {"fault": "delivery_lost", "probability": 0.5, "operation": "DELIVER video_in.*"}
        async with receiving(contract) as receiver, post(None, rule, seed=seed) as platform:
            webhook = await platform.webhook(receiver)
            await platform.happen(*ids)
            await platform.until(lambda event: event.due_at is None)
            found = [e.video_id for e in await platform.listed() if not e.is_successful]
            await platform.parts.webhooks.delete(webhook.webhook_id)
            await platform.parts.deliveries.sweep()
        return found

    first = await lost(7)
    assert 10 < len(first) < 30
    assert await lost(7) == first
    assert await lost(8) != first
