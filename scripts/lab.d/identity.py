"""Gives QEMU's emulated cards the PCI identity of NVIDIA's.

QEMU has no property for it, so the bytes are rewritten where it keeps the configuration spaces: in its heap,
while the machine has not started yet.
"""

import re

# Offsets in a configuration space: vendor and device 0, class 9 (3 bytes, the lowest first), header type 14.
# Cards are told from the host's other displays by being multifunction.
_BOCHS_DISPLAY = re.compile(rb"\x34\x12\x11\x11.{4}.\x00\x80\x03..\x80", re.DOTALL)
_INTEL_HDA = re.compile(rb"\x86\x80\x68\x26.{4}.\x00\x03\x04..", re.DOTALL)

_DISPLAY_ID = b"\xde\x10\x84\x26"
_AUDIO_ID = b"\xde\x10\xba\x22"
_VGA_CLASS = b"\x00\x00\x03"

# The guest's memory and the translated code are larger than any heap.
_LARGEST_HEAP = 128 << 20


def _heaps(pid):
    """Beginnings and ends of private writable memory."""
    with open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
        for line in maps:
            fields = line.split(None, 5)
            start, end = (int(part, 16) for part in fields[0].split("-"))
            name = fields[5].strip() if len(fields) > 5 else ""
            if fields[1] == "rw-p" and name in ("", "[heap]") and end - start <= _LARGEST_HEAP:
                yield start, end


def rewrite(pid, displays, audios):
    """Rewrites the given numbers of cards; any other number found is an error."""
    found = {"display": [], "audio": []}
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        for start, end in _heaps(pid):
            memory.seek(start)
            try:
                content = memory.read(end - start)
            except OSError:
                continue
            found["display"] += [start + match.start() for match in _BOCHS_DISPLAY.finditer(content)]
            found["audio"] += [start + match.start() for match in _INTEL_HDA.finditer(content)]
        if len(found["display"]) != displays or len(found["audio"]) != audios:
            raise RuntimeError(f"expected {displays} displays and {audios} audio functions in QEMU's heap, found "
                               f"{len(found['display'])} and {len(found['audio'])}")
        for address in found["display"]:
            memory.seek(address)
            memory.write(_DISPLAY_ID)
            memory.seek(address + 9)
            memory.write(_VGA_CLASS)
        for address in found["audio"]:
            memory.seek(address)
            memory.write(_AUDIO_ID)
