"""A corpus for the tiny test model, built as `make data` builds one, from a package made up here."""

import hashlib
import json
import zipfile
from pathlib import Path

from infini_cli import paths
from infini_cli.tokenizers import load_tokenizer
from infini_cli.training.corpus import build_corpus, corpus_dir
from infini_cli.training.manifest import load_manifest
from tests.unit.training.conftest import prose

MANIFEST = """
schema = 1
[[source]]
name = "made-up"
registry = "pypi"
package = "made-up"
version = "1"
archive = "made_up-1-py3-none-any.whl"
sha256 = "SHA"
licence = "public domain"
root = "made_up"
[[source.book]]
name = "road"
title = "The Road"
files = ["road.txt"]
[[source.book]]
name = "river"
title = "The River"
role = "heldout"
files = ["river.txt"]
[[source.questions]]
name = "squad"
title = "Questions"
reader = "squad"
files = ["squad.json"]
[[source.questions]]
name = "leads"
title = "Leads"
reader = "leads"
files = ["leads.json"]
"""


def _articles() -> list[dict]:
    """So many that some are held out."""
    return [
        {
            "title": f"Town {number:02d}",
            "paragraphs": [
                {
                    "context": f"Town {number} was built in {1500 + number}. It lies at the river.",
                    "qas": [
                        {
                            "question": f"When was town {number} built?",
                            "is_impossible": False,
                            "answers": [{"text": str(1500 + number)}],
                        },
                        {"question": f"Who built town {number}?", "is_impossible": True, "answers": []},
                    ],
                }
            ],
        }
        for number in range(27)
    ]


def make_corpus(scratch: Path) -> None:
    """Put the corpus where the program looks for it; `scratch` takes what it is made from."""
    archive = corpus_dir() / "downloads" / "made_up-1-py3-none-any.whl"
    archive.parent.mkdir(parents=True)
    leads = {f"Thing {number}": {"extract": f"Thing {number} is a thing. It stays."} for number in range(3)}
    with zipfile.ZipFile(archive, "w") as wheel:
        wheel.writestr("made_up/road.txt", prose(1, 600, ("Brown", "Miller")))
        wheel.writestr("made_up/river.txt", prose(2, 600, ("Quill", "Tanner")))
        wheel.writestr("made_up/squad.json", json.dumps({"data": _articles()}))
        wheel.writestr("made_up/leads.json", json.dumps(leads))
    manifest = scratch / "manifest.toml"
    manifest.write_text(MANIFEST.replace("SHA", hashlib.sha256(archive.read_bytes()).hexdigest()))
    tokenizer = load_tokenizer(paths.shipped_models_dir() / "for-tests-tiny")
    build_corpus(tokenizer, corpus_dir(), load_manifest(manifest))
