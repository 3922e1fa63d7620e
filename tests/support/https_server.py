"""An https server on this machine, with a certificate that requests trusts while the block runs."""

import contextlib
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme


class Answers(BaseHTTPRequestHandler):
    """Answers from `server.pages`: {path: (status, headers, content)}, or the content alone."""

    def do_GET(self):
        page = self.server.pages.get(self.path, (404, {}, b"not here"))
        status, headers, content = page if isinstance(page, tuple) else (200, {}, page)
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        with contextlib.suppress(OSError):  # a client that has read enough
            self.wfile.write(content)

    def log_message(self, *_):
        pass


class Pages(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.pages = {}

    def handle_error(self, *_):
        pass

    def address(self, path):
        return f"https://localhost:{self.server_port}{path}"


@contextlib.contextmanager
def running(folder):
    """(the server, the file of its authority's certificate) until the block ends."""
    authority, server = trustme.CA(), Pages()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server, folder / "authority.pem"
    finally:
        server.shutdown()
        server.server_close()
