"""Archives: what is damaged is named, and no bomb goes off."""

import struct
import zipfile
from pathlib import Path

import pytest

from infini_cli.documents.zip_archive import MemberError, ZipArchive
from infini_cli.errors import DocumentError

MB = 1 << 20


def write(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_members_are_read_and_found_by_folded_names(tmp_path: Path) -> None:
    with ZipArchive(write(tmp_path / "a.zip", One=b"1", two=b"2" * 5000), "a.zip") as archive:
        assert archive.names == ["One", "two"]
        assert (archive.find("one"), archive.find("One"), archive.find("three")) == ("One", "One", None)
        assert archive.read("One", 10) == b"1"
        with archive.stream("two", 5000) as stream:
            assert (stream.read(3), len(stream.read())) == (b"222", 4997)
        with pytest.raises(MemberError, match="three is missing"):
            archive.read("three", 10)


def test_members_beyond_the_limit_are_not_unpacked(tmp_path: Path) -> None:
    with ZipArchive(write(tmp_path / "a.zip", big=bytes(3 * MB)), "a.zip") as archive:
        with pytest.raises(MemberError, match="big is larger than 2 MB"):
            archive.read("big", 2 * MB)
        assert len(archive.read("big", 3 * MB)) == 3 * MB


def test_a_member_packed_too_tightly_is_a_bomb(tmp_path: Path) -> None:
    with (
        ZipArchive(write(tmp_path / "a.zip", big=bytes(20 * MB)), "a.zip") as archive,
        pytest.raises(MemberError, match="decompression bomb"),
    ):
        archive.read("big", 100 * MB)


def test_a_member_that_declares_less_than_it_unpacks_to_is_damaged(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", big=bytes(5 * MB))
    raw = bytearray(path.read_bytes())
    place = raw.rfind(b"PK\x01\x02")
    raw[place + 24 : place + 28] = struct.pack("<L", 1000)
    path.write_bytes(raw)
    with ZipArchive(path, "a.zip") as archive, pytest.raises(MemberError, match="big is damaged"):
        archive.read("big", 2000)


def test_damaged_and_encrypted_members_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", text=b"a text that is long enough to be packed " * 20)
    whole = path.read_bytes()
    raw = bytearray(whole)
    raw[40:50] = bytes(10)
    path.write_bytes(raw)
    with ZipArchive(path, "a.zip") as archive, pytest.raises(MemberError, match="text is damaged"):
        archive.read("text", MB)
    raw = bytearray(whole)
    raw[6] |= 1  # the flag for encryption, in both places
    raw[raw.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with ZipArchive(path, "a.zip") as archive, pytest.raises(MemberError, match="encrypted with a password"):
        archive.read("text", MB)


def test_an_archive_without_its_end_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", text=b"text" * 100)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DocumentError, match="is a damaged ZIP archive"):
        ZipArchive(path, "a.zip")


def test_an_archive_of_a_million_files_is_refused_before_its_list_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(300):
            archive.writestr(f"{number}", b"")

    def refuse(*_arguments: object) -> None:
        raise AssertionError("the list was read")

    monkeypatch.setattr("infini_cli.documents.zip_archive.zipfile.ZipFile", refuse)
    for limit in ("_MAX_MEMBERS", "_MAX_DIRECTORY_BYTES"):
        monkeypatch.setattr(f"infini_cli.documents.zip_archive.{limit}", 299)
        with pytest.raises(DocumentError, match="more files than a document has"):
            ZipArchive(path, "a.zip")
        monkeypatch.setattr(f"infini_cli.documents.zip_archive.{limit}", 1 << 20)
