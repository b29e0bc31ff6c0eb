"""The guests' image, as a web server has it."""

import hashlib
import os

from web_server import WebServer


class ServedImage(WebServer):
    """Serves one file as long as it is used as a context; `url` is where, `sha256` what it has to be."""

    def __init__(self, path):
        directory, name = os.path.split(path)
        super().__init__(directory, "127.0.0.1")
        self.url += f"/{name}"
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
        self.sha256 = digest.hexdigest()
