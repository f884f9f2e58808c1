"""How the platform is reached, and what it is asked for."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from cyclopts import Parameter

from migrator.errors import UsageError
from migrator.settings.addresses import is_plain_url, is_this_machine, unusable_url
from migrator.settings.fields import PLATFORM

UUID_PATTERN = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""The form of every id of the platform (its document: `UUID`, RFC 4122)."""


@Parameter(name="*", group=PLATFORM)
@dataclass(frozen=True, kw_only=True)
class PlatformSettings:
    """The platform's API. The key comes from PIXOP_API_KEY, or from --api-key-file."""

    api_url: Annotated[str, Parameter(env_var="PIXOP_API_URL")] = "https://api.pixop.com/api"
    """Base URL of the API."""
    api_key_file: Path | None = None
    """File that holds the API key; without it the environment variable PIXOP_API_KEY is read."""
    team_id: str | None = None
    """Team that the videos are made for (a UUID). Without it: the key's default team."""
    project_id: str | None = None
    """Project for rows that name none (a UUID). Without it: the team's default project."""
    full_ingestion: Annotated[bool, Parameter(negative=())] = False
    """Ask for thumbnails, full frames, web video and quality assessment too."""
    until: Literal["copied", "ingested"] = "copied"
    """When a row counts as imported: its copy is done, or its ingestion too."""
    with_clips: Annotated[bool, Parameter(negative=())] = False
    """Once all is ingested, learn the id and the state of the free clip that the platform makes of
    each video, for the report. Needs --until ingested; a call for each hundred, and some more."""
    tag_in: Literal["description", "none"] = "description"
    """Where each video carries the tag that proves which object it is. With none, an answer that
    gets lost cannot always be settled, and the row fails as ambiguous."""
    insecure_http: Annotated[bool, Parameter(negative=())] = False
    """Allow plain http to a host that is not this machine: the key then travels in the clear."""


def check_clips(settings: PlatformSettings) -> None:
    """Raises UsageError where clips would be looked for before they are made."""
    if settings.with_clips and settings.until != "ingested":
        raise UsageError(
            "--with-clips without --until ingested: a clip is made once its video is ingested",
            "add --until ingested, or leave out --with-clips",
        )


def check_api_url(settings: PlatformSettings) -> None:
    """Raises UsageError unless the base URL is https, or http to this very machine."""
    hint = "give the base URL, like https://api.pixop.com/api"
    if not is_plain_url(settings.api_url):
        raise unusable_url("--api-url", settings.api_url, hint)
    parts = urlsplit(settings.api_url)
    assert parts.hostname is not None
    if (
        parts.scheme == "http"
        and not is_this_machine(parts.hostname)
        and not settings.insecure_http
    ):
        raise UsageError(
            f"--api-url {settings.api_url}: plain http would send the API key in the clear",
            "use https, or say --insecure-http if that is truly wanted",
        )
