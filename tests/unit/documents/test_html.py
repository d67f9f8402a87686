"""HTML: structure kept, navigation left out and counted, no word lost."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infini_cli.documents import Page, open_document
from infini_cli.documents.html_blocks import HtmlText
from infini_cli.documents.html_furniture import HIDDEN, NAVIGATION
from infini_cli.documents.html_tree import body_of, parse_html
from infini_cli.errors import DocumentError


def pages_of(path: Path, content: str | bytes) -> list[Page]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    document = open_document(path)
    pages = list(document.pages())
    assert document.format == "html"
    assert document.pages_total == len(pages)
    document.close()
    return pages


def text_of(body: str) -> str:
    root = body_of(parse_html(f"<html><body>{body}</body></html>"))
    assert root is not None
    parts = []
    for block in HtmlText(root).blocks():
        parts += ["\n" if block.tight else "\n\n", block.text]
    return "".join(parts).strip("\n")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>One\n  line.</p>two<p>three", "One line.\n\ntwo\n\nthree"),
        ("a<b>b</b> <i>c</i>d<span> e</span>", "ab cd e"),
        ("One<br>two<br/>three", "One\ntwo\nthree"),
        ("<ul><li>a<li>b<ul><li>c</ul><li>d</ul>e", "- a\n- b\n  - c\n- d\n\ne"),
        ("<ol start=3><li>a</li><li value=7>b</li><li><p>c</p><p>d</p></li></ol>", "3. a\n7. b\n8. c\n\nd"),
        ("<dl><dt>Term</dt><dd>Its meaning.</dd><dt>Other</dt></dl>", "Term\nIts meaning.\n\nOther"),
        ("<pre>\n  if x:\n      y()\n\n  z\n</pre>", "      if x:\n          y()\n\n      z"),
        ("<p>Use <code>x  y</code>.</p>", "Use x y."),
        ("<table><caption>Sums</caption><tr><th>a</th><th>b</th></tr><tr><td>1</td><td><p>2</p></td></tr></table>",
         "Sums\n\n| a | b |\n| 1 | 2 |"),
        ("<table><tr><td><h2>T</h2><p>x</p></td><td><p>y</p><p>z</p></td></tr></table>", "T\n\nx\n\ny\n\nz"),
        ("<table><tr><td><table><tr><td>1</td><td>2</td></tr></table></td></tr></table>", "| 1 | 2 |"),
        ("10<sup>6</sup> and H<sub>2</sub>O, the 4<sup>th</sup>", "10^6 and H2O, the 4th"),
        ('word<sup><a href="#n1">1</a></sup> and <a href="#n2"><sup>2</sup></a>', "word[1] and [2]"),
        ("<q>Yes</q>, she said", "“Yes”, she said"),
        ('<math alttext="x^2"><mi>x</mi><mn>2</mn></math> is', "$x^2$ is"),
        ("<h1>One\n<br>two</h1><p>x", "One two\n\nx"),
        ("a&nbsp;b &lt;c&gt; &eacute;", "a\u00a0b <c> é"),
    ],
)  # fmt: skip
def test_structure_is_kept(body: str, expected: str) -> None:
    assert text_of(body) == expected


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("<nav><ul><li>menu</ul></nav>", NAVIGATION),
        ('<div role="navigation">menu</div>', NAVIGATION),
        ('<div class="navheader big">menu</div>', NAVIGATION),
        ('<header><h1>Kept</h1><nav>menu</nav></header>', NAVIGATION),
        ("<footer>menu</footer>", NAVIGATION),
        ("<button>menu</button>", NAVIGATION),
        ("<p hidden>menu</p>", HIDDEN),
        ('<div style="color: red; DISPLAY: none">menu</div>', HIDDEN),
        ("<noscript>menu</noscript>", HIDDEN),
    ],
)  # fmt: skip
def test_what_is_no_text_of_the_page_is_left_out_and_counted(tmp_path: Path, body: str, rule: str) -> None:
    (page,) = pages_of(tmp_path / "a.html", f"<html><body>{body}<p>Kept</p></body></html>")
    assert set(page.text.split()) == {"Kept"}
    assert page.dropped == ((rule, len("- menu" if "<li>" in body else "menu")),)


def test_scripts_and_styles_are_no_text_at_all(tmp_path: Path) -> None:
    body = "<style>p{}</style><script>var x = '<p>no</p>'</script><template>no</template><svg><text>no</text></svg>"
    (page,) = pages_of(tmp_path / "a.html", f"<html><body>{body}<p>Kept</p><!-- no --></body></html>")
    assert (page.text, page.dropped) == ("Kept", ())


def test_a_footer_inside_an_article_is_text() -> None:
    assert text_of("<article>a<footer>by B</footer></article>") == "a\n\nby B"


def test_a_page_of_links_alone_is_read(tmp_path: Path) -> None:
    (page,) = pages_of(tmp_path / "a.html", "<html><body><nav><a href=a>One</a> <a href=b>Two</a></nav>")
    assert (page.text, page.dropped) == ("One Two", ())


def test_headings_are_sections_and_else_the_title_is_one(tmp_path: Path) -> None:
    text = "The heath was dark. " * 40
    source = f"<title>T</title><body><h1>One</h1><p>{text}<h3>Two <a class=headerlink>¶</a></h3><p>{text * 5}"
    pages = pages_of(tmp_path / "a.html", f"<!DOCTYPE html>{source}")
    found = [(heading.title, heading.level) for page in pages for heading in page.headings]
    assert found == [("One", 1), ("Two", 3)]
    for page in pages:
        for heading in page.headings:
            assert page.text.startswith(heading.title, heading.offset)
    (page,) = pages_of(tmp_path / "a.html", "<html><title>The  title</title><body>text")
    assert [(h.offset, h.title, h.level) for h in page.headings] == [(0, "The title", 1)]


def test_a_blank_page_is_blank(tmp_path: Path) -> None:
    (page,) = pages_of(
        tmp_path / "a.html", "<html><head><title>T</title></head><body> <img src=x> </body></html>"
    )
    assert (page.skipped, page.text) == ("blank", "")


def test_pages_are_the_same_whatever_the_start(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    pages = pages_of(path, "<html><body>" + "".join(f"<h2>{n}</h2><p>{'words ' * n}</p>" for n in range(150)))
    document = open_document(path)
    assert len(pages) > 5
    for start in (1, 3, len(pages), len(pages) + 1):
        assert list(document.pages(start)) == pages[start - 1 :]


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ('<meta charset="windows-1251">', "cp1251"),
        ('<meta http-equiv=Content-Type content="text/html; charset=koi8-r">', "koi8-r"),
        ("", "utf-8"),
        ("<meta charset=koi8-r>", "utf-8"),  # it says so, but it is UTF-8
        ("", "utf-16"),
        ("<meta charset=utf-16>", "utf-8"),
        ("<meta charset=base64>", "cp1251"),
    ],
)
def test_encodings(tmp_path: Path, declared: str, encoding: str) -> None:
    text = "Все счастливые семьи похожи друг на друга, каждая несчастлива по-своему. " * 10
    source = f"<html><head>{declared}</head><body><p>{text}</body></html>"
    (page,) = pages_of(tmp_path / "a.html", source.encode(encoding))
    assert page.text == text.strip()


def test_a_page_too_large_or_too_deep_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.html"
    path.write_text("<html><body>" + "<div>" * 200_000)
    with pytest.raises(DocumentError, match="nested more than"):
        open_document(path)
    monkeypatch.setattr("infini_cli.documents.html._MAX_BYTES", 1000)
    with pytest.raises(DocumentError, match="is an HTML page of more than"):
        open_document(path)


class Words(HTMLParser):
    """All words of a page, by another parser."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.data: list[str] = []
        self.feed(source)
        self.close()

    def handle_data(self, data: str) -> None:
        self.data.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("b", "a"):
            self.data.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self.handle_starttag(tag, [])


TAGS = st.sampled_from(
    "p div b a ul ol li table tr td th h1 h2 pre blockquote br dl dt dd section nav".split()
)
PIECES = st.one_of(
    TAGS.map(lambda tag: f"<{tag}>"),
    TAGS.map(lambda tag: f"</{tag}>"),
    st.sampled_from(["word ", "x", " ", "\n", "Größe. ", "&amp;", "名前"]),
)


@given(body=st.lists(PIECES, max_size=60).map("".join))
def test_no_letter_is_lost_and_none_comes_twice(body: str) -> None:
    source = f"<html><body>{body}</body></html>"
    root = body_of(parse_html(source))
    assert root is not None
    text = HtmlText(root, keep_all=True)
    letters = re.sub(r"[\W\d_]", "", "".join(block.text for block in text.blocks()))
    assert sorted(letters) == sorted(re.sub(r"[\W\d_]", "", "".join(Words(source).data)))
    counted = HtmlText(root)
    kept = sum(len(re.findall(r"[^\W\d_]", block.text)) for block in counted.blocks())
    left_out = counted.dropped.total()
    assert kept <= len(letters)
    assert (kept == len(letters)) or left_out >= len(letters) - kept
