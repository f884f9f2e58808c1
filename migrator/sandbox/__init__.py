"""A local platform and a local S3, to rehearse a migration against.

The room is one side of a conversation. It shares no code with `migrator.pixop` or
`migrator.engine`: a misreading of the API made once and used on both sides would pass
every rehearsal and fail in production.

Modules, from the outside in: `run` puts a sandbox together, and `platform` what of it is the
platform; `connection` speaks HTTP, and `gate` is what every request passes (key, quota, faults,
error form). The routes are in `create_routes`, `video_routes`, `account_routes` and
`location_routes`, and those that only a rehearsal needs in `inspection` and, for people, in
`page`; `loopback` keeps these for this machine. `validation` reads what a client sent, and `wire`
fills the `shapes` of what it gets back. `copying` moves the bytes, read
through `sources` (`source` for S3, `web` for URLs) and laid down by `parts`. `ingesting` has the
work on what videos hold done by `media`, in processes of its own, and `storage` names where all
files of videos lie: thumbnails and web videos too. `records`, `copies`, `ingestions`, `accounts`
and `locations` are the memory, in one `database` that `writing` writes in groups;
`seal` keeps what is secret in it. `plan` is what shall go wrong, `faults` decides when, and
`mischief` does it to answers. `s3` runs `rclone serve s3`, tied to our life by `tether`. The
README of this room tells what of the published API is there.

This package imports nothing by itself, so that a worker process starts without a server in it.
"""
