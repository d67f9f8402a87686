"""Typesets northanger-abbey.pdf with pdfLaTeX from the text in the Debian package r-cran-janeaustenr."""

import argparse
import hashlib
import logging
import os
import re
import shutil
import subprocess
import tempfile
import warnings
import zlib
from pathlib import Path

PACKAGE = "r-cran-janeaustenr"
DATA_FOLDER = Path("usr/lib/R/site-library/janeaustenr/data")
OBJECT_NAME = "northangerabbey"
TEXT_SHA256 = "8618a5acf5be50cc6e9b7680c7469fb6012649ab08c709dfc63c6367989fd31d"
MODERN_NOTE = "A NOTE ON THE TEXT"
FOOTNOTE_MARK = "*Vide "
SOURCE_DATE = "1577836800"  # 2020-01-01, so that the same TeX gives the same bytes

PREAMBLE = r"""\documentclass[11pt,a5paper,twoside,openany]{memoir}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{mathpazo}
\usepackage{microtype}
\usepackage[hidelinks,bookmarksopen,pdfpagelabels]{hyperref}
\hypersetup{pdftitle={Northanger Abbey},pdfauthor={Jane Austen},pdflang={en-GB}}
\pdftrailerid{northanger-abbey}
\settrimmedsize{\stockheight}{\stockwidth}{*}
\setlrmarginsandblock{18mm}{16mm}{*}
\setulmarginsandblock{20mm}{20mm}{*}
\checkandfixthelayout
\makepagestyle{novel}
\makeevenhead{novel}{\thepage}{\small NORTHANGER ABBEY}{}
\makeoddhead{novel}{}{\small\rightmark}{\thepage}
\makepagestyle{opening}
\makeevenfoot{opening}{}{\thepage}{}
\makeoddfoot{opening}{}{\thepage}{}
\aliaspagestyle{chapter}{opening}
\renewcommand{\chaptitlefont}{\normalfont\Large\centering}
\setlength{\beforechapskip}{14mm}
\setlength{\afterchapskip}{9mm}
\newcommand{\opening}[1]{%
  \chapter*{#1}\phantomsection\addcontentsline{toc}{chapter}{#1}\markboth{}{\MakeUppercase{#1}}}
\renewcommand{\cftchapterfont}{\normalfont}
\renewcommand{\cftchapterpagefont}{\normalfont}
\renewcommand{\cftchapterleader}{\cftdotfill{\cftdotsep}}
\setlength{\cftbeforechapterskip}{1pt}
\renewcommand{\thefootnote}{\fnsymbol{footnote}}
\begin{document}
\frontmatter
\pagestyle{novel}
\thispagestyle{empty}
\begin{center}
\vspace*{35mm}
{\Huge NORTHANGER ABBEY\par}
\vspace{14mm}
{\large by\par}
\vspace{6mm}
{\LARGE Jane Austen\par}
\end{center}
\clearpage
\thispagestyle{empty}
\vspace*{\fill}
\noindent Written in 1798 and 1799, prepared for the press in 1803,\\
first published by John Murray, London, in December 1817.

\medskip
\noindent The text is in the public domain.
\clearpage
"""


def extract_package(package_file: Path, folder: Path) -> Path:
    """Unpack the Debian package and return the folder with its R data."""
    subprocess.run(["dpkg", "-x", str(package_file), str(folder)], check=True)
    return folder / DATA_FOLDER


def download_package(folder: Path) -> Path:
    """Fetch the Debian package into `folder` with apt-get."""
    subprocess.run(["apt-get", "download", "-q", PACKAGE], cwd=folder, check=True)
    return next(folder.glob(f"{PACKAGE}_*.deb"))


def read_lines(data_folder: Path) -> list[str]:
    """The lines of the novel from R's lazy-load database, checked to be the text that this script knows."""
    import rdata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        index = rdata.conversion.convert(rdata.parser.parse_file(data_folder / "Rdata.rdx"))
        start, length = (int(number) for number in index["variables"][OBJECT_NAME])
        record = (data_folder / "Rdata.rdb").read_bytes()[start : start + length]
        # Each record is its size in four bytes, then a zlib stream.
        lines = rdata.conversion.convert(rdata.parser.parse_data(zlib.decompress(record[4:])))
    text = "\n".join(str(line) for line in lines)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if digest != TEXT_SHA256:
        raise SystemExit(f"the package holds another text than expected: sha256 {digest}")
    return text.split("\n")


def paragraphs_of(lines: list[str]) -> list[list[str]]:
    """Groups of lines between blank ones."""
    groups: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            groups[-1].append(line)
        elif groups[-1]:
            groups.append([])
    return [group for group in groups if group]


def to_latex(text: str) -> str:
    """Escape TeX's characters, and turn typewriter quotes and dashes into typographic ones."""
    text = re.sub(r"([&%$#_{}])", r"\\\1", text)
    text = text.replace("----", "------")  # "d---- it": a two-em dash for the word left out
    text = re.sub(r"(?<!-)--(?!-)", "---", text)
    text = re.sub(r"(^|[\s(\[\"-])'(?!Tis\b)(?=\w)", r"\1`", text)
    text = re.sub(r"(^|[\s(\[`-])\"(?=[\w'`.])", r"\1``", text)
    text = text.replace('"', "''")
    # A double quote beside a single one: a thin space keeps TeX from reading them the wrong way round.
    return text.replace("'''", r"'\,''").replace("```", r"``\,`")


def verse(lines: list[str]) -> str:
    """Indented lines as verse; the source repeats the opening quote on every line, as old books do."""
    rows = [to_latex(line.strip()) for line in lines]
    return "\\begin{verse}\n" + "\\\\\n".join(rows) + "\n\\end{verse}"


def typeset(lines: list[str]) -> str:
    """The whole LaTeX source of the book."""
    body = lines[: lines.index(MODERN_NOTE)]
    groups = paragraphs_of(body)
    footnote = next(" ".join(group)[1:] for group in groups if group[0].startswith(FOOTNOTE_MARK))
    parts = [PREAMBLE]
    in_main_matter = False
    # The first three groups are the title page: title, "by", author.
    for group in groups[3:]:
        paragraph = " ".join(line.strip() for line in group)
        if paragraph.startswith("ADVERTISEMENT BY THE AUTHORESS"):
            parts.append("\\opening{Advertisement by the Authoress}")
        elif re.fullmatch(r"CHAPTER \d+", paragraph):
            if not in_main_matter:
                parts.append("\\clearpage\n\\tableofcontents*\n\\mainmatter\n\\pagestyle{novel}")
                in_main_matter = True
            parts.append(f"\\opening{{{paragraph.capitalize()}}}")
        elif paragraph.startswith(FOOTNOTE_MARK):
            continue
        elif all(line.startswith("   ") for line in group):
            parts.append(verse(group))
        else:
            noted = to_latex(paragraph).replace("*", f"\\footnote{{{to_latex(footnote)}}}")
            parts.append(noted)
    parts.append("\\end{document}\n")
    return "\n\n".join(parts)


def run_latex(source: str, folder: Path) -> Path:
    """Run pdfLaTeX often enough for the contents and the outline to settle."""
    (folder / "novel.tex").write_text(source, encoding="utf-8")
    environment = {**os.environ, "SOURCE_DATE_EPOCH": SOURCE_DATE, "FORCE_SOURCE_DATE": "1", "TZ": "UTC"}
    command = ["pdflatex", "-interaction=batchmode", "-halt-on-error", "novel.tex"]
    for _ in range(3):
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return folder / "novel.pdf"


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deb", type=Path, help=f"the package {PACKAGE}, if it is already here")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("northanger-abbey.pdf"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package_file = arguments.deb or download_package(folder)
        lines = read_lines(extract_package(package_file, folder))
        shutil.copyfile(run_latex(typeset(lines), folder), arguments.output)
    words = sum(len(line.split()) for line in lines[: lines.index(MODERN_NOTE)])
    digest = hashlib.sha256(arguments.output.read_bytes()).hexdigest()
    size_bytes = arguments.output.stat().st_size
    logging.info("%s: %d bytes, %d words, sha256 %s", arguments.output.name, size_bytes, words, digest)


if __name__ == "__main__":
    main()
