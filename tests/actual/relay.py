"""An unkind network between the program and the platform."""

import http.client
import http.server
import threading
import time
import urllib.parse
from contextlib import closing, suppress

from tests.actual.program import DEADLINE_S, POLL_S


class Relay:
    """Stands between the program and the platform, and can keep back the answers to creates.

    Each create takes `delay_s` on its way there, and on its way back: so long it is in the air.
    """

    def __init__(self, api_url, delay_s=0.0):
        upstream = urllib.parse.urlsplit(api_url)
        self.held = 0
        self.open = threading.Event()
        self.open.set()
        relay = self
        delay_s_of = {"POST": delay_s, "GET": 0.0}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self):
                with suppress(OSError):  # who asked has gone
                    super().handle()

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                delay_s = delay_s_of[self.command]
                time.sleep(delay_s)
                with closing(
                    http.client.HTTPConnection(upstream.hostname, upstream.port, timeout=30)
                ) as onward:
                    onward.request(self.command, self.path, body, dict(self.headers))
                    answer = onward.getresponse()
                    content = answer.read()
                time.sleep(delay_s)
                if self.command == "POST" and not relay.open.is_set():
                    relay.held += 1
                    relay.open.wait(DEADLINE_S)
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the base class's naming

            def log_message(self, *_arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}{upstream.path}"

    def hold(self):
        """Let no further answer to a create through."""
        self.open.clear()

    def release(self):
        """Let through what was kept back, and whatever comes."""
        self.open.set()

    def close(self):
        self.release()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
