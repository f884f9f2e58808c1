-- What the sandbox remembers. Moments are UTC milliseconds since 1970.

CREATE TABLE users (
    user_id     TEXT PRIMARY KEY,
    created_at  INTEGER NOT NULL,
    email       TEXT NOT NULL,
    name        TEXT NOT NULL
) STRICT;

CREATE TABLE teams (
    team_id     TEXT PRIMARY KEY,
    created_at  INTEGER NOT NULL,
    name        TEXT NOT NULL,
    is_default  INTEGER NOT NULL
) STRICT;

CREATE TABLE projects (
    project_id  TEXT PRIMARY KEY,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    team_id     TEXT NOT NULL REFERENCES teams,
    name        TEXT NOT NULL
) STRICT;

-- What is secret here is sealed (see seal.py); what is shown of it is masked already.
CREATE TABLE input_locations (
    location_id       TEXT PRIMARY KEY,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    team_id           TEXT NOT NULL REFERENCES teams,
    name              TEXT NOT NULL,
    bucket            TEXT NOT NULL,
    masked_access_key TEXT NOT NULL,
    masked_secret     TEXT NOT NULL,
    sealed_keys       BLOB NOT NULL
) STRICT;

CREATE TABLE videos (
    video_number    INTEGER PRIMARY KEY,
    video_id        TEXT NOT NULL UNIQUE,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL,
    user_id         TEXT NOT NULL,
    team_id         TEXT NOT NULL,
    project_id      TEXT NOT NULL,
    name            TEXT NOT NULL,
    description     TEXT,
    is_clip         INTEGER NOT NULL DEFAULT 0,
    clip_id         TEXT,
    master_video_id TEXT,
    full_ingestion  INTEGER NOT NULL DEFAULT 0,
    -- The file, as far as it is known before it has been read.
    file_name       TEXT,
    content_type    TEXT,
    size_bytes      INTEGER,
    modified_at     INTEGER,
    -- The copy; NULL where no video-in was ever started.
    upload_status   TEXT CHECK (upload_status IN ('INITIAL', 'IN_PROGRESS', 'DONE', 'FAILED')),
    upload_changed_at INTEGER,
    upload_percent  INTEGER NOT NULL DEFAULT 0,
    error_code      TEXT,
    error_message   TEXT,
    crc32c          INTEGER,
    -- Faults on purpose: what is added to the size that is shown, and from when on lists show it.
    size_off_bytes  INTEGER NOT NULL DEFAULT 0,
    listed_at       INTEGER,
    -- The ingestion; NULL before the copy is DONE, or before a clip is made. What was found is JSON.
    ingestion_status     TEXT CHECK (ingestion_status IN ('INITIAL', 'IN_PROGRESS', 'DONE', 'FAILED')),
    ingestion_changed_at INTEGER,
    ingestion_percent    INTEGER NOT NULL DEFAULT 0,
    ingestion_eta_s      INTEGER NOT NULL DEFAULT 0,
    metadata             TEXT,
    quality              TEXT,
    -- The making of a clip; NULL for masters.
    processing_status    TEXT CHECK (processing_status IN ('INITIAL', 'IN_PROGRESS', 'DONE', 'FAILED')),
    processing_changed_at INTEGER,
    processing_percent   INTEGER NOT NULL DEFAULT 0,
    processing_eta_s     INTEGER NOT NULL DEFAULT 0,
    -- Why one of the two is FAILED. The API does not tell.
    media_error          TEXT
) STRICT;

-- Lists are asked for by team or project, or by neither, in order of either moment. is_clip is
-- in each, so that counting and skipping pages reads the index and never the table.
CREATE INDEX videos_created         ON videos (created_at, is_clip);
CREATE INDEX videos_updated         ON videos (updated_at, is_clip);
CREATE INDEX videos_team_created    ON videos (team_id, created_at, is_clip);
CREATE INDEX videos_team_updated    ON videos (team_id, updated_at, is_clip);
CREATE INDEX videos_project_created ON videos (project_id, created_at, is_clip, team_id);
CREATE INDEX videos_project_updated ON videos (project_id, updated_at, is_clip, team_id);
CREATE INDEX videos_master          ON videos (master_video_id) WHERE master_video_id IS NOT NULL;
CREATE INDEX videos_clip            ON videos (clip_id) WHERE clip_id IS NOT NULL;
CREATE INDEX videos_listed          ON videos (listed_at) WHERE listed_at IS NOT NULL;
CREATE INDEX videos_under_way       ON videos (video_number)
    WHERE upload_status IN ('INITIAL', 'IN_PROGRESS');
CREATE INDEX videos_media ON videos (video_number)
    WHERE (ingestion_status IN ('INITIAL', 'IN_PROGRESS')
        OR processing_status IN ('INITIAL', 'IN_PROGRESS'));
-- For the page, which shows a few of each kind, newest first.
CREATE INDEX videos_clips ON videos (video_number) WHERE is_clip;
CREATE INDEX videos_failed ON videos (video_number)
    WHERE (upload_status = 'FAILED' OR ingestion_status = 'FAILED' OR processing_status = 'FAILED');

-- Where a video is copied from: sealed, as it holds keys or a presigned URL. It is needed to go
-- on with a copy after a restart, and is erased as soon as the copy is DONE.
CREATE TABLE copies (
    video_number    INTEGER PRIMARY KEY REFERENCES videos ON DELETE CASCADE,
    create_number   INTEGER NOT NULL REFERENCES creates,
    sealed_origin   BLOB,
    part_bytes      INTEGER NOT NULL,
    connections     INTEGER NOT NULL,
    expected_crc32c INTEGER,
    fault           TEXT
) STRICT;

CREATE TABLE parts (
    video_number INTEGER NOT NULL REFERENCES copies ON DELETE CASCADE,
    part_number  INTEGER NOT NULL,
    crc32c       INTEGER NOT NULL,
    PRIMARY KEY (video_number, part_number)
) STRICT, WITHOUT ROWID;

-- Every record ever made and the request that made it; never changed, nor deleted with the
-- record. It is how a rehearsal proves that no video was made twice.
CREATE TABLE creates (
    create_number     INTEGER PRIMARY KEY,
    video_id          TEXT NOT NULL,
    created_at        INTEGER NOT NULL,
    request_id        TEXT NOT NULL,
    operation         TEXT NOT NULL,
    team_id           TEXT NOT NULL,
    project_id        TEXT NOT NULL,
    name              TEXT NOT NULL,
    description       TEXT,
    file_name         TEXT NOT NULL,
    full_ingestion    INTEGER NOT NULL,
    bucket            TEXT,
    object_key        TEXT,
    masked_access_key TEXT,
    location_id       TEXT,
    masked_url        TEXT,
    expected_crc32c   INTEGER,
    connections       INTEGER
) STRICT;

CREATE TABLE webhooks (
    webhook_id            TEXT PRIMARY KEY,
    created_at            INTEGER NOT NULL,
    updated_at            INTEGER NOT NULL,
    team_id               TEXT NOT NULL REFERENCES teams,
    is_active             INTEGER NOT NULL,
    name                  TEXT NOT NULL,
    description           TEXT,
    url                   TEXT NOT NULL,
    rate_limit_per_second INTEGER NOT NULL,
    max_total_retry_delay_minutes INTEGER NOT NULL,
    event_types           TEXT NOT NULL  -- a list, in JSON
) STRICT;

-- Looked into at every change of a video.
CREATE INDEX webhooks_listening ON webhooks (team_id) WHERE is_active;

-- What happened to a video, once for each webhook that listened, in the order of the changes.
-- Those of a webhook that has been deleted are removed soon after it, some at a time.
CREATE TABLE webhook_events (
    event_number   INTEGER PRIMARY KEY,
    event_id       TEXT NOT NULL UNIQUE,
    webhook_id     TEXT NOT NULL,
    team_id        TEXT NOT NULL,
    event_type     TEXT NOT NULL,
    video_id       TEXT NOT NULL,
    occurred_at    INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    is_test        INTEGER NOT NULL,
    is_successful  INTEGER NOT NULL DEFAULT 0,
    attempts       INTEGER NOT NULL DEFAULT 0,
    was_put_off    INTEGER NOT NULL DEFAULT 0,  -- by a fault on purpose, which happens once
    -- By the machine's clock, whatever a plan of faults makes of the platform's: when it was first
    -- tried, and from when on it may be tried next. NULL: never again.
    first_tried_at INTEGER,
    due_at         INTEGER
) STRICT;

CREATE INDEX webhook_events_due ON webhook_events (webhook_id, due_at, event_number)
    WHERE due_at IS NOT NULL;
CREATE INDEX webhook_events_tests ON webhook_events (team_id, occurred_at) WHERE is_test;
-- Lists are asked for in order of either moment; whatever filters is in each, so that counting
-- and skipping pages reads the index and never the table.
CREATE INDEX webhook_events_occurred
    ON webhook_events (occurred_at, team_id, is_test, is_successful);
CREATE INDEX webhook_events_updated
    ON webhook_events (updated_at, occurred_at, team_id, is_test, is_successful);

-- What came of each attempt to deliver an event. What a webhook answered is a stranger's text.
CREATE TABLE webhook_responses (
    event_number    INTEGER NOT NULL REFERENCES webhook_events ON DELETE CASCADE,
    response_number INTEGER NOT NULL,
    requested_at    INTEGER NOT NULL,
    took_ms         INTEGER NOT NULL,
    status          INTEGER NOT NULL,
    body            TEXT,
    error_code      TEXT,
    error_message   TEXT,
    retry_at        INTEGER,
    headers         TEXT,  -- an object, in JSON
    PRIMARY KEY (event_number, response_number)
) STRICT, WITHOUT ROWID;

-- The newest signs; of the others the private half has been erased. The public half is the
-- SubjectPublicKeyInfo in DER.
CREATE TABLE webhook_keys (
    key_id         TEXT PRIMARY KEY,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    public_key     BLOB NOT NULL,
    sealed_private BLOB,
    expires_at     INTEGER
) STRICT;

PRAGMA user_version = 3;
