-- name: meta
SELECT value FROM meta WHERE name = ?;

-- name: set_meta
INSERT INTO meta (name, value) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: metas
SELECT name, value FROM meta WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name;

-- name: add_source
INSERT INTO source (id, kind, location, header, sha256) VALUES (?, ?, ?, ?, ?);

-- name: set_header
UPDATE source SET header = ? WHERE id = ?;

-- name: sources
SELECT id, kind, location, header, sha256, row_count, complete, filtered FROM source ORDER BY id;

-- name: location
SELECT location FROM source WHERE id = ?;

-- name: complete_source
UPDATE source SET complete = 1, sha256 = ?, row_count = ? WHERE id = ?;

-- name: forget_rows
DELETE FROM object;

-- name: forget_foreseen
DELETE FROM foreseen;

-- name: forget_sources
DELETE FROM source;

-- name: forget_projects
DELETE FROM project;

-- name: pending_buckets
SELECT DISTINCT lane, bucket FROM object
WHERE state IN ('pending', 'submitting', 'unresolved', 'replacing');

-- name: buckets_of_videos
SELECT DISTINCT bucket FROM object WHERE video_id IS NOT NULL;

-- name: any_open
-- `open` are the words of the index of open rows, which is used for no other ones: so no row that
-- has ended is read, here and below.
SELECT 1 FROM object WHERE {open} LIMIT 1;

-- name: last_row
SELECT max(row) FROM object;

-- name: rows_of_source
-- Sources are read one after the other: none of its rows is among those of the complete ones before.
SELECT count(*) FROM object WHERE source_id = ?1
    AND row > (SELECT total(row_count) FROM source WHERE id < ?1);

-- name: listed_to
SELECT listed_to FROM source WHERE id = ?;

-- name: note_listed
UPDATE source SET listed_to = ?, filtered = filtered + ? WHERE id = ?;

-- name: add_object
-- Ignored when the object is there already: the caller adds it again as a duplicate row.
-- A pending row gets room for what a run learns of it: 36 bytes of its POST and its copy, and 30 of
-- its object where nobody has told of that yet. Its first change gives the room back.
INSERT OR IGNORE INTO object (
    row, source_id, object_id, bucket, key, version_id, cells, raw, state, reason, decided_by,
    size_bytes, etag, last_modified_ms, preflighted_ms, finished_ms, message, place, room
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
    CASE WHEN ?9 <> 'pending' THEN NULL WHEN ?15 IS NULL THEN zeroblob(66) ELSE zeroblob(36) END);

-- name: rows_between
SELECT row FROM object WHERE row BETWEEN ? AND ?;

-- name: row_of_object
SELECT row FROM object WHERE object_id = ?;

-- name: add_project
INSERT OR IGNORE INTO project (id) VALUES (?);

-- name: projects
SELECT id FROM project ORDER BY id;

-- name: pending_after
SELECT {transfer} FROM object WHERE state = 'pending' AND {open} AND row > ?
ORDER BY row LIMIT ?;

-- name: pending_of_lane_after
SELECT {transfer} FROM object WHERE state = 'pending' AND {open} AND row > ? AND lane = ?
ORDER BY row LIMIT ?;

-- name: pending_by_place_after
-- The cursor is a row, whose place never changes, whatever is learned of its size.
SELECT {transfer} FROM object INDEXED BY object_pending_by_place
WHERE state = 'pending' AND lane = ?3 AND (place, row) >
    (coalesce((SELECT place FROM object WHERE row = ?1), -9223372036854775808), ?1)
ORDER BY place, row LIMIT ?2;

-- name: serve
-- A longer prefix comes after a shorter one, and takes its rows over.
UPDATE object SET lane = ?1 WHERE row BETWEEN ?2 AND ?3 AND state = 'pending'
    AND bucket = ?4 AND substr(key, 1, length(?5)) = ?5;

-- name: count_key_calls
INSERT INTO run_key (run_id, lane, calls) VALUES (?, ?, ?)
ON CONFLICT (run_id, lane) DO UPDATE SET calls = excluded.calls;

-- name: key_calls
SELECT lane, sum(calls) FROM run_key GROUP BY lane ORDER BY lane;

-- name: ended_after
SELECT {transfer} FROM object WHERE state IN ('rejected', 'missing', 'failed') AND row > ?
ORDER BY row LIMIT ?;

-- name: replacing_after
SELECT {transfer} FROM object WHERE state = 'replacing' AND {open} AND row > ? AND lane = ?
ORDER BY row LIMIT ?;

-- name: in_state
SELECT {transfer} FROM object WHERE state = ? AND {open} ORDER BY row;

-- name: transfer
SELECT {transfer} FROM object WHERE row = ?;

-- name: every_transfer
SELECT {transfer} FROM object WHERE row > ? ORDER BY row LIMIT ?;

-- name: every_reported
SELECT {reported} FROM object WHERE row > ? ORDER BY row LIMIT ?;

-- name: sent_and_ended
-- Rows that this batch itself has sent: those imported, and those the platform did not take.
SELECT coalesce(sum(state = 'imported' AND adopted = 0), 0),
    coalesce(sum(state IN ('rejected', 'missing', 'failed') AND decided_by = 'platform'), 0)
FROM object WHERE attempts > 0;

-- name: sent_and_open
SELECT row FROM object
WHERE state IN ('submitting', 'unresolved', 'copying', 'restarting', 'ingesting', 'replacing')
    AND attempts > 0
ORDER BY row LIMIT ?;

-- name: made_videos
SELECT row, bucket, key, video_id FROM object
WHERE video_id IS NOT NULL AND attempts > 0 ORDER BY row LIMIT ?;

-- name: tallies
-- What every count of the report is made of; an imported row may leave its reason unsaid.
SELECT state, CASE state WHEN 'imported' THEN coalesce(reason, 'copied') ELSE reason END AS told,
    count(*), total(size_bytes)
FROM object GROUP BY state, told;

-- name: tallies_between
SELECT state, CASE state WHEN 'imported' THEN coalesce(reason, 'copied') ELSE reason END AS told,
    count(*), total(size_bytes)
FROM object WHERE row BETWEEN ? AND ? GROUP BY state, told;

-- name: tallies_beyond_rows
SELECT
    coalesce(sum(adopted), 0),
    coalesce(sum(json_array_length(duplicate_video_ids)), 0)
FROM object;

-- name: listing_facts
-- What the fingerprint of a frozen listing covers; its rows are behind those of sources before it.
SELECT row, bucket, key, size_bytes, etag, version_id FROM object
WHERE source_id = ?1 AND row > max(?2, (SELECT total(row_count) FROM source WHERE id < ?1))
ORDER BY row LIMIT ?3;

-- name: preflighted
UPDATE object SET size_bytes = ?, etag = ?, last_modified_ms = ?, preflighted_ms = ?,
    room = CASE WHEN length(room) > 36 THEN zeroblob(36) ELSE room END
WHERE row = ?;

-- name: foresee
INSERT OR REPLACE INTO foreseen (row, reason, decided_by, error_code, http_status, message)
VALUES (?, ?, ?, ?, ?, ?);

-- name: foresee_nothing
DELETE FROM foreseen WHERE row = ?;

-- name: foreseen_of
-- The one mark stands for as many as are asked for.
SELECT row, reason, decided_by, error_code, http_status, message FROM foreseen
WHERE row IN (?);

-- name: add_duplicate_videos
UPDATE object SET duplicate_video_ids = ? WHERE row = ?;

-- name: add_platform_video
INSERT OR REPLACE INTO platform_video
    (video_id, object_id, batch, file_name, size_bytes, created_ms, upload_status)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: forget_platform_videos
DELETE FROM platform_video;

-- name: count_platform_videos
SELECT count(*) FROM platform_video;

-- name: carriers_of_our_objects
-- Oldest first within an object: the order in which adoption prefers them.
SELECT o.row, p.video_id, p.created_ms, p.upload_status, p.size_bytes, o.size_bytes
FROM platform_video AS p JOIN object AS o ON o.object_id = p.object_id
WHERE o.state = 'pending' AND o.row BETWEEN ? AND ?
ORDER BY o.row, p.created_ms, p.video_id;

-- name: any_untagged
SELECT 1 FROM platform_video WHERE object_id IS NULL AND file_name IS NOT NULL LIMIT 1;

-- name: look_alike
SELECT video_id FROM platform_video
WHERE object_id IS NULL AND file_name = ? AND size_bytes = ? LIMIT 1;

-- name: knows_platform_video
SELECT 1 FROM platform_video WHERE video_id = ?;

-- name: start_run
INSERT INTO run (started_ms) VALUES (?) RETURNING id;

-- name: count_calls
UPDATE run SET submit = ?, list = ?, status = ?, restart = ?, other = ?, throttled = ?,
    retries = ?, announced_per_minute = ?, platform_date_s = ?
WHERE id = ?;

-- name: end_last_run
-- A run that ended is not ended again: a finished batch keeps its times.
UPDATE run SET ended_ms = ?, exit_code = ?
WHERE id = (SELECT max(id) FROM run) AND ended_ms IS NULL;

-- name: correct_last_run
UPDATE run SET exit_code = ? WHERE id = (SELECT max(id) FROM run);

-- name: runs
SELECT started_ms, ended_ms, exit_code, submit, list, status, restart, other, throttled,
    retries, announced_per_minute, platform_date_s
FROM run ORDER BY id;

-- name: last_platform_date
SELECT platform_date_s FROM run WHERE platform_date_s IS NOT NULL ORDER BY id DESC LIMIT 1;

-- name: presumed_absent
-- Rows of which a video was presumed absent, their POSTs, and when the first of them was meant.
SELECT count(*), total(attempts), min(coalesce(intent_date_s, 0)) FROM object
WHERE attempts > 1 OR reason = 'gave_up'
    OR (attempts = 1 AND state IN ('rejected', 'missing') AND decided_by <> 'platform');

-- name: latest_videos
-- Of rows that were sent since; those that are known to be gone or broken are not asked for.
SELECT video_id, intent_date_s FROM object
WHERE video_id IS NOT NULL AND intent_date_s >= ? AND state <> 'failed' AND lane = ?
ORDER BY row DESC LIMIT ?;

-- name: row_of_video
SELECT row FROM object WHERE video_id = ?;

-- name: rows_of_videos
-- The one mark stands for as many as are asked for.
SELECT video_id, row FROM object WHERE video_id IN (?);

-- name: of_objects
-- The one mark stands for as many as are asked for.
SELECT {transfer} FROM object WHERE object_id IN (?);

-- name: imported_objects
-- The one mark stands for as many as are asked for.
SELECT object_id, video_id, message FROM object
WHERE (state = 'imported' OR reason = 'already_imported') AND object_id IN (?);

-- name: recheck_rows
-- What preflight has something against is not known any more: it is headed again.
UPDATE object SET preflighted_ms = NULL
WHERE state = 'pending' AND row IN (SELECT row FROM foreseen);

-- name: census_tallies
-- Rows by what they are, and what they would become: the one mark is 1 where preflight counts.
SELECT o.state, CASE o.state WHEN 'pending' THEN f.reason
    WHEN 'imported' THEN coalesce(o.reason, 'copied') ELSE o.reason END, count(*), total(o.size_bytes),
    coalesce(sum(o.size_bytes IS NULL), 0)
FROM object AS o LEFT JOIN foreseen AS f ON f.row = o.row AND o.state = 'pending' AND ?
GROUP BY 1, 2;

-- name: census_buckets
-- Largest first, by what would be sent of each; a bucket that only invalid rows name is not there.
SELECT o.bucket, count(*),
    sum(o.state = 'pending' AND f.row IS NULL),
    total(CASE WHEN o.state = 'pending' AND f.row IS NULL THEN o.size_bytes END),
    sum(f.row IS NOT NULL)
FROM object AS o LEFT JOIN foreseen AS f ON f.row = o.row AND o.state = 'pending' AND ?
WHERE o.object_id IS NOT NULL
GROUP BY o.bucket ORDER BY 4 DESC, 3 DESC, o.bucket LIMIT ?;

-- name: census_bucket_count
SELECT count(DISTINCT bucket) FROM object WHERE object_id IS NOT NULL;

-- name: census_sizes
-- Of what would be sent: how many digits the size has less one, so many rows and bytes.
SELECT length(CAST(o.size_bytes AS TEXT)) - 1, count(*), total(o.size_bytes), max(o.size_bytes)
FROM object AS o LEFT JOIN foreseen AS f ON f.row = o.row AND ?
WHERE o.state = 'pending' AND f.row IS NULL AND o.size_bytes IS NOT NULL
GROUP BY 1 ORDER BY 1;

-- name: census_lanes
-- What would be sent with each API key: rows, known bytes, and the largest.
SELECT o.lane, count(*), total(o.size_bytes), coalesce(max(o.size_bytes), 0)
FROM object AS o LEFT JOIN foreseen AS f ON f.row = o.row AND ?
WHERE o.state = 'pending' AND f.row IS NULL
GROUP BY o.lane;

-- name: census_foreseen_examples
SELECT o.row, o.bucket, o.key, o.size_bytes, f.error_code, f.message
FROM foreseen AS f JOIN object AS o ON o.row = f.row
WHERE f.reason = ? AND o.state = 'pending' ORDER BY f.row LIMIT ?;

-- name: census_settled_examples
SELECT row, bucket, key, size_bytes, error_code, message FROM object
WHERE reason = ? AND state = ? ORDER BY row LIMIT ?;

-- name: add_clip
INSERT INTO clip (video_id, clip_id, state, created_ms)
SELECT :video_id, :clip_id, :state, :created_ms
WHERE EXISTS (SELECT 1 FROM object WHERE video_id = :video_id)
ON CONFLICT (video_id) DO UPDATE
SET clip_id = excluded.clip_id, state = excluded.state, created_ms = excluded.created_ms
WHERE clip.clip_id IS NULL OR clip.clip_id = excluded.clip_id
    OR coalesce(excluded.created_ms, 0) < coalesce(clip.created_ms, 0)

-- name: clips_waiting
SELECT count(*), count(*) FILTER (WHERE clip.state IS NULL),
    count(*) FILTER (WHERE coalesce(video_created_ms, intent_date_s) IS NULL),
    min(coalesce(video_created_ms, intent_date_s * 1000))
FROM object LEFT JOIN clip USING (video_id)
WHERE object.state = 'imported' AND (clip.state IS NULL OR clip.state = 'IN_PROGRESS')

-- name: without_clip
SELECT video_id, lane FROM object LEFT JOIN clip USING (video_id)
WHERE object.state = 'imported' AND clip.state IS NULL
ORDER BY row LIMIT ?

-- name: note_no_clips
INSERT INTO clip (video_id, state)
SELECT video_id, ? FROM object LEFT JOIN clip USING (video_id)
WHERE object.state = 'imported' AND video_id IS NOT NULL AND clip.state IS NULL

-- name: clips_between
SELECT row, clip_id, clip.state FROM object JOIN clip USING (video_id)
WHERE row BETWEEN ? AND ? AND object.state = 'imported'

-- name: clip_states
SELECT clip.state, count(*) FROM object JOIN clip USING (video_id)
WHERE object.state = 'imported' GROUP BY clip.state ORDER BY clip.state
