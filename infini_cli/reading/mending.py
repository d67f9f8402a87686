"""Typeset lines made prose again, for the model to read; the stored text stays as it was extracted."""

import re

# a line that starts so stands on its own: list item, numbered item, heading, quotation, table, indented code
_OWN_LINE = re.compile(r"(?:[-*+•‣▪◦–—]\s|\(?(?:\d{1,3}|[A-Za-z])[.)]\s|#{1,6}\s|>|\||\t| {4})")
_ENDS_SENTENCE = re.compile(r"[.!?:;。！？…][\"'”’»)\]]*$")
_OPENS_SENTENCE = re.compile(r"[\"'“‘«(\[]*[A-ZÀ-ÖØ-ÞΑ-ΩА-Я0-9]")
_INNER_HYPHEN = re.compile(r"[^\W_][-\u2010]$")
_SPACELESS = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")  # Chinese, Japanese

_SHORT = 0.6  # of the longest line: a line so short did not reach the margin, so its end was meant
_SHORTISH = 0.85  # the same, for a line that also ends a sentence before one that opens one


def mend_lines(text: str, *, starts_line: bool = True) -> str:
    """The passage `text` with the line breaks inside its paragraphs replaced by what the author wrote there.

    A break becomes a space, or nothing after a hyphen and between Chinese or Japanese characters; a hyphen
    between small letters goes with it. Blank lines stay as one; breaks before list items, headings, tables
    and indented lines stay, and so do those after lines that end well before the margin (the longest line of
    the passage). Soft hyphens go. `starts_line` says whether `text` begins at the beginning of a line of its
    page; if not, its first line is short for that reason.
    """
    lines = [line.rstrip() for line in text.splitlines()]
    longest = max((len(line) for line in lines), default=0)
    pieces: list[str] = []
    previous = ""  # the last line put into `pieces`
    gap = False  # blank lines since then
    for number, line in enumerate(lines):
        if not line:
            gap = bool(pieces)
            continue
        if not pieces:
            pieces.append(line)
        elif gap:
            pieces += ["\n\n", line]
        else:
            judged = longest if number > 1 or starts_line else 0
            if _divides_word(previous, line):
                pieces[-1] = pieces[-1][:-1]
                pieces.append(line.lstrip())
            else:
                joint = _joint(previous, line, judged)
                pieces += [joint, line if joint == "\n" else line.lstrip()]
        previous, gap = line, False
    return "".join(pieces).replace("\u00ad", "")


def ends_sentence(text: str) -> bool:
    """Whether a text stops where a sentence may stop."""
    return _ENDS_SENTENCE.search(text) is not None


def _divides_word(above: str, below: str) -> bool:
    """Whether the hyphen that ends `above` stands in the middle of a word that goes on in `below`."""
    if above.endswith("\u00ad"):
        return True
    return above.endswith(("-", "\u2010")) and above[-2:-1].islower() and below.lstrip()[:1].islower()


def _joint(above: str, below: str, longest: int) -> str:
    """What belongs between two lines of one block: a line break, a space, or nothing."""
    if _OWN_LINE.match(below) or len(above) < _SHORT * longest:
        return "\n"
    if len(above) < _SHORTISH * longest and ends_sentence(above) and _OPENS_SENTENCE.match(below):
        return "\n"
    if _INNER_HYPHEN.search(above) and below.lstrip()[0].isalnum():
        return ""
    if _SPACELESS.match(above[-1]) and _SPACELESS.match(below.lstrip()[0]):
        return ""
    return " "
