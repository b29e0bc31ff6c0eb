#!/usr/bin/env python3
"""A web server for tests: web_server.py DIRECTORY. Prints its port, then serves one document until it is killed.

DIRECTORY/document   what /image gives, with an ETag, ranges (If-Range) and If-None-Match
DIRECTORY/cut        if it is there: a transfer breaks off after as many bytes as it says; used once
DIRECTORY/log        one line per request: path, Range, status
"""
import hashlib
import http.server
import os
import sys

directory = sys.argv[1]


def path_of(name):
    return os.path.join(directory, name)


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, headers, body=b""):
        with open(path_of("log"), "a") as log:
            print(self.path, self.headers.get("Range", "-"), status, file=log)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            with open(path_of("cut")) as cut:
                body = body[: int(cut.read())]
            os.unlink(path_of("cut"))
            self.close_connection = True
        except FileNotFoundError:
            pass
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/moved":
            return self.answer(302, {"Location": "/image"})
        if self.path == "/to-file":
            return self.answer(302, {"Location": "file:///etc/hostname"})
        if self.path == "/round":
            return self.answer(302, {"Location": "/round"})
        if self.path != "/image":
            return self.answer(404, {}, b"not here")
        with open(path_of("document"), "rb") as document:
            body = document.read()
        tag = '"%s"' % hashlib.sha256(body).hexdigest()[:16]
        if self.headers.get("If-None-Match") == tag:
            return self.answer(304, {"ETag": tag})
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes=") and self.headers.get("If-Range", tag) == tag:
            begin = int(wanted[len("bytes="):].split("-")[0])
            if begin >= len(body):
                return self.answer(416, {"Content-Range": "bytes */%d" % len(body)})
            content_range = "bytes %d-%d/%d" % (begin, len(body) - 1, len(body))
            return self.answer(206, {"ETag": tag, "Content-Range": content_range}, body[begin:])
        return self.answer(200, {"ETag": tag}, body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
