"""Every setting, declared once: flags, environment, help and the checkpoint derive from here.

Each group is a frozen dataclass whose fields cyclopts turns into flags (`requests_per_minute`
becomes `--requests-per-minute`) and whose docstrings become the help. Secrets are never settings:
they are read by `read_api_key` from the environment, or from a file that a setting names.
"""

from migrator.settings.addresses import is_this_machine, listening_address
from migrator.settings.api_keys import (
    DEFAULT,
    ApiKeySettings,
    check_different,
    pinned_keys,
    read_api_keys,
)
from migrator.settings.batch import BatchSettings, check_settings
from migrator.settings.cluster import ClusterSettings, check_cluster, is_local, with_absolute_parts
from migrator.settings.config_file import (
    dashed,
    read_buckets,
    read_config,
    read_key_tables,
    setting_names,
)
from migrator.settings.crossing import CrossingSettings, Way, Ways
from migrator.settings.fields import (
    CARE,
    CLUSTER,
    CROSSING,
    FILTERS,
    INPUT,
    OUTPUT,
    PACE,
    PLATFORM,
    SOURCE,
    STOPPING,
    WEBHOOKS,
    WHAT_IF,
)
from migrator.settings.filters import FilterSettings, check_filters
from migrator.settings.inputs import InputSettings, OrderBy, parse_prefix, with_absolute_paths
from migrator.settings.layers import Layers, variable
from migrator.settings.naming import NamingSettings
from migrator.settings.output import (
    DisplaySettings,
    FinishSettings,
    PlanSettings,
    ReportScope,
    ReportSettings,
)
from migrator.settings.platform import UUID_PATTERN, PlatformSettings, check_api_url
from migrator.settings.running import CareSettings, PaceSettings, StoppingSettings
from migrator.settings.secret import SECRET_VARIABLES, Secret, read_api_key
from migrator.settings.source import (
    BucketSettings,
    SourceSettings,
    StoreSettings,
    check_store,
    own_endpoints,
)
from migrator.settings.templates import KEY_FIELDS, Template, field_of_key
from migrator.settings.webhooks import WebhookSettings

__all__ = [
    "CARE",
    "CLUSTER",
    "CROSSING",
    "DEFAULT",
    "FILTERS",
    "INPUT",
    "KEY_FIELDS",
    "OUTPUT",
    "PACE",
    "PLATFORM",
    "SECRET_VARIABLES",
    "SOURCE",
    "STOPPING",
    "UUID_PATTERN",
    "WEBHOOKS",
    "WHAT_IF",
    "ApiKeySettings",
    "BatchSettings",
    "BucketSettings",
    "CareSettings",
    "ClusterSettings",
    "CrossingSettings",
    "DisplaySettings",
    "FilterSettings",
    "FinishSettings",
    "InputSettings",
    "Layers",
    "NamingSettings",
    "OrderBy",
    "PaceSettings",
    "PlanSettings",
    "PlatformSettings",
    "ReportScope",
    "ReportSettings",
    "Secret",
    "SourceSettings",
    "StoppingSettings",
    "StoreSettings",
    "Template",
    "Way",
    "Ways",
    "WebhookSettings",
    "check_api_url",
    "check_cluster",
    "check_different",
    "check_filters",
    "check_settings",
    "check_store",
    "dashed",
    "field_of_key",
    "is_local",
    "is_this_machine",
    "listening_address",
    "own_endpoints",
    "parse_prefix",
    "pinned_keys",
    "read_api_key",
    "read_api_keys",
    "read_buckets",
    "read_config",
    "read_key_tables",
    "setting_names",
    "variable",
    "with_absolute_parts",
    "with_absolute_paths",
]
