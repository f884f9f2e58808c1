"""A secret that comes back in an answer is masked, however it is spelled, and pieces of it too."""

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.redaction import MAX_SCANNED, PIECE, Redactor
from migrator.settings import Secret

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY=XAMPLEKEY"
API_KEY = "px_live_%41-key&with\\odd\"characters'<in>it"
REDACTOR = Redactor([Secret(SECRET), Secret(API_KEY)])


def every_character(form):
    return lambda secret: "".join(form.format(ord(character)) for character in secret)


SPELLINGS = {
    "plain": lambda s: s,
    "JSON": lambda s: json.dumps(s)[1:-1],
    "JSON in JSON": lambda s: json.dumps(json.dumps(s))[3:-3],
    "JSON with escaped slashes": lambda s: json.dumps(s)[1:-1].replace("/", "\\/"),
    "JSON, all escaped": every_character("\\u{:04x}"),
    "Python": every_character("\\x{:02X}"),
    "URL": lambda s: quote(s, safe=""),
    "URL in lower case": every_character("%{:02x}"),
    "URL, twice": lambda s: quote(quote(s, safe=""), safe=""),
    "HTML": html.escape,
    "HTML, twice": lambda s: html.escape(html.escape(s)),
    "HTML by numbers": every_character("&#{};"),
    "HTML by hex numbers": every_character("&#x{:X};"),
    "hex": lambda s: s.encode().hex(),
    "HEX": lambda s: s.encode().hex().upper(),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 of more": lambda s: base64.b64encode(b"user:" + s.encode() + b"\n").decode(),
    "base64 of yet more": lambda s: base64.b64encode(b"a" + s.encode()).decode(),
    "base64 for URLs": lambda s: base64.urlsafe_b64encode(s.encode()).decode(),
}
_spelling = st.sampled_from(sorted(SPELLINGS))
_secret = st.sampled_from([SECRET, API_KEY])


def pieces(text, length):
    return {text[begin : begin + length] for begin in range(len(text) - length + 1)}


@pytest.mark.parametrize("secret", [SECRET, API_KEY], ids=["secret", "key"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_is_masked_in_a_text_and_in_a_body(spelling, secret):
    spelled = SPELLINGS[spelling](secret)
    told = REDACTOR.text(f"the key {spelled} is wrong")
    body = REDACTOR.body(json.dumps({"n": 7, "items": [{"message": spelled}]}).encode())
    raw = REDACTOR.body(f"<html>{spelled}".encode()).decode()

    assert json.loads(body)["n"] == 7
    for text in (told, json.loads(body)["items"][0]["message"], raw):
        assert "***" in text
        # In base64 the ends depend on what stands beside; they are no piece of the secret.
        assert not pieces(spelled, PIECE + 3) & pieces(text, PIECE + 3)
        assert not pieces(secret, PIECE) & pieces(text, PIECE)


@given(_secret, _spelling, st.integers(0, 20), st.integers(11, 40), st.text(), st.text())
def test_a_piece_is_masked_wherever_it_was_cut(secret, spelling, begin, length, before, after):
    piece = secret[begin : begin + length]
    told = REDACTOR.text(before + SPELLINGS["plain"](piece) + after)
    assert len(piece) < 11 or not pieces(piece, PIECE) & pieces(told, PIECE)
    masked = REDACTOR.text(before + SPELLINGS[spelling](secret) + after)
    assert not pieces(secret, PIECE) & pieces(masked, PIECE)


@given(st.text())
def test_what_holds_no_secret_stays_as_it_is(text):
    assert REDACTOR.text(text) == text
    assert REDACTOR.body(text.encode("utf-8", "surrogatepass")) == text.encode(
        "utf-8", "surrogatepass"
    )


@given(st.binary())
def test_no_body_makes_it_raise(noise):
    body = noise + SECRET.encode() + noise
    assert SECRET.encode() not in REDACTOR.body(body)


def test_numbers_and_names_of_fields_stay_as_they_were():
    redactor = Redactor([Secret("1234567890"), Secret("items")])
    body = {"totalElements": 1234567890, "items": ["1234567890", None, 1.5, True, "items"]}
    assert json.loads(redactor.body(json.dumps(body).encode())) == {
        **body,
        "items": ["***", None, 1.5, True, "***"],
    }
    assert json.loads(REDACTOR.body(json.dumps({SECRET: 1}).encode())) == {"***": 1}


@pytest.mark.parametrize("secret", [SECRET, "0123456789abcdef" * 4, "1234"])
def test_an_id_that_shares_some_digits_with_a_secret_stays_an_id(secret):
    """By chance one in some ten million does; without its id a page of the list makes no sense."""
    video_id = f"{SECRET.encode().hex()[4:12]}-1234-4234-8234-0123456789ab"
    body = json.dumps({"items": [{"id": video_id, "name": "a clip"}]}).encode()
    assert json.loads(Redactor([Secret(secret)]).body(body)) == json.loads(body)


def test_a_secret_that_has_the_form_of_an_id_is_masked():
    secret = "01234567-89ab-4cde-8f01-23456789abcd"
    for kept in (secret, f"key_{secret}"):
        body = json.dumps({"userId": secret, "message": f"no {secret}"}).encode()
        assert json.loads(Redactor([Secret(kept)]).body(body))["userId"] == "***"


@pytest.mark.parametrize("short", ["a", "key", "1234567"])
def test_a_short_secret_is_masked_as_a_whole(short):
    assert Redactor([Secret(short)]).text(f"x {short} y") == f"x {'***'} y"


def test_an_empty_secret_masks_nothing():
    assert Redactor([Secret("")]).text("abc") == "abc"


def test_what_is_far_too_long_and_holds_a_secret_is_not_kept():
    assert REDACTOR.text("x" * MAX_SCANNED + SECRET) == "***"
    assert REDACTOR.body(b"[" * MAX_SCANNED + SECRET.encode()) == b"***"
    deep = b"[" * 100_000 + b'"' + SECRET.encode()
    assert SECRET.encode() not in REDACTOR.body(deep)


def test_a_split_secret_is_masked_in_each_field():
    body = {"errorCode": SECRET[:20], "message": SECRET[20:], "requestPath": "/v1"}
    assert json.loads(REDACTOR.body(json.dumps(body).encode())) == {
        "errorCode": "***", "message": "***", "requestPath": "/v1",
    }  # fmt: skip
