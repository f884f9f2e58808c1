"""What comes in by the webhook's URL: only what the platform has signed counts, now, and once."""

import asyncio
import json
import random
import uuid
from collections import Counter

import aiohttp
import pytest
from fakes.signing import Signer, event

from migrator.engine.webhooks import judge
from migrator.engine.webhooks.judge import Judge, Verdict
from migrator.engine.webhooks.keys import REFRESH_S, PublicKeys
from migrator.errors import UsageError
from migrator.pixop import listener
from migrator.pixop.deliveries import MAX_DELIVERY_BYTES, PublishedKey
from migrator.pixop.listener import listening

NOW_S = 1_764_000_000
WEBHOOK = str(uuid.uuid4())
TYPES = ("video_in.done", "video_in.failed", "video.deleted")


def published(signer, **more):
    key = signer.published(**more)
    return PublishedKey(key["id"], key["algorithm"], key["publicKey"], key.get("expiresAt"))


@pytest.fixture
def signer():
    return Signer()


@pytest.fixture
def the_judge(signer):
    keys = PublicKeys()
    keys.publish([published(signer)], 0.0)
    made = Judge(keys, TYPES)
    made.webhook_ids.add(WEBHOOK)
    return made


@pytest.fixture
def port(closed_port):
    return closed_port


@pytest.fixture
def closed_port():
    import socket  # noqa: PLC0415

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ----------------------------------------------------------------------- the battery


class Attacker:
    """Everything that somebody can send who knows all but a private key of the platform's."""

    def __init__(self, signer, seen, chance):
        self.signer, self.seen, self.chance = signer, seen, chance

    def attempts(self):
        return [getattr(self, name) for name in sorted(dir(self)) if name.startswith("with_")]

    def _good(self, **changes):
        body = event(WEBHOOK, **changes)
        return self.signer.headers(body, NOW_S), body

    def with_another_key(self):
        body = event(WEBHOOK)
        return Signer(self.signer.key_id).headers(body, NOW_S), body

    def with_an_unknown_key(self):
        body = event(WEBHOOK)
        return Signer().headers(body, NOW_S), body

    def with_a_changed_body(self):
        headers, body = self._good()
        place = self.chance.randrange(len(body))
        changed = bytes([body[place] ^ 1 << self.chance.randrange(8)])
        return headers, body[:place] + changed + body[place + 1 :]

    def with_a_longer_body(self):
        headers, body = self._good()
        return headers, body + self.chance.choice([b" ", b"\n", b"{}", b"\0"])

    def with_a_changed_signature(self):
        headers, body = self._good()
        text = headers["X-Pixop-Signature"]
        place = self.chance.randrange(len(text) - 4)
        headers["X-Pixop-Signature"] = (
            text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        )
        return headers, body

    def with_a_changed_time(self):
        headers, body = self._good()
        headers["X-Pixop-Timestamp"] = str(NOW_S + self.chance.choice([-1, 1, 60]))
        return headers, body

    def with_a_time_spelled_otherwise(self):
        headers, body = self._good()
        spelled = self.chance.choice(["0{}", "+{}", "{}.0", "{}x", "{}e0", "?{}", "-{}"])
        headers["X-Pixop-Timestamp"] = spelled.format(NOW_S)
        return headers, body

    def with_an_old_time(self):
        body = event(WEBHOOK)
        return self.signer.headers(body, NOW_S - self.chance.randrange(301, 10**6)), body

    def with_a_time_to_come(self):
        body = event(WEBHOOK)
        return self.signer.headers(body, NOW_S + self.chance.randrange(301, 10**6)), body

    def with_another_one_s_signature(self):
        headers, _ = self._good()
        return headers, event(WEBHOOK)

    def with_a_header_left_out(self):
        headers, body = self._good()
        del headers[self.chance.choice(list(headers))]
        return headers, body

    def with_a_header_twice(self):
        headers, body = self._good()
        name = self.chance.choice(list(headers))
        headers.add(name, headers[name])
        return headers, body

    def with_an_algorithm_of_choice(self):
        headers, body = self._good()
        headers["X-Pixop-Algorithm"] = self.chance.choice(["none", "HS256", "SHA1withECDSA", ""])
        return headers, body

    def with_no_signature_at_all(self):
        headers, body = self._good()
        headers["X-Pixop-Signature"] = self.chance.choice(["", "AA==", "****", "A" * 4000])
        return headers, body

    def with_what_was_seen(self):
        return self.chance.choice(self.seen)

    def with_too_much(self):
        body = event(WEBHOOK, padding="x" * self.chance.randrange(MAX_DELIVERY_BYTES, 10**5))
        return self.signer.headers(body, NOW_S), body

    # What follows only the platform's own key can sign: it is not what it should be all the same.

    def with_an_event_of_another_webhook(self):
        body = event(str(uuid.uuid4()))
        return self.signer.headers(body, NOW_S), body

    def with_an_event_that_is_a_test(self):
        return self._good(test=True)

    def with_an_event_that_nobody_asked_for(self):
        return self._good(event_type="video_out.done")

    def with_another_shape(self):
        body = self.chance.choice(
            [
                b"", b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 5000, b'"x"', b"1" * 400,
                event(WEBHOOK, data=None), event(WEBHOOK, data={"type": "VIDEO"}),
                event(WEBHOOK, data={"type": "AUDIO", "videoId": str(uuid.uuid4())}),
                event(WEBHOOK, data={"type": "VIDEO", "videoId": "../../account"}),
                event(WEBHOOK, id=7), event(WEBHOOK, id="x"), event(WEBHOOK, test="false"),
                event(WEBHOOK, attemptCount="1"), event(None),
            ]
        )  # fmt: skip
        return self.signer.headers(body, NOW_S), body


async def test_of_ten_thousand_forged_mutated_replayed_and_oversized_ones_none_is_accepted(
    signer, the_judge, port
):
    chance = random.Random(20261128)
    counts, told = Counter(), []

    def take(headers, body):
        verdict, accepted = the_judge.judge(headers, body, NOW_S)
        counts[verdict] += 1
        if accepted is not None:
            told.append(accepted.video_id)
        return judge.STATUS[verdict]

    url = f"http://127.0.0.1:{port}/pixop"
    answers, meant, seen = Counter(), [], []

    async def send(session, headers, body, *, chunked=False):
        data = _in_pieces(body) if chunked else body
        try:
            async with session.post(url, data=data, headers=headers) as answer:
                answers[answer.status] += 1
                return answer.status
        except (aiohttp.ClientError, ConnectionError):  # cut off in the middle of too much
            answers["cut"] += 1
            return None

    connector = aiohttp.TCPConnector(limit=16)
    async with (
        listening("127.0.0.1", port, take),
        aiohttp.ClientSession(connector=connector) as session,
    ):
        for _ in range(100):
            video_id = str(uuid.uuid4())
            body = event(WEBHOOK, video_id)
            headers = signer.headers(body, NOW_S)
            assert await send(session, headers, body) == 204
            meant.append(video_id)
            seen.append((headers, body))
            attacker = Attacker(signer, seen, chance)
            attempts = [chance.choice(attacker.attempts())() for _ in range(100)]
            statuses = await asyncio.gather(
                *(send(session, *each, chunked=chance.random() < 0.2) for each in attempts)
            )
            assert len(statuses) == 100

    assert told == meant  # every one of the hundred in between, and nothing else
    assert answers.total() == 10_100
    assert counts[Verdict.ACCEPTED] == 100
    assert answers[413] + answers["cut"] > 300
    refused = set(Verdict) - {Verdict.ACCEPTED, Verdict.EXPIRED_KEY, Verdict.CROWDED}
    assert all(counts[verdict] > 50 for verdict in refused), counts


async def _in_pieces(body):
    for place in range(0, len(body), 1000):
        yield body[place : place + 1000]


# ------------------------------------------------------------------------ the judge


def test_the_window_is_five_minutes_either_way_of_the_platforms_clock(signer, the_judge):
    verdicts = {}
    for off_s in (-301, -300, 300, 301):
        body = event(WEBHOOK)
        verdicts[off_s], _ = the_judge.judge(signer.headers(body, NOW_S + off_s), body, NOW_S)
    assert verdicts == {
        -301: Verdict.STALE, -300: Verdict.ACCEPTED, 300: Verdict.ACCEPTED, 301: Verdict.STALE,
    }  # fmt: skip


def test_an_event_that_is_delivered_again_with_a_new_signature_is_taken_once(signer, the_judge):
    body = event(WEBHOOK)
    assert the_judge.judge(signer.headers(body, NOW_S), body, NOW_S)[0] is Verdict.ACCEPTED
    again = json.dumps({**json.loads(body), "attemptCount": 2}).encode()
    verdict, told = the_judge.judge(signer.headers(again, NOW_S + 20), again, NOW_S + 20)
    assert (verdict, told) == (Verdict.REPEATED, None)


def test_what_is_forgotten_is_too_old_to_be_played_again(signer, the_judge, monkeypatch):
    monkeypatch.setattr(judge, "MOST_EVENTS", 2)
    first = event(WEBHOOK)
    kept = signer.headers(first, NOW_S)
    assert the_judge.judge(kept, first, NOW_S)[0] is Verdict.ACCEPTED
    second, third = event(WEBHOOK), event(WEBHOOK)
    assert the_judge.judge(signer.headers(second, NOW_S), second, NOW_S)[0] is Verdict.ACCEPTED
    assert the_judge.judge(signer.headers(third, NOW_S), third, NOW_S)[0] is Verdict.CROWDED
    assert the_judge.judge(kept, first, NOW_S)[0] is Verdict.REPEATED
    later_s = NOW_S + judge.REMEMBERED_S + 1
    assert the_judge.judge(kept, first, later_s)[0] is Verdict.STALE
    fourth = event(WEBHOOK)
    verdict, _ = the_judge.judge(signer.headers(fourth, later_s), fourth, later_s)
    assert verdict is Verdict.ACCEPTED


def test_two_keys_count_while_both_are_valid_and_no_longer(signer):
    old = Signer()
    keys = PublicKeys()
    expiring = published(old, expires_at="2025-11-24T16:00:00Z")
    keys.publish([expiring, published(signer)], 0.0)
    the_judge = Judge(keys, TYPES)
    the_judge.webhook_ids.add(WEBHOOK)
    end_s = 1_764_000_000
    body = event(WEBHOOK)
    assert the_judge.judge(old.headers(body, end_s - 9), body, end_s - 9)[0] is Verdict.ACCEPTED
    body = event(WEBHOOK)
    assert the_judge.judge(old.headers(body, end_s + 9), body, end_s + 9)[0] is Verdict.EXPIRED_KEY
    assert the_judge.judge(signer.headers(body, end_s), body, end_s)[0] is Verdict.ACCEPTED


def test_each_of_several_registrations_is_ours_and_no_other(signer, the_judge):
    other = "9" * 8 + WEBHOOK[8:]
    the_judge.webhook_ids.add(other)
    for webhook_id in (WEBHOOK, other):
        body = event(webhook_id)
        verdict, told = the_judge.judge(signer.headers(body, NOW_S), body, NOW_S)
        assert (verdict, told.webhook_id) == (Verdict.ACCEPTED, webhook_id)
    the_judge.webhook_ids.remove(other)
    body = event(other)
    assert the_judge.judge(signer.headers(body, NOW_S), body, NOW_S)[0] is Verdict.STRANGE


def test_before_and_after_a_registration_nothing_is_accepted(signer, the_judge):
    the_judge.webhook_ids.clear()
    body = event(WEBHOOK)
    assert the_judge.judge(signer.headers(body, NOW_S), body, NOW_S)[0] is Verdict.STRANGE


# ------------------------------------------------------------------------- the keys


def test_forged_key_ids_cost_few_calls_and_a_new_key_one():
    keys, asked = PublicKeys(), 0
    own = Signer()
    keys.publish([published(own)], 0.0)
    for second in range(24 * 3600):  # a forged id each second, for a day
        if keys.may_ask(float(second)):
            asked += 1
            keys.publish([published(own)], float(second))
    assert asked <= 6 + 24
    now_s = 24 * 3600.0
    while not keys.may_ask(now_s):
        now_s += 1
    fresh = Signer()
    keys.publish([published(own), published(fresh)], now_s)
    assert keys.get(fresh.key_id) is not None
    assert keys.may_ask(now_s + REFRESH_S[0])  # what brought something may be tried again soon


def test_keys_that_make_no_sense_are_left_out_and_none_at_all_is_no_answer():
    keys, own = PublicKeys(), Signer()
    odd = [PublishedKey(str(uuid.uuid4()), "EC", text) for text in ("", "****", "AAAA", "MA==")]
    keys.publish([*odd, published(own)], 0.0)
    assert keys.get(own.key_id) is not None
    assert all(keys.get(each.id) is None for each in odd)
    keys.publish([], 1.0)
    assert keys.get(own.key_id) is not None


# ---------------------------------------------------------------------- the listener


async def test_beyond_so_many_connections_nobody_gets_in_and_who_drips_is_shut(port, monkeypatch):
    monkeypatch.setattr(listener, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(listener, "IDLE_S", 0.2)
    taken = []

    def take(_headers, body):
        taken.append(body)
        return 204

    async with listening("127.0.0.1", port, take):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _, writer in held:
            writer.write(b"POST /pixop HTTP/1.1\r\nHost: x\r\nX-Drip: ")
        reader, fourth = await asyncio.open_connection("127.0.0.1", port)
        fourth.write(b"POST / HTTP/1.1\r\n\r\n")
        assert await _all_that_comes(reader) == b""  # turned away at once
        for reader, writer in held:
            assert await _all_that_comes(reader) == b""
            writer.close()
        fourth.close()
        async with aiohttp.ClientSession() as session:  # there is room again
            answer = await session.post(f"http://127.0.0.1:{port}/", data=b"word")
            assert answer.status == 204
            answer = await session.get(f"http://127.0.0.1:{port}/")
            assert answer.status == 405
    assert taken == [b"word"]


async def _all_that_comes(reader):
    try:
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:
        return b""


async def test_an_address_in_use_is_said(port):
    async with listening("127.0.0.1", port, lambda _headers, _body: 204):
        with pytest.raises(UsageError, match=f"--webhook-listen 127.0.0.1:{port}: cannot be"):
            async with listening("127.0.0.1", port, lambda _headers, _body: 204):
                pass
