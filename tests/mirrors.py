"""A server of files on this machine that can also answer badly, and files as they lie in a folder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from convlet import datasets

Answer = Callable[[BaseHTTPRequestHandler], None]


class Mirror:
    """A server of files, which can also answer badly, and which counts what it was asked for."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.answer: Answer | None = None
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                mirror.asked.append(self.path[1:])
                if mirror.answer is not None:
                    mirror.answer(self)
                elif self.path[1:] in mirror.files:
                    send(self, mirror.files[self.path[1:]])
                else:
                    self.send_error(404)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def send(handler: BaseHTTPRequestHandler, content: bytes, promised_bytes: int | None = None) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content) if promised_bytes is None else promised_bytes))
    handler.end_headers()
    handler.wfile.write(content)


def write(folder: Path, files: dict[str, np.ndarray], suffix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in files.items():
        datasets.write_idx(folder / (name + suffix), array)
