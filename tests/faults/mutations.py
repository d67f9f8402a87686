"""Damage to files: of the kinds that disks and networks do, and of the kinds that people do on purpose."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import random
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

_ZIPPED = (".epub", ".docx", ".infini")
_XML = (".xml", ".xhtml", ".opf", ".ncx", ".rels", ".json")
_COMPRESSED: Mapping[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    ".gz": (gzip.decompress, gzip.compress),
    ".xz": (lzma.decompress, lzma.compress),
    ".bz2": (bz2.decompress, bz2.compress),
}
_NUMBERS = (
    b"0",
    b"-1",
    b"1",
    b"65536",
    b"2147483648",
    b"99999999999",
    b"18446744073709551616",
    b"1e309",
    b"nan",
)
_WORDS: Mapping[str, Sequence[bytes]] = {
    ".pdf": (
        *(
            b"<<",
            b">>",
            b"[",
            b"]",
            b"(",
            b")",
            b"<",
            b"endobj",
            b"1 0 R",
            b"0 0 R",
            b"/Kids [1 0 R]",
            b"stream\n",
        ),
        *(
            b"/Length -1",
            b"/Filter [/FlateDecode /FlateDecode]",
            b"/Filter /LZWDecode",
            b"/Type /Pages",
            b"BT",
            b"Do",
        ),
        *(
            b"/Count 99999999",
            b"/Parent 3 0 R",
            b"/ToUnicode 1 0 R",
            b"/Prev 0",
            b"trailer",
            b"startxref\n0",
            b"%%EOF",
        ),
    ),
    ".html": (
        *(
            b"<table>",
            b"</p>",
            b"<div>" * 300,
            b"<ul><li>" * 200,
            b"<!--",
            b"<![CDATA[",
            b"<script>",
            b"&#x110000;",
        ),
        *(
            b"<svg><foreignObject>",
            b"<template>",
            b"<td colspan=99999999>",
            b"<td rowspan=99999999>",
            b"<pre>",
            b"\0",
        ),
    ),
    ".xml": (
        *(
            b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>",
            b"&b;",
            b"<w:p>" * 200,
            b"</w:p>",
        ),
        *(
            b"<!ENTITY x SYSTEM 'file:///etc/passwd'>",
            b"&x;",
            b"<a>" * 300,
            b"href='../../../etc/passwd'",
            b"<?",
            b"]]>",
        ),
        *(b"w:val='99999999999'", b"idref='none'", b"<w:gridSpan w:val='99999999'/>", b"xmlns:w='other'"),
    ),
    ".txt": (
        b"\n" * 500,
        b"# " * 200,
        b"=" * 300,
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"|" * 300,
        b"```",
        b"- " * 300,
        b"\x0c",
    ),
}


def mutate(name: str, raw: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """A damaged version of a file, decided by `chance`: often of what is inside its compression or checksums."""
    if chance.random() < 0.4:
        return _damaged(name, raw, chance, others)
    if name.endswith(_ZIPPED):
        return _in_zip(raw, chance, others)
    for suffix, (unpack, pack) in _COMPRESSED.items():
        if name.endswith(suffix):
            return pack(_damaged(name, unpack(raw), chance, others))
    damaged = _damaged(name, raw, chance, others)
    return _sealed(damaged) if name.endswith(".safetensors") else damaged


def _in_zip(raw: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    chosen = {chance.randrange(len(members)) for _ in range(chance.randint(1, 2))}
    damaged: list[tuple[zipfile.ZipInfo, bytes]] = []
    for number, (info, data) in enumerate(members):
        kind = ".xml" if info.filename.endswith(_XML) else ""
        if number in chosen:
            action = chance.random()
            if action < 0.08:
                continue
            if action < 0.15:
                renamed = zipfile.ZipInfo(
                    chance.choice(["../x", "/x", "x" * 300, "mimetype", f"{info.filename}x"])
                )
                renamed.compress_type = info.compress_type
                info = renamed
            data = _damaged(kind, data, chance, others)
            if info.filename.endswith(".safetensors") and chance.random() < 0.8:
                data = _sealed(data)
        damaged.append((info, data))
    if chance.random() < 0.8:
        damaged = _described(damaged)
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w") as archive:
        warnings.simplefilter("ignore")  # of names that are there twice
        for info, data in damaged:
            archive.writestr(info.filename, data, info.compress_type)
    return made.getvalue()


def _described(members: list[tuple[zipfile.ZipInfo, bytes]]) -> list[tuple[zipfile.ZipInfo, bytes]]:
    """The members with the sizes and hashes in the manifest of a saved memory, if there is one, made true."""
    described = {
        info.filename: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for info, data in members
    }
    result = []
    for info, data in members:
        if info.filename == "manifest.json":
            with suppress(ValueError, KeyError, TypeError):
                manifest = json.loads(data)
                manifest["files"] = {name: described[name] for name in manifest["files"]}
                data = json.dumps(manifest).encode()
        result.append((info, data))
    return result


def _sealed(raw: bytes) -> bytes:
    """A snapshot with its checksum made true."""
    zeros = re.sub(rb'"sha256":"[0-9a-f]{64}"', b'"sha256":"' + b"0" * 64 + b'"', raw, count=1)
    return zeros.replace(b"0" * 64, hashlib.sha256(zeros).hexdigest().encode(), 1)


def _damaged(name: str, raw: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    data = bytearray(raw)
    for _ in range(chance.choice([1, 1, 1, 2, 3, 8, 30])):
        chance.choice(_WAYS)(data, name, chance, others)
    return bytes(data)


def _place(data: bytearray, chance: random.Random) -> int:
    return chance.randint(0, len(data))


def _flip(data: bytearray, name: str, chance: random.Random, others: Sequence[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _overwrite(data: bytearray, name: str, chance: random.Random, others: Sequence[bytes]) -> None:
    at = _place(data, chance)
    piece = chance.choice(
        [chance.randbytes(chance.randint(1, 40)), bytes(chance.randint(1, 600)), b"\xff" * 8]
    )
    data[at : at + len(piece)] = piece


def _cut(data: bytearray, name: str, chance: random.Random, others: Sequence[bytes]) -> None:
    del data[_place(data, chance) :]


def _remove(data: bytearray, name: str, chance: random.Random, others: Sequence[bytes]) -> None:
    at = _place(data, chance)
    del data[at : at + chance.choice([1, 7, 100, 4096])]


def _repeat(data: bytearray, name: str, chance: random.Random, others: Sequence[bytes]) -> None:
    at = _place(data, chance)
    piece = bytes(data[at : at + chance.choice([3, 50, 1000])])
    data[at:at] = piece * chance.choice([1, 2, 40])


def _splice(data: bytearray, name: str, chance: random.Random, others: Sequence[bytes]) -> None:
    other = chance.choice(others)
    start = chance.randint(0, len(other))
    data[_place(data, chance) :] = other[start : start + 20_000]


def _number(data: bytearray, name: str, chance: random.Random, others: Sequence[bytes]) -> None:
    found = list(re.finditer(rb"\d+", data))
    if found:
        match = chance.choice(found)
        data[match.start() : match.end()] = chance.choice(_NUMBERS)


def _word(data: bytearray, name: str, chance: random.Random, others: Sequence[bytes]) -> None:
    kind = next((suffix for suffix in _WORDS if suffix in name), chance.choice(list(_WORDS)))
    at = _place(data, chance)
    data[at:at] = chance.choice(_WORDS[kind])


_WAYS: Sequence[Callable[[bytearray, str, random.Random, Sequence[bytes]], None]] = (
    *(_flip, _overwrite, _cut, _remove, _repeat, _splice, _number, _number, _word, _word),
)
