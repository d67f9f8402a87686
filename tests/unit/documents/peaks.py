"""How much memory reading a document takes, parsers in C included."""

import subprocess
import sys
from pathlib import Path

_CODE = """
import sys
from pathlib import Path
from infini_cli.documents import open_document
document = open_document(Path(sys.argv[1]))
characters = sum(len(page.text) for page in document.pages())
document.close()
# not ru_maxrss, which begins with the height of the parent
print(characters, Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def read_in_process(path: Path) -> tuple[int, int]:
    """The characters of a document, and the KiB at the height of reading it in a process of its own."""
    command = [sys.executable, "-c", _CODE, str(path)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root, timeout=100)
    characters, peak_kib = map(int, done.stdout.split())
    return characters, peak_kib
