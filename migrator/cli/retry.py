"""`migrator retry`."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from migrator.settings import DisplaySettings, FinishSettings

ROWS = Group("Rows", sort_key=1)
CONSENT = Group("Consent", sort_key=2)

_Several = Parameter(group=ROWS, negative=(), consume_multiple=False)
_Switch = Parameter(group=CONSENT, negative=())


def retry(
    directory: Path,
    /,
    *,
    reason: Annotated[tuple[str, ...], _Several] = (),
    outcome: Annotated[tuple[str, ...], _Several] = (),
    bucket: Annotated[tuple[str, ...], _Several] = (),
    replace: Annotated[bool, _Switch] = False,
    accept_duplicates: Annotated[bool, _Switch] = False,
    yes: Annotated[bool, Parameter(group=CONSENT, alias="-y", negative=())] = False,
    finish: FinishSettings = FinishSettings(),
    display: DisplaySettings = DisplaySettings(),
) -> int:
    """Try rows again that were rejected, missing or failed, and go on with the batch.

    It says first how many rows of which kind it would open, and asks. A row that has a video, or
    may have one, is never simply sent again: the copy of `copy_failed` and `stuck` is restarted,
    `size_mismatch` and `ingestion_failed` are looked at again, `gave_up` is looked for on the
    platform first. What was rejected or missing is headed and sent again: mend keys, rights or
    objects before. `deleted` needs --replace, `ambiguous` needs --accept-duplicates.

    Example: migrator retry reports/catalogue --reason bad_credentials --reason access_denied

    Example: migrator retry reports/catalogue --outcome failed --bucket archive-2009

    Exit codes are those of `migrator run`; 2 also where it would have to ask and there is no
    terminal (give --yes), or where nothing it names can be retried.

    Parameters
    ----------
    directory
        The --out directory of the batch.
    reason
        Rows with this reason, as the report writes it. Repeatable.
    outcome
        Rows with this outcome: rejected, missing or failed. Repeatable.
    bucket
        Only rows of this bucket. Repeatable.
    replace
        Remove the video of each row first (abandon it where its copy failed, else delete it), prove
        that it is gone, and import the object anew. What derives from the video goes with it.
    accept_duplicates
        Send `ambiguous` rows too: you say that the video of the same name and size is another one.
    yes
        Do not ask.
    """
    from migrator.cli.reopening import reopened
    from migrator.cli.selection import read_choice

    choice = read_choice(
        reason, outcome, bucket, replace=replace, accept_duplicates=accept_duplicates
    )
    with reopened(directory, display, finish, os.environ) as batch:
        from migrator.cli.batch import retry_batch

        return retry_batch(batch, choice, os.environ, agreed=yes)
