"""A gate before an S3 store: it notes how it was asked, and may let in nobody but who pays."""

import http.client
import http.server
import threading
import time
import urllib.parse
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.actual.program import POLL_S

PAYER = "x-amz-request-payer"

REFUSED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>AccessDenied</Code><Message>the requester pays here</Message></Error>"
)


@dataclass(frozen=True)
class Asked:
    """A request: `host` without its port, the path, the fields of its query, who pays by header."""

    method: str
    host: str
    path: str
    query: dict
    payer: str | None


def ends_s(query):
    """When a URL of these fields stops to open its object, in epoch seconds."""
    signed = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return signed.timestamp() + int(query["X-Amz-Expires"])


class Gate:
    """Passes requests on to a store as they are, so that their signatures hold.

    It is the store's address, or a proxy before it, which takes the names of all hosts for the
    store. `pays`: as AWS does, it refuses who says neither by header nor in the URL that it pays.
    `late_from` N: the N-th and later requests by a URL come to the store once it has expired.
    """

    def __init__(self, store_url, *, pays=False):
        store = urllib.parse.urlsplit(store_url)
        self.late_from = None
        gate = self
        self.asked = asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self):
                with suppress(OSError):  # who asked has gone
                    super().handle()

            def do_GET(self):
                target = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(target.query, keep_blank_values=True))
                payer = self.headers.get(PAYER)
                host = self.headers["Host"].rpartition(":")[0]
                asked.append(Asked(self.command, host, target.path, query, payer))
                if pays and "requester" not in {payer, query.get(PAYER)}:
                    self._answer(403, [("Content-Type", "application/xml")], REFUSED)
                    return
                gate.hold(query)
                onward_path = target._replace(scheme="", netloc="").geturl()
                with closing(http.client.HTTPConnection(store.hostname, store.port)) as onward:
                    onward.request(self.command, onward_path, headers=dict(self.headers))
                    answer = onward.getresponse()
                    content = answer.read()
                    self._answer(answer.status, answer.getheaders(), content)

            do_HEAD = do_GET  # noqa: N815 - the base class's naming

            def _answer(self, status, headers, content):
                self.send_response_only(status)
                kept = {"transfer-encoding", "connection"}
                if self.command != "HEAD":
                    kept.add("content-length")
                    self.send_header("Content-Length", str(len(content)))
                for name, value in headers:
                    if name.lower() not in kept:
                        self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, *_arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,))
        self._thread.start()
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def hold(self, query):
        """Keep a request by a URL back until the URL has expired, where that is wanted."""
        signature = query.get("X-Amz-Signature")
        if self.late_from is None or signature is None:
            return
        times = sum(one.query.get("X-Amz-Signature") == signature for one in self.asked)
        while times >= self.late_from and time.time() <= ends_s(query):
            time.sleep(POLL_S)

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
