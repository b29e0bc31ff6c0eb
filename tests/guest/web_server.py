"""A directory, as a web server has it."""

import http.server
import threading


class WebServer:
    """Serves `directory` at ADDRESS as long as it is used as a context; `url` is where."""

    def __init__(self, directory, address):
        server = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments):
                super().__init__(*arguments, directory=directory)

            def do_GET(self):  # noqa: N802
                if server.fails(self.path):
                    self.send_error(503)
                else:
                    super().do_GET()

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer((address, 0), Handler)
        self.url = f"http://{address}:{self._server.server_port}"

    def fails(self, _path):
        """Whether this request ends in 503."""
        return False

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
