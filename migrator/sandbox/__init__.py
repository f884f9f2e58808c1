"""A local platform and a local S3, to rehearse a migration against.

The room is one side of a conversation. It shares no code with `migrator.pixop` or
`migrator.engine`: a misreading of the API made once and used on both sides would pass
every rehearsal and fail in production.

Modules, from the outside in: `run` puts a sandbox together; `gate` is what every request
passes (key, quota, error form); `api` holds the routes and `inspection` the ones that only
a rehearsal needs; `validation` reads what a client sent and `wire` shapes what it gets
back; `copying` moves the bytes, reading them through `source`; `records` is the memory,
written through `writing`; `s3` runs `rclone serve s3`, tied to our life by `tether`;
`accounts` and `keys` say who may call.
"""

from migrator.sandbox.errors import SandboxError
from migrator.sandbox.run import SandboxSettings, serve

__all__ = ["SandboxError", "SandboxSettings", "serve"]
