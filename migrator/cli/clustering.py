"""A cluster from the command line's side: whether one is wanted, and where its parts go."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from migrator.cli.loop import region_of
from migrator.errors import UsageError
from migrator.settings import BucketSettings, ClusterSettings, StoreSettings

if TYPE_CHECKING:
    from migrator.cluster.crew import Crew


@asynccontextmanager
async def crew_of(
    settings: ClusterSettings,
    store: StoreSettings,
    buckets: Mapping[str, BucketSettings],
    environment: Mapping[str, str],
    beside: Path | None,
    what_for: str,
) -> AsyncIterator["Crew | None"]:
    """The cluster that is asked for; None where none is.

    Its parts go to `beside` unless the settings name a place; `what_for` keeps them apart from
    others' there. Raises UsageError where there is no place that workers see, or no Dask.
    """
    if settings.cluster is None:
        yield None
        return
    parts = _place_of_parts(settings, beside)
    try:
        from migrator.cluster.crew import Crew
        from migrator.cluster.partition import Reach
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(("dask", "distributed")):
            raise
        raise UsageError(
            f"--cluster needs Dask, which is not installed ({error.name})",
            "pip install 'migrator[cluster]'",
        ) from None
    store = StoreSettings(
        **{each.name: getattr(store, each.name) for each in fields(StoreSettings)}
    )
    reach = Reach(store, dict(buckets), region_of(environment), parts)
    async with Crew(settings.cluster, reach, what_for) as crew:
        yield crew


def _place_of_parts(settings: ClusterSettings, beside: Path | None) -> str:
    parts = settings.cluster_parts
    if parts is not None and parts.startswith("s3:"):
        return parts
    directory = Path(parts) if parts is not None else beside
    if directory is None:
        raise UsageError(
            "--cluster: there is no place where its workers could leave their parts",
            "give --out, or --cluster-parts",
        )
    return str(directory.absolute())
