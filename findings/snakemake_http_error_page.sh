#!/usr/bin/env bash
# snakemake-storage-plugin-http 0.3.1: a server's error page becomes the input file, and the run is a
# success.
#
# Guess before its code was read: a download that the server answers with 503 (busy) fails, or is
# tried again.
# Seen: the file is there by HEAD, and whatever comes by GET is written into it; its status is not
# looked at. Snakemake 9.27.1 runs the job on the error page and ends with status 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q snakemake==9.27.1 snakemake-storage-plugin-http==0.3.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Busy(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()

    def do_GET(self):
        self.send_response(503)
        self.send_header("Content-Length", "11")
        self.end_headers()
        self.wfile.write(b"busy, later")


server = HTTPServer(("127.0.0.1", 0), Busy)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/a.txt"
Path("Snakefile").write_text(
    f'rule all:\n    input: storage.http("{url}")\n'
    '    output: "b.txt"\n    shell: "cp {input} {output}"\n'
)
done = subprocess.run([sys.executable, "-m", "snakemake", "--cores", "1"], capture_output=True)
print("snakemake ended with", done.returncode, "and made", Path("b.txt").read_text())
assert done.returncode == 0 and Path("b.txt").read_text() == "busy, later"
PYTHON
