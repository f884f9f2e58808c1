"""A page of a listing: read quickly where it is of the usual form, and else left to botocore."""

import pytest

from migrator.source.pages import ListPage, read_page

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="x"><Name>b</Name>'
END = "</ListBucketResult>"


def entry(
    key="a.mov", size=5, more="", *, modified="2025-03-01T12:00:00.123Z", etag="&quot;e1&quot;"
):
    return (
        f"<Contents><Key>{key}</Key><LastModified>{modified}</LastModified>"
        f"<ETag>{etag}</ETag>{more}<Size>{size}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )


def page(*parts, truncated="<IsTruncated>false</IsTruncated>", encoded=True):
    encoding = "<EncodingType>url</EncodingType>" if encoded else ""
    return (HEAD + truncated + encoding + "".join(parts) + END).encode()


def test_a_page_is_read_into_columns():
    assert read_page(
        page(
            entry("a%2Bb+c/%C3%BC.mov"),
            entry("x", 0, "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm>", etag='"e-2"'),
            "<CommonPrefixes><Prefix>f+1/</Prefix></CommonPrefixes>",
            truncated="<IsTruncated>true</IsTruncated>"
            "<NextContinuationToken>t/+=</NextContinuationToken>",
        )
    ) == ListPage(
        ["a+b c/ü.mov", "x"], [5, 0], ["e1", "e-2"], [1740830400123] * 2, ["STANDARD"] * 2,
        ["f 1/"], "t/+=",
    )  # fmt: skip


def test_times_are_read_to_the_millisecond():
    times = [f"2025-03-01T12:00:00.{ms:03d}Z" for ms in range(1000)]
    read = read_page(page(*(entry(modified=time) for time in times)))
    assert list(read.modified_ms) == [*range(1740830400000, 1740830401000)]
    assert read_page(page(entry(modified="2025-03-01T12:00:00Z"))).modified_ms == [1740830400000]


def test_a_page_of_nothing_is_read():
    assert read_page(page()) == ListPage([], [], [], [], [], [], None)


@pytest.mark.parametrize(
    ("written", "key"),
    [("a%0Ab", "a\nb"), ("%0a", "\n"), ("%25", "%"), ("100%25+", "100% "), ("%2F", "/")],
)
def test_keys_come_out_exactly_also_beside_one_with_a_line_break(written, key):
    assert list(read_page(page(entry("x+y"), entry(written))).keys) == ["x y", key]


def test_without_an_encoding_a_plus_is_a_plus():
    assert list(read_page(page(entry("a+b%41"), encoded=False)).keys) == ["a+b%41"]


UNUSUAL = {
    "an entry in another order": page("<Contents><Size>5</Size><Key>a</Key></Contents>"),
    "an entry with more in it": page(entry(more="<Restored>1</Restored>")),
    "an unusual one among usual ones": page(entry(), entry(size=-1), entry()),
    "an empty key": page(entry("")),
    "escapes of XML": page(entry("a&amp;b")),
    "a comment": page("<!-- <Contents> -->"),
    "a document type": b"<!DOCTYPE l []>" + page(entry()),
    "a time of another form": page(entry(modified="Sat, 01 Mar 2025 12:00:00 GMT")),
    "a time without a zone": page(entry(modified="2025-03-01T12:00:00")),
    "a time that is none": page(entry(modified="2025-13-01T12:00:00Z")),
    "a time before all times": page(entry(modified="0001-01-01T12:00:00Z")),
    "a time to the microsecond": page(entry(modified="2025-03-01T12:00:00.123456Z")),
    "something between the entries": page(entry(), "<Owner>me</Owner>", entry()),
    "a folder between the entries": page(
        entry(), "<CommonPrefixes><Prefix>f/</Prefix></CommonPrefixes>", entry()
    ),
    "two entries with a blank between, and one that is none": page(
        entry(), " ", entry(), "<Contents></Contents>"
    ),
    "no end": page(entry())[:-5],
    "an error": b"<Error><Code>InternalError</Code></Error>",
    "more to come, and not where": page(truncated="<IsTruncated>true</IsTruncated>"),
    "not said whether more is to come": page(truncated=""),
    "said twice": page(truncated="<IsTruncated>false</IsTruncated>" * 2),
    "a token at the end": page(
        truncated="<IsTruncated>false</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    ),
    "bytes that are no UTF-8": page(entry()).replace(b"a.mov", b"\xff"),
    "a size of a million digits": page(entry(size="9" * 1_000_000)),
    "line breaks between the elements": page(entry().replace("><", ">\n<")),
    "folders with more in them": page("<CommonPrefixes><Prefix>f/</Prefix><X/></CommonPrefixes>"),
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_what_is_not_of_the_usual_form_is_left_to_botocore(case):
    assert read_page(UNUSUAL[case]) is None
