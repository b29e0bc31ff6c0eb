"""QEMU's machine protocol: https://www.qemu.org/docs/master/interop/qmp-spec.html"""

import json
import socket


class QmpError(Exception):
    pass


class Qmp:
    """A connection; commands one after the other, events are not looked at."""

    def __init__(self, path, timeout=120):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._socket.connect(path)
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._read()  # the greeting
        self.command("qmp_capabilities")

    def _read(self):
        line = self._lines.readline()
        if not line:
            raise QmpError("QEMU closed the connection")
        return json.loads(line)

    def command(self, name, **arguments):
        request = {"execute": name, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = self._read()
            if "event" in answer:
                continue
            if "error" in answer:
                raise QmpError(f"{name}: {answer['error']['desc']}")
            return answer["return"]

    def monitor(self, line):
        """A command of the human monitor; what it prints is an error."""
        said = self.command("human-monitor-command", **{"command-line": line}).strip()
        if said:
            raise QmpError(f"{line}: {said}")
