"""Reading files out of wheels, npm and Debian packages without unpacking them to disk."""

import io
import tarfile
import zipfile
import zlib
from fnmatch import fnmatchcase
from pathlib import Path


def _debian_data(path: Path) -> bytes:
    """The data.tar, still compressed, in a Debian package: an `ar` archive with 60-byte headers."""
    content = path.read_bytes()
    if not content.startswith(b"!<arch>\n"):
        raise ValueError(f"{path.name} is not a Debian package")
    position = 8
    while position + 60 <= len(content):
        header = content[position : position + 60]
        size = int(header[48:58])
        if header[:16].startswith(b"data.tar"):
            return content[position + 60 : position + 60 + size]
        position += 60 + size + size % 2
    raise ValueError(f"{path.name} holds no data.tar")


def read_files(
    path: Path, patterns: tuple[str, ...], leave_out: tuple[str, ...] = ()
) -> list[tuple[str, bytes]]:
    """The files of an archive that match a pattern and none of `leave_out`: (name, content), in name order.

    Raises:
        ValueError: not an archive of a known kind, or a pattern that matches nothing.
    """

    def wanted(name: str) -> bool:
        matched = any(fnmatchcase(name, pattern) for pattern in patterns)
        return matched and not any(fnmatchcase(name, pattern) for pattern in leave_out)

    found: list[tuple[str, bytes]] = []
    if path.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(path) as archive:
            found = [(name, archive.read(name)) for name in archive.namelist() if wanted(name)]
    else:
        stream = io.BytesIO(_debian_data(path)) if path.suffix == ".deb" else path.open("rb")
        with stream, tarfile.open(fileobj=stream, mode="r:*") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                file = tar.extractfile(member) if member.isfile() and wanted(name) else None
                if file is not None:
                    found.append((name, file.read()))
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name, _ in found):
            raise ValueError(f"{path.name} holds nothing that matches {pattern}")
    return sorted(found)


def read_r_strings(content: bytes) -> list[list[str]]:
    """The character vectors in an R lazy-load database (.rdb).

    The file is a row of blocks: four bytes of length, then a zlib stream with one object in R's binary (XDR)
    serialization, version 3: a header, the object's kind (16 is a character vector) and its strings.
    """
    vectors = []
    position = 0
    while position < len(content):
        inflate = zlib.decompressobj()
        block = inflate.decompress(content[position + 4 :])
        position = len(content) - len(inflate.unused_data)
        if block[:2] != b"X\n":
            raise ValueError("not in R's binary serialization")
        encoding_length = int.from_bytes(block[14:18], "big")
        at = 18 + encoding_length
        kind = block[at + 3]
        if kind != 16:
            continue
        count = int.from_bytes(block[at + 4 : at + 8], "big")
        at += 8
        lines = []
        for _ in range(count):
            length = int.from_bytes(block[at + 4 : at + 8], "big", signed=True)
            length = max(length, 0)  # -1 marks a missing value
            lines.append(block[at + 8 : at + 8 + length].decode("utf-8"))
            at += 8 + length
        vectors.append(lines)
    return vectors
