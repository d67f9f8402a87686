"""Files and folders on the disk before they are relied on, so that a power cut cannot leave them empty."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Bring a file's content, or the names in a folder, onto the disk. Raises OSError."""
    if os.name == "nt" and path.is_dir():
        return  # folders cannot be opened there
    # Windows flushes only what was opened for writing
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
