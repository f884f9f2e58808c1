"""Every setting, declared once: flags, environment, help and the checkpoint derive from here.

Each group is a frozen dataclass whose fields cyclopts turns into flags (`requests_per_minute`
becomes `--requests-per-minute`) and whose docstrings become the help. Secrets are never settings:
they are read by `read_api_key` from the environment, or from a file that a setting names.
"""

from migrator.settings.addresses import is_this_machine, listening_address
from migrator.settings.batch import BatchSettings, check_settings
from migrator.settings.config_file import read_bucket_keys
from migrator.settings.fields import (
    CARE,
    INPUT,
    OUTPUT,
    PACE,
    PLATFORM,
    SOURCE,
    STOPPING,
    WEBHOOKS,
    WHAT_IF,
)
from migrator.settings.inputs import InputSettings, parse_prefix
from migrator.settings.output import (
    DisplaySettings,
    FinishSettings,
    PlanSettings,
    ReportScope,
    ReportSettings,
)
from migrator.settings.platform import UUID_PATTERN, PlatformSettings, check_api_url
from migrator.settings.running import CareSettings, PaceSettings, StoppingSettings
from migrator.settings.secret import Secret, read_api_key
from migrator.settings.source import BucketKeyNames, SourceSettings
from migrator.settings.webhooks import WebhookSettings

__all__ = [
    "CARE",
    "INPUT",
    "OUTPUT",
    "PACE",
    "PLATFORM",
    "SOURCE",
    "STOPPING",
    "UUID_PATTERN",
    "WEBHOOKS",
    "WHAT_IF",
    "BatchSettings",
    "BucketKeyNames",
    "CareSettings",
    "DisplaySettings",
    "FinishSettings",
    "InputSettings",
    "PaceSettings",
    "PlanSettings",
    "PlatformSettings",
    "ReportScope",
    "ReportSettings",
    "Secret",
    "SourceSettings",
    "StoppingSettings",
    "WebhookSettings",
    "check_api_url",
    "check_settings",
    "is_this_machine",
    "listening_address",
    "parse_prefix",
    "read_api_key",
    "read_bucket_keys",
]
