"""`doctor`'s way to the world: asks the platform and the source, and writes nothing anywhere."""

import asyncio
import platform
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from migrator import __version__
from migrator.certificates import check_certificates
from migrator.cli import health, webhook_checkup
from migrator.cli.health import Check
from migrator.cli.platform_checkup import PATIENCE_S, check_platform
from migrator.cli.s3_files import S3Files
from migrator.cli.session import connected, keys_of
from migrator.engine.inputs import open_inputs
from migrator.engine.ports import Ports
from migrator.errors import MigratorError, RunFailed, UsageError
from migrator.filters import Filter
from migrator.manifest.told import teller
from migrator.model import Columns, InvalidRow, ManifestRow
from migrator.settings import (
    BatchSettings,
    Secret,
    check_settings,
    parse_prefix,
    read_api_key,
    read_api_keys,
)
from migrator.source.answers import S3Refusal, SourceUnreachable
from migrator.source.listing import page_of_wanted
from migrator.source.preflight import Preflight, Refusal
from migrator.source.s3 import SourceS3

T = TypeVar("T")

SAMPLES = 3
"""Objects of each bucket that are looked at: a single one may be missing by right."""

MOST_BUCKETS = 50
"""Buckets that are looked at."""

MOST_PROJECTS = 50
"""Projects that are asked for."""

SAMPLED = "only the first {} of them are looked at"


@dataclass(slots=True)
class Catalogue:
    """What the inputs name: rows where they can be counted, some keys of each bucket, projects.

    `to_list` are the buckets, with a prefix of each, that have to be listed. `left_out` rows
    are not wanted, by the manifest or by a filter: they are no samples.
    """

    rows: int | None = 0
    invalid: int = 0
    left_out: int = 0
    samples: dict[str, list[tuple[str, str | None]]] = field(default_factory=dict)
    to_list: dict[str, str] = field(default_factory=dict)
    projects: set[str] = field(default_factory=set)
    more: bool = False


async def check_up(
    settings: BatchSettings, out: Path, environment: Mapping[str, str]
) -> list[Check]:
    """Look at everything; what needs what is not well is left out."""
    checks = [_versions()]
    _attempt(checks, "settings", lambda: check_settings(settings), "can be used")
    _attempt(checks, "certificates", lambda: check_certificates(environment), "can be read")
    api_key = _attempt(checks, "api key", lambda: read_api_key(settings.platform, environment))
    for name, key in settings.api_keys.items():
        own = {name: key}
        _attempt(checks, f"api key {name}", lambda own=own: read_api_keys(own, environment))  # type: ignore[misc]
    catalogue = Catalogue()
    if settings.inputs.manifest is not None or settings.inputs.prefix:
        read = _attempt(checks, "rows in", lambda: _read(settings, environment))
        if read is not None:
            catalogue = read
            checks.append(_rows(catalogue))
    checks.append(_disk(out, catalogue.rows))
    try:
        keys = await keys_of(settings, environment)
    except MigratorError as error:
        checks.append(Check("source keys", "fail", error.message, error.hint))
    else:
        found = "static keys, as the platform can take them"
        looks = ", ".join(dict.fromkeys(each.name for each in keys.looks.values()))
        found = found if settings.may_hand_keys_over else "none are handed over"
        checks.append(Check("source keys", "ok", f"{found}; {looks} looks" if looks else found))
    failed = {check.name for check in checks if check.status == "fail"}
    needed = {
        "settings",
        "certificates",
        "source keys",
        *(f"api key {n}" for n in settings.api_keys),
    }
    if api_key is not None and not failed & needed:
        await _connected(checks, settings, catalogue, api_key, environment)
    if settings.webhooks.webhook_listen is None:
        checks.append(webhook_checkup.NONE_USED)
    elif "settings" not in failed:
        checks.append(await webhook_checkup.reach(settings.webhooks))
    return checks


def _attempt(
    checks: list[Check], name: str, look: Callable[[], T], found: str | None = None
) -> T | None:
    """What `look` answers; its error as a check. `found` is what is said where there is none."""
    try:
        answer = look()
    except MigratorError as error:
        checks.append(Check(name, "fail", error.message, error.hint))
        return None
    if found is not None:
        checks.append(Check(name, "ok", found))
    return answer


def _versions() -> Check:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "aiobotocore"))
    found = (
        f"migrator {__version__}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {libraries}"
    )
    if sqlite3.sqlite_version_info < (3, 37):  # STRICT tables, RETURNING
        return Check(
            "versions", "fail", found, "use a Python that is built with SQLite 3.37 or newer"
        )
    return Check("versions", "ok", found)


def _read(settings: BatchSettings, environment: Mapping[str, str]) -> Catalogue:
    """Read the manifest to its end, and keep some of it. Raises MigratorError."""
    found = Catalogue(rows=None if settings.inputs.prefix else 0)
    for prefix in settings.inputs.prefix:
        bucket, key_prefix = parse_prefix(prefix)
        found.to_list.setdefault(bucket, key_prefix)
    with S3Files(settings, environment) as objects:
        reader = open_inputs(settings.inputs, objects).reader
        wanted = Filter(settings.inputs.filters)
        if reader is not None:
            for rows in reader.batches():
                _note(found, rows, reader.columns, wanted)
    return found


def _note(
    found: Catalogue, rows: Sequence[ManifestRow | InvalidRow], columns: Columns, wanted: Filter
) -> None:
    names, told = columns.other_names, teller(columns)
    place = names.index("project_id") if "project_id" in names else None
    for row in rows:
        if found.rows is not None:
            found.rows += 1
        if isinstance(row, InvalidRow):
            found.invalid += 1
            continue
        if row.left_out is not None or wanted.against(row.key, told(row)) is not None:
            found.left_out += 1
            continue
        _sample(found, row.bucket, row.key, row.version_id)
        project = row.cells[place] if place is not None else None
        if project and len(found.projects) < MOST_PROJECTS:
            found.projects.add(project)


def _sample(found: Catalogue, bucket: str, key: str, version_id: str | None) -> None:
    known = found.samples.get(bucket)
    if known is None:
        if len(found.samples) >= MOST_BUCKETS:
            found.more = True
            return
        known = found.samples[bucket] = []
    if len(known) < SAMPLES:
        known.append((key, version_id))


def _rows(catalogue: Catalogue) -> Check:
    buckets = len(catalogue.samples.keys() | catalogue.to_list.keys())
    found = (
        f"{buckets} buckets"
        if catalogue.rows is None
        else (f"{catalogue.rows:,} rows, {buckets} buckets")
    )
    if catalogue.left_out:
        found += f"; {catalogue.left_out:,} rows are not wanted, and not looked at"
    if catalogue.more:
        found += f"; {SAMPLED.format(MOST_BUCKETS)}"
    if catalogue.invalid:
        return Check(
            "rows in", "warn", f"{found}; {catalogue.invalid:,} rows are invalid",
            "`migrator plan` says which and why",
        )  # fmt: skip
    return Check("rows in", "ok", found)


def _disk(out: Path, rows: int | None) -> Check:
    place = out.absolute()
    try:
        while not place.exists():
            place = place.parent
        free_bytes = shutil.disk_usage(place).free
    except OSError as error:
        return Check("disk", "fail", f"{place}: {error.strerror}", "choose another --out")
    return health.judge_disk(free_bytes, rows, str(place))


async def _connected(
    checks: list[Check],
    settings: BatchSettings,
    catalogue: Catalogue,
    api_key: Secret,
    environment: Mapping[str, str],
) -> None:
    try:
        async with connected(settings, api_key, environment) as ports:
            checks += await check_platform(settings, catalogue.projects, ports)
            checks += await _source(settings, catalogue, ports)
    except (UsageError, RunFailed) as error:
        checks.append(Check("source", "fail", error.message, error.hint))


async def _source(settings: BatchSettings, catalogue: Catalogue, ports: Ports) -> list[Check]:
    """Each bucket with the keys that the platform will be handed for it."""
    checks: list[Check] = []
    named = [*catalogue.samples, *catalogue.to_list, *settings.buckets]
    buckets = list(dict.fromkeys(named))[:MOST_BUCKETS]
    if not buckets:
        return [
            Check(
                "source", "warn", "not looked at: no bucket is named",
                "give --manifest or --prefix, as for `migrator run`",
            )
        ]  # fmt: skip
    for bucket in buckets:
        try:
            if settings.hands_keys_over(bucket):
                ports.keys.keys_for(bucket)
            ports.keys.access_for(bucket)
            async with asyncio.timeout(PATIENCE_S * 2):
                checks += await _bucket(bucket, catalogue, ports.source, settings)
        except UsageError as error:
            checks.append(Check(f"source {bucket}", "fail", error.message, error.hint))
        except (SourceUnreachable, TimeoutError) as error:
            checks.append(
                Check(
                    f"source {bucket}", "fail", f"S3 does not answer ({error or 'timed out'})",
                    "check --s3-endpoint-url and the network",
                )
            )  # fmt: skip
    return checks


async def _bucket(
    bucket: str, catalogue: Catalogue, source: SourceS3, settings: BatchSettings
) -> Iterable[Check]:
    samples: list[tuple[str, str | None]] = list(catalogue.samples.get(bucket, ()))
    prefix = catalogue.to_list.get(bucket)
    wanted = Filter(settings.inputs.filters)
    refused, listed = await _list(source, bucket, prefix or "", wanted)
    if not samples:
        samples = [(key, None) for key in listed[:SAMPLES]]
    preflight = Preflight(source, settings.ways.by_url)
    looks: list[tuple[str, Refusal | None]] = []
    for key, version_id in samples:
        _, refusal = await preflight.look(bucket, key, version_id)
        looks.append((key, refusal))
    checks = [health.judge_bucket(bucket, looks)]
    bucket_is_there = refused != "NoSuchBucket" and checks[0].status != "fail"
    if refused is None or bucket_is_there or prefix is not None:
        checks.append(health.judge_listing(bucket, refused, needed=prefix is not None))
    return checks


async def _list(
    source: SourceS3, bucket: str, prefix: str, wanted: Filter
) -> tuple[str | None, list[str]]:
    """S3's code where it refuses to list a bucket, and else those of the first keys that count."""
    try:
        page = await source.page(bucket, prefix)
    except S3Refusal as refusal:
        return refusal.code, []
    return None, list(page_of_wanted(page, wanted).keys)
