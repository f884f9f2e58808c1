"""What S3 tells in headers is read as botocore reads it."""

import pytest
from aiobotocore.parsers import AioRestXMLParser
from botocore.awsrequest import HeadersDict
from botocore.loaders import create_loader
from botocore.model import ServiceModel

from migrator.source.clients import _Parser

HEADERS = {
    "content-length": "12", "ETAG": '"e"', "Last-Modified": "Sat, 01 Mar 2025 12:00:00 GMT",
    "x-amz-meta-Title": "Été", "X-Amz-Meta-two": "2", "x-amz-version-id": "v1",
    "x-amz-checksum-crc32c": "AAAAAA==", "x-amz-storage-class": "GLACIER", "X-Unknown": "x",
    "x-amz-restore": 'ongoing-request="false"', "x-amz-delete-marker": "false",
}  # fmt: skip


@pytest.mark.parametrize("operation", ["HeadObject", "GetObject", "HeadBucket"])
@pytest.mark.parametrize("headers", [HEADERS, {}, {"Content-Length": "0"}])
def test_headers_are_read_as_botocore_reads_them(operation, headers):
    model = ServiceModel(create_loader().load_service_model("s3", "service-2"), "s3")
    shape = model.operation_model(operation).output_shape
    response = {"headers": HeadersDict(headers), "status_code": 200, "body": b"", "context": {}}
    theirs = AioRestXMLParser()._do_parse(dict(response), shape)
    assert _Parser()._do_parse(dict(response), shape) == theirs
    if operation == "HeadObject" and headers is HEADERS:
        assert theirs["Metadata"] == {"Title": "Été", "two": "2"}
        assert theirs["ContentLength"] == 12
