"""Whether the source is listed and looked at from other machines, and where their parts go."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from migrator.errors import UsageError
from migrator.settings.fields import CLUSTER, no_flag
from migrator.settings.inputs import parse_prefix

CONFIGURED = "configured"
"""The word for the scheduler that Dask's own configuration names."""

MOST_LOCAL = 256
"""Processes of a cluster on this machine."""

_LOCAL = re.compile(r"local:([0-9]{1,4})")

_ADDRESS = re.compile(r"(tcp|tls)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")


@Parameter(name="*", group=CLUSTER)
@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """A Dask cluster that lists the source and looks at its objects (extra `cluster`)."""

    cluster: Annotated[str | None, Parameter(validator=no_flag)] = None
    """List, and look at the objects, by the workers of a Dask cluster: tcp://SCHEDULER:8786, tls://
    with the certificates of Dask's configuration, `configured` for the scheduler that it names, or
    local:N for N processes on this machine."""
    cluster_parts: Annotated[str | None, Parameter(validator=no_flag)] = None
    """Where workers leave what they have found: s3://bucket/prefix, or a directory that all of them
    share. Without it a directory beside what is written here."""


def local_workers(cluster: str) -> int | None:
    """How many processes of this machine are meant; None where the cluster is elsewhere."""
    match = _LOCAL.fullmatch(cluster)
    return int(match[1]) if match else None


def is_local(settings: ClusterSettings) -> bool:
    """Whether the cluster is of this machine alone."""
    return settings.cluster is not None and local_workers(settings.cluster) is not None


def with_absolute_parts(settings: ClusterSettings) -> ClusterSettings:
    """The same, whatever directory they are used in later: `resume` may be called anywhere."""
    parts = settings.cluster_parts
    if not parts or parts.startswith("s3:"):
        return settings
    return replace(settings, cluster_parts=str(Path(parts).absolute()))


def check_cluster(settings: ClusterSettings, *, lists_versions: bool = False) -> None:
    """Raises UsageError for what names no cluster and no place of parts.

    `lists_versions`: all versions under a prefix are to be listed.
    """
    if settings.cluster is None:
        if settings.cluster_parts is not None:
            raise UsageError(
                "--cluster-parts: there is no cluster that would leave any",
                "give --cluster too, or drop it",
            )
        return
    workers, address = local_workers(settings.cluster), _ADDRESS.fullmatch(settings.cluster)
    usable = settings.cluster == CONFIGURED or (
        1 <= workers <= MOST_LOCAL if workers is not None else address and int(address[3]) < 2**16
    )
    if not usable:
        raise UsageError(
            f"--cluster {settings.cluster!r}: names no cluster",
            f"give it like tcp://scheduler:8786, {CONFIGURED}, or local:4 (1 to {MOST_LOCAL})",
        )
    if lists_versions:
        raise UsageError(
            "--cluster does not go with --all-versions and --prefix: a cluster lists the current "
            "versions alone",
            "leave out --cluster, or take the versions of an inventory",
        )
    parts = settings.cluster_parts
    if parts is not None:
        if re.search("[\ud800-\udfff\0]", parts) or not parts:
            raise UsageError(f"--cluster-parts {parts!r}: no name", "name a directory or s3://…")
        if parts.startswith("s3:"):
            parse_prefix(parts, "--cluster-parts")
