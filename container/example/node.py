"""A node of the example: answers every request with its host's name.

Invariant: it needs the standard library alone, for it runs on the image's own Python.
"""

import http.server
import socket


class Node(http.server.BaseHTTPRequestHandler):
    """Says which node it is."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answers any path."""
        body = f"This is {socket.gethostname()}.\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing: health monitors ask every few seconds."""


http.server.ThreadingHTTPServer(("", 8000), Node).serve_forever()
