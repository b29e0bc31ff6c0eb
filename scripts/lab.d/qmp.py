"""QEMU's machine protocol: https://www.qemu.org/docs/master/interop/qmp-spec.html"""

import json
import socket
import time


class QmpError(Exception):
    pass


class Qmp:
    """A connection; commands one after the other, events kept until they are asked for."""

    def __init__(self, path, timeout=120):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        self._socket.connect(path)
        self._lines = self._socket.makefile("r", encoding="utf-8")
        self._events = []
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
                self._events.append(answer)
            elif "error" in answer:
                raise QmpError(f"{name}: {answer['error']['desc']}")
            else:
                return answer["return"]

    def monitor(self, line):
        """A command of the human monitor; what it prints is an error."""
        said = self.command("human-monitor-command", **{"command-line": line}).strip()
        if said:
            raise QmpError(f"{line}: {said}")

    def wait_for(self, event, seconds):
        """The data of the next such event; None if there is none in time."""
        deadline = time.monotonic() + seconds
        while True:
            for index, seen in enumerate(self._events):
                if seen["event"] == event:
                    return self._events.pop(index).get("data", {})
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._socket.settimeout(left)
            try:
                self._events.append(self._read())
            except TimeoutError:
                return None
            finally:
                self._socket.settimeout(120)
