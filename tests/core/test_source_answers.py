"""What S3 tells in headers is read as botocore reads it."""

import pytest
from aiobotocore.parsers import AioRestXMLParser
from botocore.awsrequest import HeadersDict
from botocore.loaders import create_loader
from botocore.model import ServiceModel

from migrator.source.answers import facts_of_head, facts_of_headers, moment

LEAST = {"content-length": "12"}
HEADERS = {
    **LEAST, "ETAG": '"e"', "Last-Modified": "Sat, 01 Mar 2025 12:00:00 GMT",
    "x-amz-meta-Title": "Été", "x-amz-version-id": "v1", "X-Unknown": "x",
    "x-amz-checksum-crc32c": "AAAAAQ==", "x-amz-storage-class": "GLACIER",
}  # fmt: skip
CASES = {
    "all": HEADERS,
    "next to nothing": LEAST,
    "restored": {**HEADERS, "x-amz-restore": 'ongoing-request="false", expiry-date="x"'},
    "being restored": {**HEADERS, "x-amz-restore": 'ongoing-request="true"'},
    "archived by tier": {**LEAST, "x-amz-archive-status": "ARCHIVE_ACCESS"},
    "a checksum of parts": {**HEADERS, "X-Amz-Checksum-Type": "COMPOSITE"},
    "no time": {**HEADERS, "last-modified": "never"},
}


@pytest.fixture(scope="module")
def shape():
    model = ServiceModel(create_loader().load_service_model("s3", "service-2"), "s3")
    return model.operation_model("HeadObject").output_shape


@pytest.mark.parametrize("case", CASES)
def test_facts_are_read_from_headers_as_from_what_botocore_makes_of_them(shape, case):
    headers = HeadersDict(CASES[case])
    response = {"headers": headers, "status_code": 200, "body": b"", "context": {}}
    theirs = AioRestXMLParser(timestamp_parser=moment)._do_parse(response, shape)
    facts = facts_of_headers(headers)
    assert facts == facts_of_head(theirs)
    if case == "all":
        assert (facts.size_bytes, facts.etag, facts.version_id) == (12, "e", "v1")
        assert (facts.storage_class, facts.archived, facts.crc32c) == ("GLACIER", True, 1)
        assert facts.last_modified_ms == 1_740_830_400_000
