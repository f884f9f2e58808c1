-- The checkpoint of one batch: everything that must outlive a crash.
-- Times are epoch milliseconds, UTC; identities are the 16 bytes of model.identity().
-- What is ANY is packed: bytes where an id or a hash has its usual form, else its text (packing.py).

CREATE TABLE meta (          -- settings without secrets, and what the batch is pinned to
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE source (        -- where rows come from, in the order they were read
    id       INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL CHECK (kind IN ('manifest', 'listing')),
    location TEXT NOT NULL,                          -- a file name, or s3://bucket/prefix
    header   TEXT NOT NULL,                          -- JSON array of column names
    sha256   TEXT NOT NULL DEFAULT '',               -- of the file; of a listing once complete
    row_count INTEGER NOT NULL DEFAULT 0,
    complete INTEGER NOT NULL DEFAULT 0,             -- 1: read to its end, and frozen
    listed_to TEXT NOT NULL DEFAULT '',              -- last key that a listing has read
    filtered INTEGER NOT NULL DEFAULT 0              -- objects of a listing that filters leave out
) STRICT;

CREATE TABLE object (        -- one row of the manifest, and all that became of it
    row              INTEGER PRIMARY KEY,            -- counts from 1 over all sources
    source_id        INTEGER NOT NULL,
    object_id        BLOB,                           -- NULL: invalid row, or a later duplicate
    bucket           TEXT,
    key              TEXT,
    version_id       TEXT,
    cells            TEXT,                           -- JSON array: the other columns; see `raw`
    raw              INTEGER NOT NULL DEFAULT 0,     -- 1: `cells` holds all columns; 2: one line
    room             BLOB,                           -- zeros, as many as will be learned of a row:
                                                     -- rows that grow would leave pages half full
    state            TEXT NOT NULL,
    reason           TEXT,                           -- NULL of an imported row: copied,
    decided_by       TEXT,                           -- by the platform,
    learned_by       TEXT,                           -- and a list told it
    size_bytes       INTEGER,
    etag             ANY,
    last_modified_ms INTEGER,
    preflighted_ms   INTEGER,                        -- when size and ETag were learned
    attempts         INTEGER NOT NULL DEFAULT 0,     -- POSTs whose intent was written
    forgiven         INTEGER NOT NULL DEFAULT 0,     -- of these, those that --attempts leaves out:
                                                     -- before a `retry`, or while all POSTs failed
    accepted         INTEGER NOT NULL DEFAULT 0,     -- 1: a person says that look-alikes are others
    restarts         INTEGER NOT NULL DEFAULT 0,     -- since the copy was begun, or last retried
    not_before_ms    INTEGER,                        -- when a failed copy is restarted
    intent_date_s    INTEGER,                        -- the platform's clock at the first intent
                                                     -- that may have made a video
    submitted_ms     INTEGER,
    finished_ms      INTEGER,
    video_id         ANY,
    video_created_ms INTEGER,                        -- the platform's createdAt
    adopted          INTEGER NOT NULL DEFAULT 0,
    duplicate_video_ids TEXT,                        -- JSON array of other carriers of the tag
    error_code       TEXT,                           -- the platform's or S3's own words
    http_status      INTEGER,
    message          TEXT,
    lane             INTEGER NOT NULL DEFAULT 0,     -- the API key that serves it, as `meta` names
                                                     -- them: 0 is the default one
    place            INTEGER,                        -- where it stands by --order-by; NULL: by `row`
    -- Whatever goes wrong above: a row with a video is never sent again.
    CHECK (video_id IS NULL OR state NOT IN
        ('pending', 'submitting', 'unresolved', 'rejected', 'missing'))
) STRICT;

CREATE UNIQUE INDEX object_identity ON object (object_id) WHERE object_id IS NOT NULL;
-- Rows of which a video was once presumed absent; the query of that name has the same words.
CREATE INDEX object_presumed_absent ON object (row)
    WHERE attempts > 1 OR reason = 'gave_up'
        OR (attempts = 1 AND state IN ('rejected', 'missing') AND decided_by <> 'platform');
CREATE UNIQUE INDEX object_video ON object (video_id) WHERE video_id IS NOT NULL;
CREATE INDEX object_open ON object (state, row)
    WHERE state IN
        ('pending', 'submitting', 'unresolved', 'copying', 'restarting', 'ingesting', 'replacing');

CREATE TABLE foreseen (      -- what preflight has against rows that are pending still: `plan` leaves
                             -- it to `run`; when it was learned says object.preflighted_ms
    row         INTEGER PRIMARY KEY,
    reason      TEXT NOT NULL,
    decided_by  TEXT NOT NULL,
    error_code  TEXT,
    http_status INTEGER,
    message     TEXT
) STRICT;

CREATE TABLE project (       -- every project that a row names: checked before the first POST
    id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE platform_video ( -- what the first sweep of a fresh batch found on the platform
    video_id   ANY PRIMARY KEY,
    object_id  BLOB,                                 -- from the tag; NULL where it has none
    batch      TEXT,                                 -- from the tag
    file_name  TEXT,
    size_bytes INTEGER,
    created_ms INTEGER,
    upload_status TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX platform_video_object ON platform_video (object_id) WHERE object_id IS NOT NULL;
CREATE INDEX platform_video_look ON platform_video (file_name, size_bytes)
    WHERE object_id IS NULL;

CREATE TABLE clip (          -- free clips of imported videos, where --with-clips asks for them
    video_id   ANY PRIMARY KEY,                      -- of the master
    clip_id    ANY,                                  -- NULL: it has none
    state      TEXT NOT NULL,                        -- of engine.decide.clips
    created_ms INTEGER                               -- the platform's createdAt
) STRICT, WITHOUT ROWID;

CREATE TABLE run (           -- one start of the program on this batch
    id         INTEGER PRIMARY KEY,
    started_ms INTEGER NOT NULL,
    ended_ms   INTEGER,                              -- NULL: killed, or still running
    exit_code  INTEGER,
    submit INTEGER NOT NULL DEFAULT 0,               -- calls of the API, by operation
    list INTEGER NOT NULL DEFAULT 0,
    status INTEGER NOT NULL DEFAULT 0,
    restart INTEGER NOT NULL DEFAULT 0,
    other INTEGER NOT NULL DEFAULT 0,
    throttled  INTEGER NOT NULL DEFAULT 0,           -- answers 429
    retries    INTEGER NOT NULL DEFAULT 0,           -- calls that repeated one that failed
    announced_per_minute INTEGER,
    platform_date_s INTEGER                          -- the platform's clock at its last answer
) STRICT;

CREATE TABLE run_key (       -- calls of a run by each of several API keys; one key has none
    run_id INTEGER NOT NULL,
    lane   INTEGER NOT NULL,
    calls  INTEGER NOT NULL,
    PRIMARY KEY (run_id, lane)
) STRICT, WITHOUT ROWID;

CREATE TABLE sample (        -- how a run went on, about once a minute: the report's timeline
    id         INTEGER PRIMARY KEY,
    run_id     INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL,
    calls      INTEGER NOT NULL,                     -- of this run so far
    allowed_per_minute INTEGER NOT NULL,             -- by the quota, less what is left to others
    in_flight  INTEGER NOT NULL,
    held_s     INTEGER NOT NULL,                     -- of the seconds since the sample before
    held_by    TEXT                                  -- what for, of engine.recorder.PAUSES
) STRICT;
