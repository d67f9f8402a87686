"""The files of folders and patterns that were passed over, named with the reason."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infini_cli.console import Reporter
    from infini_cli.documents.shelves import Skipped

_NAMED = 5  # files that one line names


def tell_skipped(reporter: "Reporter", skipped: "Sequence[Skipped]") -> None:
    """Write one line for each reason; `--json` has all names."""
    by_reason: dict[str, list[str]] = {}
    for file in skipped:
        by_reason.setdefault(file.reason, []).append(file.path)
    for reason, paths in by_reason.items():
        more = f" and {len(paths) - _NAMED:,} more" if len(paths) > _NAMED else ""
        reporter.note(f"skipped, {reason}: {', '.join(paths[:_NAMED])}{more}")


def describe_skipped(skipped: "Sequence[Skipped]") -> list[dict[str, str]]:
    """All of them, for `--json`."""
    return [{"path": file.path, "reason": file.reason} for file in skipped]
