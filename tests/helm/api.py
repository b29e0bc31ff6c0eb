"""As much of a Kubernetes API as Helm needs for a release whose only object is a ConfigMap: stored in memory."""
import http.server
import json
import re
import threading
import urllib.parse

KINDS = {"secrets": "Secret", "configmaps": "ConfigMap", "namespaces": "Namespace"}
PROTOBUF = "application/octet-stream"


def status(code, reason, message):
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": message}


def merge(into, patch):
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


class Api(http.server.BaseHTTPRequestHandler):
    objects = {}  # (type, name) → object
    unknown = []  # requests that nothing here answers
    answers = threading.Event()  # cleared: what writes a ConfigMap hangs
    answers.set()
    refuses = False  # what writes a ConfigMap is refused

    def log_message(self, *_):
        pass

    def reply(self, code, document):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", PROTOBUF if isinstance(document, bytes) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")

    def place(self):
        """The type and name that the path leads to; (None, None) for something else."""
        parts = urllib.parse.urlparse(self.path).path.strip("/").split("/")
        if parts[:3] == ["api", "v1", "namespaces"] and len(parts) in (5, 6) and parts[4] in KINDS:
            return parts[4], parts[5] if len(parts) == 6 else None
        return None, None

    def discovery(self):
        path = urllib.parse.urlparse(self.path).path
        resources = [{"name": name, "singularName": "", "namespaced": name != "namespaces", "kind": kind,
                      "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]} for name, kind in KINDS.items()]
        return {
            "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.2"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
            "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": resources},
            "/openapi/v2": b"",  # a document without definitions
        }.get(path)

    def selected(self, kind):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        wanted = dict(part.split("=", 1) for part in query.get("labelSelector", [""])[0].split(",") if "=" in part)
        return [item for (of, _), item in sorted(self.objects.items())
                if of == kind and wanted.items() <= item["metadata"].get("labels", {}).items()]

    def do_GET(self):
        document = self.discovery()
        kind, name = self.place()
        if document is not None:
            self.reply(200, document)
        elif re.fullmatch(r"/api/v1/namespaces/[^/]+", urllib.parse.urlparse(self.path).path):
            self.reply(200, {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": self.path.rsplit("/", 1)[1]}})
        elif kind is None:
            self.unknown.append(self.path)
            self.reply(*status(404, "NotFound", "the server could not find the requested resource"))
        elif name is None:
            self.reply(200, {"kind": KINDS[kind] + "List", "apiVersion": "v1", "metadata": {}, "items": self.selected(kind)})
        elif (kind, name) in self.objects:
            self.reply(200, self.objects[kind, name])
        else:
            self.reply(*status(404, "NotFound", f'{kind} "{name}" not found'))

    def is_refused(self, kind):
        if kind != "configmaps":
            return False
        if not self.answers.is_set():
            self.answers.wait(30)
            self.close_connection = True
            return True
        if self.refuses:
            self.body()
            self.reply(*status(403, "Forbidden", "ConfigMaps are refused"))
        return self.refuses

    def do_POST(self):
        kind, _ = self.place()
        if self.is_refused(kind):
            return
        item = self.body()
        item.setdefault("metadata", {})["uid"] = f"uid-{len(self.objects)}"
        self.objects[kind, item["metadata"]["name"]] = item
        self.reply(201, item)

    def do_PUT(self):
        kind, name = self.place()
        self.objects[kind, name] = self.body()
        self.reply(200, self.objects[kind, name])

    def do_PATCH(self):
        kind, name = self.place()
        if self.is_refused(kind):
            return
        merge(self.objects[kind, name], self.body())
        self.reply(200, self.objects[kind, name])

    def do_DELETE(self):
        kind, name = self.place()
        self.body()
        if self.objects.pop((kind, name), None) is None:
            self.reply(*status(404, "NotFound", f'{kind} "{name}" not found'))
        else:
            self.reply(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})


def serve(handler):
    """The address of a server in the background."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"
