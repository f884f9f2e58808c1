"""Clients of AWS's services as this program wants them: bounded, quick, and retrying quietly."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.parsers import AioResponseParserFactory, AioRestXMLParser
from aiobotocore.session import AioSession
from botocore import handlers
from botocore.loaders import Loader

from migrator import __version__
from migrator.source.answers import moment
from migrator.source.heads import show_ways
from migrator.source.pages import read_page
from migrator.source.reading import BoundedSession

logging.getLogger("aiobotocore").addHandler(logging.NullHandler())
"""Without a handler Python prints what it warns of, tracebacks too; all of it is raised as well."""

MAX_CONNECTIONS = 64
"""Connections to the source for each pair of keys."""

USER_AGENT = f"migrator/{__version__}"
"""Also quick: botocore puts its own together anew for each request, for a ninth of a HEAD."""

ATTEMPTS = 4
"""Tries of the library's own for each question; beyond them the engine waits and asks again."""


def configured(**more: Any) -> AioConfig:
    """How every client is set up."""
    return AioConfig(
        http_session_cls=BoundedSession,
        user_agent=USER_AGENT,
        max_pool_connections=MAX_CONNECTIONS,
        connect_timeout=10,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        **more,
    )


def s3_session(*, says_who_pays: bool = False) -> AioSession:
    """A session whose clients of S3 read pages of listings quickly, and show the way of a HEAD.

    `says_who_pays`: a URL that they sign names the requester as the one who pays.
    """
    session = AioSession()
    session.register_component("data_loader", _LOADER)
    parsers = _Parsers()
    parsers.set_parser_defaults(timestamp_parser=moment)
    session.register_component("response_parser_factory", parsers)
    if _ERRORS_IN_200 is not None:
        session.unregister("before-parse.s3.*", _ERRORS_IN_200)
    session.register("before-parse.s3.*", _read_first)
    show_ways(session)
    if says_who_pays:
        session.register("before-sign.s3.GetObject", _say_who_pays)
    return session


class _Loader(Loader):  # type: ignore[misc]  # botocore has no types
    """botocore's loader, but that it looks for S3 alone, and not into 400 directories for names."""

    def list_available_services(self, _type_name: str) -> list[str]:
        """The one service that clients are made of."""
        return ["s3"]


_LOADER = _Loader()
"""What botocore knows of S3, read once: it takes a tenth of a second, and would for each client."""

PAGE = "migrator.page"
"""Where an answer holds a page that is read already."""


class _Parser(AioRestXMLParser):  # type: ignore[misc]  # botocore has no types
    """botocore's parser, but for a page of a listing that is read already."""

    def _do_parse(self, response: Mapping[str, Any], shape: Any) -> Any:
        if PAGE in response:
            return {PAGE: response[PAGE]}
        return super()._do_parse(response, shape)


class _Parsers(AioResponseParserFactory):  # type: ignore[misc]  # botocore has no types
    def create_parser(self, protocol_name: str) -> Any:
        if protocol_name == "rest-xml":
            return _Parser(**self._defaults)
        return super().create_parser(protocol_name)


def _read_first(operation_model: Any, response_dict: dict[str, Any], **how: Any) -> None:
    """Read a page of a listing, if it is of the usual form.

    In the place of botocore's handler for errors that come as a 200, which for that takes each
    answer apart by itself and costs more than all else: a page of the usual form is no error.
    """
    if operation_model.name == "ListObjectsV2" and response_dict["status_code"] == HTTPStatus.OK:
        page = read_page(response_dict["body"])
        if page is not None:
            response_dict[PAGE] = page
            return
    if _ERRORS_IN_200 is not None:
        _ERRORS_IN_200(operation_model=operation_model, response_dict=response_dict, **how)


def _say_who_pays(request: Any, signature_version: str, **_how: Any) -> None:
    """Whoever opens a URL sends no header of ours: it says itself, and signed, who pays.

    Amazon S3 user guide, "Downloading objects from Requester Pays buckets": a signed URL has
    x-amz-request-payer=requester in it.
    """
    if signature_version.endswith("-query"):
        request.params["x-amz-request-payer"] = "requester"


_ERRORS_IN_200 = getattr(handlers, "_handle_200_error", None)
