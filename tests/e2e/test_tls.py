"""Certificates: what nobody vouches for is refused in one line, before a key is sent."""

import datetime as dt
import http.server
import socket
import ssl
import threading
from contextlib import contextmanager, suppress

import pytest
import trustme
from told import assert_told

from migrator.certificates import check_certificates
from migrator.errors import RunFailed, UsageError
from migrator.pixop.client import Lost, NotSent, PixopClient
from migrator.settings import Secret, StoreSettings
from migrator.source import s3
from migrator.source.credentials import KeyRing, SourceKeys

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@contextmanager
def serving(certificate, spoken=b""):
    """A TLS server on loopback that notes what it is asked; yields (port, requests)."""
    heard = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self):
            connection, address = super().get_request()
            return context.wrap_socket(connection, server_side=True), address

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append((self.path, dict(self.headers)))
            if spoken:
                self.wfile.write(spoken)
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        do_HEAD = do_POST = do_GET  # noqa: N815 - the base class's naming

        def log_message(self, *_arguments):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port, heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def certificates(authority):
    return {
        "an authority that nobody knows": (authority.issue_cert("localhost"), "issuer"),
        "expired": (authority.issue_cert("localhost", not_after=LONG_AGO), "expired"),
        "of another host": (authority.issue_cert("example.com"), "mismatch"),
    }


CASES = ("an authority that nobody knows", "expired", "of another host")


def trusting(tmp_path, authority):
    file = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(str(file))
    return file


@pytest.mark.parametrize("case", CASES)
async def test_a_certificate_that_is_not_trusted_is_refused_with_its_reason(
    authority, certificates, tmp_path, monkeypatch, case
):
    certificate, word = certificates[case]
    trusted = None if "nobody" in case else str(trusting(tmp_path, authority))
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", trusted)
    monkeypatch.setattr(s3, "ATTEMPTS", 1)
    with serving(certificate) as (port, heard):
        url = f"https://localhost:{port}"
        async with PixopClient(url, Secret("key"), 1) as client:
            reply = await client.call("POST", "/v1/x", None, b"{}")
        keys = KeyRing(SourceKeys("AKIAEXAMPLE", Secret("secret")), {})
        async with s3.SourceS3(
            keys, StoreSettings(s3_endpoint_url=url), "us-east-1", trusted
        ) as source:
            with pytest.raises(RunFailed, match="certificate of S3 is not trusted") as raised:
                await source.head("bucket", "key")
    assert isinstance(reply, NotSent)
    assert reply.untrusted
    assert word in reply.detail
    assert word in raised.value.message
    assert not heard


def test_a_server_that_nobody_vouches_for_ends_the_run_in_one_line(world, authority):
    manifest = world.manifest(world.objects(1))
    with serving(authority.issue_cert("localhost")) as (port, heard):
        result = world.call("run", "--manifest", manifest, "--out", "out",
                            "--api-url", f"https://localhost:{port}")  # fmt: skip
    assert_told(result, 1, "certificate", "not trusted", "issuer")
    assert "SSL_CERT_FILE" in result.err
    assert not heard


def test_a_company_s_authority_in_ssl_cert_file_is_trusted_for_both(world, authority, tmp_path):
    env = {"SSL_CERT_FILE": str(trusting(tmp_path, authority))}
    manifest = world.manifest(world.objects(1))
    with serving(authority.issue_cert("localhost"), b"HTTP/1.0 418 No\r\n\r\n") as (port, heard):
        url = f"https://localhost:{port}"
        world.call("run", "--manifest", manifest, "--out", "platform", "--api-url", url, env=env)
        assert {path for path, _ in heard} == {"/v1/account"}
        assert heard[0][1]["X-API-Key"] == world.sandbox.env["PIXOP_API_KEY"]
        heard.clear()
        world.call("run", "--prefix", "s3://some-bucket/", "--out", "s3", "--s3-endpoint-url", url,
                   env=env)  # fmt: skip
        assert any(path.startswith("/some-bucket") for path, _ in heard)


async def test_tls_that_breaks_in_the_middle_leaves_the_outcome_unknown(
    authority, tmp_path, monkeypatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(trusting(tmp_path, authority)))
    with serving(authority.issue_cert("localhost")) as (port, heard):
        async with PixopClient(f"https://localhost:{port}", Secret("key"), 1) as client:
            assert isinstance(await client.call("POST", "/v1/x", None, b"{}"), Lost)
    assert len(heard) == 1


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "AWS_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nnoise\n"])
def test_a_file_of_certificates_that_holds_none_is_named(tmp_path, name, content):
    file = tmp_path / "company.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=f"{name}.*company.pem") as raised:
        check_certificates({name: str(file)})
    assert raised.value.hint
