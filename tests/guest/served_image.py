"""The guests' image, as a web server has it."""

import hashlib
import http.server
import os
import threading


class ServedImage:
    """Serves one file as long as it is used as a context; `url` is where, `sha256` what it has to be."""

    def __init__(self, path):
        directory, name = os.path.split(path)

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=directory)

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/{name}"
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
        self.sha256 = digest.hexdigest()

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
