"""Whom TLS trusts beyond the system's own certificates: a company's, from a file."""

import ssl
from collections.abc import Mapping

from migrator.errors import UsageError

PLATFORM_CERTIFICATES = "SSL_CERT_FILE"
"""The variable that OpenSSL itself reads: what it names is trusted in place of the system's."""

SOURCE_CERTIFICATES = ("AWS_CA_BUNDLE", PLATFORM_CERTIFICATES)
"""The variables for S3, the first one set counts."""

HINT_UNTRUSTED = (
    f"nothing was sent to it: check the address, and {PLATFORM_CERTIFICATES} where a company's own "
    "certificates are in use"
)
"""What to do when a server's certificate is refused."""


def source_certificates(environment: Mapping[str, str]) -> str | None:
    """The file of the certificates that S3 is held against; None means botocore's own."""
    return next((file for name in SOURCE_CERTIFICATES if (file := environment.get(name))), None)


def check_certificates(environment: Mapping[str, str]) -> None:
    """Raises UsageError where a variable names no file of certificates.

    OpenSSL would say nothing and trust nobody.
    """
    named = {environment.get(name): name for name in reversed(SOURCE_CERTIFICATES)}
    for file, name in named.items():  # each file once: to read all that a system trusts takes time
        if not file:
            continue
        try:
            ssl.create_default_context(cafile=file)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            if isinstance(error, ssl.SSLError) or reason is None:
                reason = "it holds no certificate"
            raise UsageError(
                f"{name} {file}: {reason}", "name a file of certificates in PEM form, or unset it"
            ) from None


def why_untrusted(error: BaseException) -> str | None:
    """What is wrong with a server's certificate, in OpenSSL's words; None for other errors."""
    cause = getattr(error, "certificate_error", error)
    return cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else None
