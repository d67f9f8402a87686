"""Plain running text from files as they are: one line per paragraph, no notices of the digital edition."""

import html
import re

# what editions on the web put before and after the work itself
_NOTICE = re.compile(
    r"^(?:\ufeff|produced by|e-text prepared by|transcribed from|html version by|this etext was"
    r"|\*\*\* ?(?:start|end) of|end of (?:the )?project gutenberg|\[illustration)",
    re.IGNORECASE,
)
_LICENCE = re.compile(
    r"\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG|\n\s*End of (?:the )?Project Gutenberg", re.IGNORECASE
)


def clean_text(raw: str) -> str:
    """One line per paragraph, one empty line between paragraphs, no notices and no licence at the end."""
    # some files were converted twice and end their lines with two carriage returns and a line feed
    text = re.sub(r"\r+\n|\r", "\n", html.unescape(raw).lstrip("\ufeff"))
    licence = _LICENCE.search(text, len(text) // 2)
    if licence:
        text = text[: licence.start()]
    paragraphs = []
    for block in re.split(r"\n[ \t]*(?:\n[ \t]*)+", text):
        paragraph = " ".join(block.split())
        if paragraph and not _NOTICE.match(paragraph) and re.search(r"\w", paragraph):
            paragraphs.append(paragraph)
    return "\n\n".join(paragraphs)


def decode(content: bytes) -> str:
    """UTF-8 where it is UTF-8, else Windows-1252, in which no byte is an error."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")
