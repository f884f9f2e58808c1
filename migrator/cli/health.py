"""What `doctor` makes of what it found: one line a check, with what to do where it fails. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from migrator.pixop import wire
from migrator.pixop.client import Answer, NotSent, Reply
from migrator.pixop.quota import Quota
from migrator.source.preflight import Refusal

Status = Literal["ok", "warn", "fail"]

SKEW_WARN_S, SKEW_FAIL_S = 60, 900
"""S3 refuses a signature by a clock that is off by more than 15 minutes (S3 API reference,
"RequestTimeTooSkewed")."""

BYTES_PER_ROW = 2_500
"""Room for a row. With rows of 125 bytes 245 were measured in the checkpoint once all were read,
and 330 in the reports; ids, ETags, refusals, what the first sweep lists and a log come to that, and
longer rows take more in each of these places."""

BYTES_AT_LEAST = 100 * 10**6
"""Room for a batch of any size: the log, the page, a report beside the one that it takes over."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what was found, and what to do where it is not well."""

    name: str
    status: Status
    found: str
    next: str = ""


def judge_account(reply: Reply) -> Check:
    """Whether the platform answers as itself and takes the key."""
    where = "the address (--api-url ends in /api), the proxy and the network"
    if isinstance(reply, NotSent) and reply.untrusted:
        return Check("api key", "fail", reply.detail, "check the address and SSL_CERT_FILE")
    if not isinstance(reply, Answer):
        return Check("api key", "fail", f"the platform cannot be reached: {reply.detail}",
                     f"check {where}")  # fmt: skip
    if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Check("api key", "fail", f"the platform refuses it (HTTP {reply.status})",
                     "copy the key again from the platform's web application")  # fmt: skip
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Check("api key", "warn", "not checked: the quota is used up (HTTP 429)",
                     "wait a minute and try again, or end what uses the same key")  # fmt: skip
    account = wire.decode(reply.body, wire.Account)
    if not reply.ok or account is None:
        return Check("api key", "fail", f"no account was answered (HTTP {reply.status})",
                     f"check {where}")  # fmt: skip
    return Check("api key", "ok", f"accepted, of user {account.user.id}")


def judge_place(name: str, path: str, reply: Reply) -> Check:
    """Whether a team or a project is there for this key."""
    if isinstance(reply, Answer) and reply.ok:
        place = wire.decode(reply.body, wire.Identified)
        if place is not None:
            return Check(name, "ok", f"{place.name or 'without a name'} ({place.id})")
    told = f"HTTP {reply.status}" if isinstance(reply, Answer) else reply.detail
    return Check(name, "fail", f"GET {path}: {told}",
                 "copy the id from the platform, and check that the key may use it")  # fmt: skip


def judge_quota(quota: Quota) -> Check:
    """How much of it there is, and whether others use it."""
    if quota.limit is None:
        return Check("quota", "warn", "none is announced: 600 calls a minute are assumed",
                     "give --requests-per-minute if you know it")  # fmt: skip
    found = f"{quota.limit:,} calls a minute"
    if quota.remaining is None:
        return Check("quota", "ok", found)
    found += f", {quota.remaining:,} left in this window"
    if quota.remaining < quota.limit // 2:
        return Check("quota", "warn", f"{found}: something else uses this key",
                     "end it, or give it its share with --reserve-percent")  # fmt: skip
    return Check("quota", "ok", found)


def judge_clock(platform_s: int | None, here_s: float) -> Check:
    """How far this machine's clock is off the platform's."""
    if platform_s is None:
        return Check("clock", "warn", "the platform told no time", "check this machine's clock")
    # `Date` is cut to whole seconds, so that half a second is what it says on average.
    skew_s = here_s - (platform_s + 0.5)
    found = f"{abs(skew_s):,.0f} s {'ahead of' if skew_s > 0 else 'behind'} the platform's"
    if abs(skew_s) >= SKEW_FAIL_S:
        return Check("clock", "fail", f"{found}: S3 refuses what is signed by it",
                     "set this machine's clock (NTP)")  # fmt: skip
    if abs(skew_s) >= SKEW_WARN_S:
        return Check("clock", "warn", found, "set this machine's clock (NTP)")
    return Check("clock", "ok", "within a minute of the platform's")


def judge_disk(free_bytes: int, rows: int | None, where: str) -> Check:
    """Whether a checkpoint and the reports of so many rows have room."""
    needed = BYTES_AT_LEAST + (rows or 0) * BYTES_PER_ROW
    found = f"{free_bytes / 10**9:,.1f} GB free in {where}"
    if rows is None:
        found += "; how many rows there will be is not known before a prefix is listed"
    else:
        found += f", about {needed / 10**9:,.1f} GB needed for {rows:,} rows"
    if free_bytes < needed:
        return Check("disk", "fail", found, "make room, or give --out on another disk")
    if free_bytes < 2 * needed:
        return Check("disk", "warn", found, "watch it: a full disk stops a run, resumable")
    return Check("disk", "ok", found)


def judge_bucket(bucket: str, looks: Sequence[tuple[str, Refusal | None]]) -> Check:
    """What HEADs of some objects say of the keys that the platform gets for a bucket."""
    name = f"source {bucket}"
    read = [key for key, refusal in looks if refusal is None]
    refused = [(key, refusal) for key, refusal in looks if refusal is not None]
    if not looks:
        return Check(name, "warn", "no object is known to look at",
                     "give --manifest or --prefix, so that an object of it can be")  # fmt: skip
    if not refused:
        return Check(name, "ok", f"{len(read)} of {len(looks)} objects looked at can be read")
    key, refusal = refused[0]
    why = f"{key}: {refusal.reason}" + (f" ({refusal.code})" if refusal.code else "")
    if read:
        return Check(name, "warn", f"{len(refused)} of {len(looks)} objects looked at: {why}",
                     "`migrator plan` says which rows this is true of")  # fmt: skip
    return Check(name, "fail", why, _MEND.get(refusal.reason.value, _MEND_OBJECT))


_MEND = {
    "bad_credentials": "set PIXOP_SOURCE_ACCESS_KEY_ID and PIXOP_SOURCE_SECRET_ACCESS_KEY to keys "
    "that are valid, or name the bucket's own in migrator.toml",
    "access_denied": "let the keys' user read the bucket: s3:GetObject on its objects, "
    "s3:ListBucket on it",
    "bucket_not_found": "check the bucket's name, and --s3-endpoint-url",
}

_MEND_OBJECT = "check the keys in the manifest against the bucket; `migrator plan` looks at all"


def judge_listing(bucket: str, refusal_code: str | None, *, needed: bool) -> Check:
    """Whether the keys may list a bucket: a prefix needs it, and a missing object is told by it."""
    name = f"listing {bucket}"
    if refusal_code is None:
        return Check(name, "ok", "the keys may list it")
    if needed:
        return Check(name, "fail", f"S3 refuses to list it ({refusal_code})",
                     "check the bucket's name, and let the keys' user s3:ListBucket")  # fmt: skip
    found = (
        f"S3 refuses to list it ({refusal_code}): a missing object will look like a forbidden one"
    )
    return Check(name, "warn", found, "let the keys' user s3:ListBucket on it")
