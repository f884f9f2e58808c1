"""Whether all versions of an object can be imported: `--all-versions`."""

from migrator.errors import UsageError
from migrator.settings.crossing import Ways
from migrator.settings.inputs import InputSettings
from migrator.settings.platform import PlatformSettings


def check_versions(inputs: InputSettings, platform: PlatformSettings, ways: Ways) -> None:
    """Raises UsageError where versions are wanted and cannot be named or told apart."""
    if not inputs.all_versions:
        return
    for bucket, way in ways.all():
        if way.via != "https":
            about = "" if bucket is None else f" (bucket {bucket} goes by {way.via})"
            raise UsageError(
                "--all-versions needs --via https: a version can be named by a presigned URL "
                f"alone{about}",
                "add --via https, or leave --all-versions out: current versions are imported then",
            )
    if platform.tag_in == "none":
        raise UsageError(
            "--all-versions does not go with --tag-in none: versions of an object have one name, "
            "and nothing would tell their videos apart",
            "leave --tag-in out",
        )
