"""Pages of a listing as S3 would have told them."""

from migrator.source.pages import ListPage


def page_of(entries, *, folders=(), next_token=None):
    """The page of these (key, facts)."""
    return ListPage(
        keys=[key for key, _ in entries],
        sizes=[facts.size_bytes for _, facts in entries],
        etags=[facts.etag for _, facts in entries],
        modified_ms=[facts.last_modified_ms for _, facts in entries],
        storage_classes=[facts.storage_class for _, facts in entries],
        folders=list(folders),
        next_token=next_token,
    )
