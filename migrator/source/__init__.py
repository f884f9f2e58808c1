"""The customer's S3: list, head, credentials."""

import migrator.arrow  # noqa: F401 - before Arrow itself
