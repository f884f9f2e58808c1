"""What each outcome and reason means, and what it asks of a person, in plain sentences."""

from migrator.model import Outcome, Reason

MEANING: dict[Outcome, str] = {
    Outcome.IMPORTED: "The video is on the platform.",
    Outcome.REJECTED: "Refused before a video was made.",
    Outcome.MISSING: "Not found at the source.",
    Outcome.FAILED: "Sent, and did not arrive whole or for certain.",
    Outcome.SKIPPED: "Nothing to import.",
    Outcome.UNFINISHED: "Still open; the next run goes on.",
}
"""Each outcome in a sentence."""

WHAT_TO_DO: dict[Reason, str] = {
    Reason.COPIED: "Nothing to do.",
    Reason.TOO_LARGE: (
        "The platform takes at most 500 GB. Make a smaller master of each, and import that."
    ),
    Reason.BAD_CREDENTIALS: (
        "The source refused the access key for this bucket. Correct the key, then “migrator retry”."
    ),
    Reason.ACCESS_DENIED: (
        "The access key may not read these objects, or the API key may not write to their project. "
        "Grant the right, then “migrator retry”."
    ),
    Reason.INVALID_ROW: (
        "The manifest’s row breaks a rule; which one stands beside each. Mend it in retry.csv, "
        "then run that as a new batch."
    ),
    Reason.INVALID_REQUEST: (
        "The platform refused what the row asks for; its own words are beside each. Mend name, "
        "description or project, then run retry.csv as a new batch."
    ),
    Reason.UNSUPPORTED_CONTENT: (
        "The platform does not take this kind of file. Convert the ones you need."
    ),
    Reason.EMPTY_OBJECT: (
        "The object has no bytes: usually a broken upload. Look for the master elsewhere."
    ),
    Reason.ARCHIVED: (
        "The object rests in an archive tier. Restore it at the source, then “migrator retry”."
    ),
    Reason.VERSION_NOT_CURRENT: (
        "The manifest names a version that is not the current one. Decide which is meant: take the "
        "version out of the row, or make it current."
    ),
    Reason.BUCKET_NOT_FOUND: (
        "There is no such bucket where we looked. Check its name, region and endpoint; once it is "
        "there, “migrator retry”."
    ),
    Reason.OBJECT_NOT_FOUND: (
        "There is no such object. Check the key, letter by letter; it may have been moved or "
        "deleted since the manifest was made. Once it is there, “migrator retry”."
    ),
    Reason.COPY_FAILED: (
        "The platform could not copy the object, restarts included. A video exists: "
        "“migrator retry” restarts its copy; with “--replace” it removes the video and sends the "
        "object anew."
    ),
    Reason.INGESTION_FAILED: (
        "The copy arrived and the platform could not process it. Play the master; if it is sound, "
        "ask the platform’s support with the video id."
    ),
    Reason.SIZE_MISMATCH: (
        "The video has another size than its master. Do not trust the copy: once you have seen "
        "why, “migrator retry --replace” removes the video and sends the object anew."
    ),
    Reason.GAVE_UP: (
        "Sent several times, and each time no video came of it. When the platform is well, "
        "“migrator retry” looks once more and then sends them again."
    ),
    Reason.STUCK: (
        "The copy made no progress for too long. “migrator retry” restarts it, “--replace” "
        "removes it first; never send it again while that video exists."
    ),
    Reason.AMBIGUOUS: (
        "A video of the same name and size is there already, and nothing says whether it is this "
        "one; rather than make a second, we sent nothing. Compare the two. If they differ, "
        "“migrator retry --accept-duplicates” sends it."
    ),
    Reason.DELETED: (
        "Somebody deleted the video on the platform while it was copied. If it is wanted after "
        "all, “migrator retry --replace” sends the object anew."
    ),
    Reason.DUPLICATE_ROW: "The manifest names the same object twice. Nothing to do.",
    Reason.FILTERED: "A filter of yours leaves it out; which, stands in the tables. Nothing to do.",
    Reason.FOLDER_MARKER: "A folder’s placeholder, not a file. Nothing to do.",
    Reason.ALREADY_IMPORTED: (
        "An earlier batch has imported the object; which one, and as which video, stands in the "
        "tables. Nothing to do."
    ),
    Reason.NOT_STARTED: "Not sent yet. “migrator resume” goes on with them.",
    Reason.IN_FLIGHT: "The platform is copying. “migrator resume” follows them to their end.",
    Reason.UNRESOLVED: (
        "An answer was lost, and a video may exist. “migrator resume” looks again; never send "
        "these by hand."
    ),
}
"""What each reason asks of a person."""
