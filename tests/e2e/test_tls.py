"""Certificates: what nobody vouches for is refused in one line, before a key is sent."""

import datetime
import http.server
import socket
import ssl
import threading
from contextlib import contextmanager, suppress

import pytest
import trustme
from told import assert_told

LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


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
def test_a_platform_with_a_certificate_that_is_not_trusted_is_refused(
    world, authority, certificates, tmp_path, case
):
    certificate, word = certificates[case]
    trusted = {} if "nobody" in case else {"SSL_CERT_FILE": str(trusting(tmp_path, authority))}
    manifest = world.manifest(world.objects(1))
    with serving(certificate) as (port, heard):
        result = world.call("run", "--manifest", manifest, "--out", "out",
                            "--api-url", f"https://localhost:{port}/api", env=trusted)  # fmt: skip
    assert_told(result, 1, "certificate", "localhost", "not trusted", word)
    assert "SSL_CERT_FILE" in result.err
    assert not heard


@pytest.mark.parametrize("case", CASES)
def test_an_s3_with_a_certificate_that_is_not_trusted_is_refused(
    world, authority, certificates, tmp_path, case
):
    certificate, word = certificates[case]
    trusted = {} if "nobody" in case else {"AWS_CA_BUNDLE": str(trusting(tmp_path, authority))}
    manifest = world.manifest(world.objects(1))
    with serving(certificate) as (port, heard):
        result = world.call("run", "--manifest", manifest, "--out", "out",
                            "--s3-endpoint-url", f"https://localhost:{port}", env=trusted)  # fmt: skip
    assert_told(result, 1, "certificate of S3", "not trusted", word)
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


def test_tls_that_breaks_in_the_middle_is_a_platform_that_cannot_be_used(
    world, authority, tmp_path
):
    env = {"SSL_CERT_FILE": str(trusting(tmp_path, authority))}
    manifest = world.manifest(world.objects(1))
    with serving(authority.issue_cert("localhost")) as (port, heard):
        result = world.call("run", "--manifest", manifest, "--out", "out",
                            "--api-url", f"https://localhost:{port}", env=env)  # fmt: skip
    assert_told(result, 1, "platform cannot be used", "/v1/account")
    assert heard


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "AWS_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nnoise\n"])
def test_a_file_of_certificates_that_holds_none_is_named(world, name, content):
    file = world.directory / "company.pem"
    if content is not None:
        file.write_bytes(content)
    manifest = world.manifest(world.objects(1))
    result = world.call("run", "--manifest", manifest, "--out", "out", env={name: str(file)})
    assert_told(result, 2, name, "company.pem")
