"""Real servers on the loopback: of static files, with faults at will, and of S3 (moto)."""

import hashlib
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class StaticServer(ThreadingHTTPServer):
    """Serves a folder; notes what it gave, and fails where it is told to.

    Attributes
    ----------
    given : list of (str, int)
        Path and bytes of each answer to a GET.
    faults : dict of str
        By path: a status to answer with, or "cut" for half of the file, or "HEAD only" for an
        answer to HEAD alone.
    lists : bool
        Whether a folder is answered with a list of what is in it.
    etags : bool
        Whether an ETag is told rather than a time.
    ranges : bool
        Whether parts of files are given.
    """

    def __init__(self, folder: Path):
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.folder, self.url = folder, f"http://127.0.0.1:{self.server_port}"
        self.given: list[tuple[str, int]] = []
        self.faults: dict[str, int | str] = {}
        self.lists = self.ranges = True
        self.etags = False

    def handle_error(self, request, client_address):
        """A client may go away."""


class _Handler(SimpleHTTPRequestHandler):
    server: StaticServer

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self._answer(head=False)

    def do_HEAD(self):
        self._answer(head=True)

    def _answer(self, *, head: bool):
        path = self.path.partition("?")[0]
        fault = self.server.faults.get(path)
        here = Path(self.translate_path(self.path))
        if fault == "HEAD only" and not head:
            fault = 403
        if isinstance(fault, int):
            return self.send_error(fault)
        if here.is_dir():
            if not self.server.lists:
                return self.send_error(404)
            return super().do_HEAD() if head else super().do_GET()
        if not here.is_file():
            return self.send_error(404)
        data = here.read_bytes()
        part = data
        wanted = self.headers.get("Range", "").removeprefix("bytes=")
        if wanted and self.server.ranges:
            first, _, last = wanted.partition("-")
            part = (
                data[int(first) : int(last) + 1 if last else None] if first else data[-int(last) :]
            )
        self.send_response(206 if part is not data else 200)
        self.send_header("Content-Length", str(len(part)))
        if self.server.etags:
            self.send_header("ETag", f'"{hashlib.md5(data).hexdigest()}"')
        else:
            self.send_header("Last-Modified", self.date_time_string(here.stat().st_mtime))
        self.end_headers()
        if not head:
            self.server.given.append((path, len(part)))
            self.wfile.write(part[: len(part) // 2] if fault == "cut" else part)
        if fault == "cut":
            self.close_connection = True


@contextmanager
def static_server(folder: Path):
    server = StaticServer(folder)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def s3_server():
    """Give the address of an empty S3, and the environment of who has the key."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
    finally:
        server.stop()
