"""What a listed clip tells: whose it is, and how far. A clip is made first, and then ingested."""

from migrator.engine.decide.copies import DONE, FAILED
from migrator.pixop import wire

IN_PROGRESS, NONE = "IN_PROGRESS", "NONE"
"""Further states of a clip: neither DONE nor FAILED; and that its video has none."""


def clip_state(video: wire.Video) -> str:
    """How far a clip is. DONE: it can be played; FAILED: it was not made, or not ingested."""
    ingestion = video.ingestion and video.ingestion.ingestion_state
    processing = video.processing and video.processing.processing_state
    told = {
        ingestion.ingestion_status if ingestion else None,
        processing.processing_status if processing else None,
    }
    if FAILED in told:
        return FAILED
    return DONE if ingestion and ingestion.ingestion_status == DONE else IN_PROGRESS


def is_free_clip(video: wire.Video) -> bool:
    """Whether it may be the clip that the platform makes by itself: nothing was applied to it."""
    flags = video.flags or wire.VideoFlags()
    original = video.clip_id is None or video.clip_id.lower() == video.id
    return flags.is_clip is True and flags.is_processed is not True and original


def master_of(video: wire.Video) -> str | None:
    """The id of the video that a clip was made of; None where the list does not tell it."""
    master = video.master_video
    return None if master is None or master.id is None else master.id.lower()
