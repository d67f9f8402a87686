"""Where a wheel lies in the user's own package index, by the index's page on the package (PEP 503)."""

import ast
import html
import re
import urllib.parse
from dataclasses import dataclass

from infini_cli.zoo.index import Source
from infini_cli.zoo.resuming import NotReachable, open_url

_DEFAULT_INDEX = "https://pypi.org/simple"
_SETTING = re.compile(r"^(?P<scope>global|download|:env:)\.(?P<name>[a-z-]+)=(?P<value>.*)$", re.MULTILINE)
_LINK = re.compile(r"""href\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_TIMEOUT_S = 15.0
_MAX_PAGE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class PackageIndex:
    """urls: of the indexes that pip uses. certificates: the file of those that it trusts, or None."""

    urls: tuple[str, ...]
    certificates: str | None


def read_pip_settings(told: str) -> PackageIndex:
    """The indexes, from what `pip config list` prints; the environment is told last and wins."""
    values: dict[str, str] = {}
    for match in _SETTING.finditer(told):
        try:
            values[match["name"]] = str(ast.literal_eval(match["value"]))
        except (ValueError, SyntaxError):
            continue
    if values.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        return PackageIndex((), None)
    urls = [values.get("index-url", _DEFAULT_INDEX), *values.get("extra-index-url", "").split()]
    return PackageIndex(tuple(urls), values.get("cert"))


def find_wheel(source: Source, index: PackageIndex) -> str:
    """The address of a wheel, told by its hash.

    Raises:
        NotReachable: no index on the web has it, or lets it be had without a password.
    """
    for url in index.urls:
        # with a password in it, or not on the web: that is for pip
        if "@" in url or not url.startswith(("https://", "http://")):
            continue
        page = f"{url.rstrip('/')}/{re.sub(r'[-_.]+', '-', source.package).lower()}/"
        try:
            with open_url(page, {"Accept": "text/html"}, index.certificates, timeout=_TIMEOUT_S) as answer:
                text = answer.read(_MAX_PAGE_BYTES).decode("utf-8", errors="replace")
                # links are relative to where a redirection has led
                page = answer.url
        except (OSError, ValueError):
            continue
        for match in _LINK.finditer(text):
            link = urllib.parse.urljoin(page, html.unescape(match[1] or match[2] or ""))
            address, _, fragment = link.partition("#")
            if fragment == f"sha256={source.wheel_sha256}" and address.startswith(("https://", "http://")):
                return address
    raise NotReachable("no index on the web lists the wheel")
