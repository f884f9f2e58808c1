"""Answers that no platform gives. Each is a body, with 200 where a status is not named."""

import json

UUID = "00000000-0000-4000-8000-000000000000"

BODIES = {
    "nothing": b"",
    "a blank": b" ",
    "null": b"null",
    "true": b"true",
    "a number": b"7",
    "a text": b'"welcome"',
    "a list": b"[]",
    "an empty object": b"{}",
    "HTML": b"<!DOCTYPE html><html><script>alert(1)</script></html>",
    "XML": b'<?xml version="1.0"?><Error/>',
    "plain text": b"OK",
    "cut short": b'{"totalElements": 1, "items": [{"id": "0000',
    "two answers": b'{"totalElements": 0, "items": []}{}',
    "trailing comma": b'{"totalElements": 0, "items": [],}',
    "single quotes": b"{'totalElements': 0, 'items': []}",
    "a comment": b'{"totalElements": 0, "items": [] /* none */}',
    "UTF-16": json.dumps({"totalElements": 0, "items": []}).encode("utf-16"),
    "two BOMs": b'\xef\xbb\xbf\xef\xbb\xbf{"totalElements": 0, "items": []}',
    "Latin-1": b'{"totalElements": 0, "items": ["\xfc"]}',
    "NaN": b'{"totalElements": NaN, "items": []}',
    "a NUL": b'{"totalElements": 0, "items": []}\0',
    "gzip": b"\x1f\x8b\x08\x00" + bytes(32),
    "a depth without an end": b"[" * 100_000,
    "escapes": b"\x1b]8;;http://example.com\x07click\x1b]8;;\x07\x1b[2J\x9b31m",
    "a right-to-left mark": "\u202e\u2066 drow".encode(),
    "names in capitals": b'{"TotalElements": 0, "Items": [], "User": {}, "VideoId": 1}',
    "an error": b'{"errorCode": "RESOURCE_NOT_FOUND", "message": "m", "statusCode": 404}',
    "an error in a list": b'[{"errorCode": "E"}]',
    "a prototype": b'{"__proto__": {"totalElements": 0, "items": []}}',
}
"""What is no answer to any question."""

ACCOUNTS = {
    **BODIES,
    "no team": {"user": {"id": UUID}},
    "no user": {"defaultTeam": {"id": UUID}},
    "a user without id": {"user": {}, "defaultTeam": {"id": UUID}},
    "a user that is a text": {"user": UUID, "defaultTeam": UUID},
    "an id that is a number": {"user": {"id": 7}, "defaultTeam": {"id": 8}},
    "a team that is a list": {"user": {"id": UUID}, "defaultTeam": [{"id": UUID}]},
    "an id that is a path": {"user": {"id": UUID}, "defaultTeam": {"id": "../../x?y"}},
    "an id that is empty": {"user": {"id": ""}, "defaultTeam": {"id": ""}},
    "an id with a line break": {"user": {"id": UUID}, "defaultTeam": {"id": f"{UUID}\n"}},
}
"""Answers to `GET /v1/account`: exit 1, and nothing is sent."""

PAGES = {
    **BODIES,
    "no total": {"items": []},
    "no items": {"totalElements": 0},
    "a negative total": {"totalElements": -1, "items": []},
    "a total beyond all bounds": {"totalElements": 10**40, "items": []},
    "a total with a fraction": {"totalElements": 0.5, "items": []},
    "a total in words": {"totalElements": "none", "items": []},
    "items that are an object": {"totalElements": 0, "items": {}},
    "items that are texts": {"totalElements": 1, "items": [UUID]},
    "an item without id": {"totalElements": 1, "items": [{}]},
    "an item with a number as id": {"totalElements": 1, "items": [{"id": 7}]},
    "an item with a path as id": {"totalElements": 1, "items": [{"id": "../../account"}]},
    "an item with a query in its id": {"totalElements": 1, "items": [{"id": f"{UUID}?x=1"}]},
    "an item that is null": {"totalElements": 1, "items": [None]},
    "more items than asked for": {"totalElements": 101, "items": [{"id": UUID}] * 101},
}
"""Answers to `GET /v1/videos`: asked again, and after --max-outage exit 4."""

MADE = {
    **BODIES,
    "no id": {"upload": {}},
    "an id that is null": {"videoId": None},
    "an id that is a number": {"videoId": 7},
    "an id that is a path": {"videoId": "../../account"},
    "an id that is empty": {"videoId": ""},
    "an id with a blank": {"videoId": f" {UUID}"},
    "an id with a line break": {"videoId": f"{UUID}\n"},
    "an id in other digits": {"videoId": UUID.replace("0", "\u0660")},
    "an id of a megabyte": {"videoId": "0" * 2**20},
}
"""Answers to a POST that no id can be read of: the outcome is unknown, and settled by looking."""

REFUSALS = {
    "a code that is a number": {"errorCode": 7, "message": "m"},
    "a code that is new": {"errorCode": "TEAPOT", "message": "m"},
    "a code that steers": {"errorCode": "\x1b[31m\u202e", "message": "m"},
    "a message that is a list": {"errorCode": "E", "message": ["m"]},
    "a message that is an object": {"errorCode": "E", "message": {"a": 1}},
    "a message of a megabyte": {"errorCode": "E", "message": "m" * 200_000},
    "a message with half a character": b'{"errorCode": "E", "message": "\\ud800"}',
    "a message with a NUL": {"errorCode": "E", "message": "a\0b"},
    "a message with a formula": {"errorCode": "=1+1", "message": "=HYPERLINK(0)"},
    "a message with markup": {"errorCode": "E", "message": "<script>[red]</script>"},
    "a status that differs": {"errorCode": "E", "message": "m", "statusCode": 200},
    "errors that are no list": {"errorCode": "E", "message": "m", "validationErrors": 7},
}
"""Answers 400 to a POST, beside all of BODIES: the row is rejected, and the run goes on."""


def body(answer):
    return answer if isinstance(answer, bytes) else json.dumps(answer).encode()
