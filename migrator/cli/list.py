"""`migrator list`."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from migrator.settings import OUTPUT, ClusterSettings, FilterSettings, StoreSettings, read_buckets


def list(  # noqa: A001 - the verb's name
    prefixes: Annotated[tuple[str, ...], Parameter(negative=())],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], group=OUTPUT)],
    filters: FilterSettings = FilterSettings(),
    store: StoreSettings = StoreSettings(),
    cluster: ClusterSettings = ClusterSettings(),
    config: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], group=OUTPUT, negative=())] = False,
) -> int:
    """Write a manifest of all objects under one or more prefixes.

    It holds bucket, key, size, etag, last_modified and storage_class of each object that the
    filters let through, in the order of keys. Folders are listed at once. Asks S3 alone, with the
    keys that `run` would hand over, or any other credentials: temporary ones will do.

    Example: migrator list s3://masters/2009/ -o 2009.parquet

    Example: migrator list s3://masters -o masters.parquet --cluster tcp://scheduler:8786
    --cluster-parts s3://scratch/parts

    Example: migrator list s3://masters s3://archive --video-only --min-size 1MB -o all.csv

    Exit codes: 0 the manifest is written; 1 S3 or the cluster does not answer, the credentials have
    ended, or the disk is full; 2 usage, or no object is there; 130 interrupted. Where it is not 0
    no file is written; the parts that a cluster has made are kept then, and the same command goes
    on from them.

    Parameters
    ----------
    prefixes
        s3://bucket/prefix of each.
    output
        The manifest: a file that ends in .parquet or .csv. One that is there is replaced.
    config
        File with `[buckets."NAME"]` tables, as for `run`.
    quiet
        Do not tell how many objects there are so far.
    """
    from migrator.cli.listing import list_into
    from migrator.cli.loop import run_async

    work = list_into(
        output, prefixes, filters, store, cluster, read_buckets(config), os.environ, quiet=quiet
    )
    return run_async(work)
