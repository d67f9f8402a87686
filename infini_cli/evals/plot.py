"""Heat maps of recall: depth by length, one panel for each kind."""

from pathlib import Path
from typing import TYPE_CHECKING

from infini_cli.errors import UsageError
from infini_cli.evals.grid import format_length
from infini_cli.evals.results import Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL_INCHES = 0.7


def check_matplotlib() -> None:
    """Raise UsageError when matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError(
            "plots need matplotlib, which is not installed",
            hint="pip install 'infini-attention-cli[train]'",
        ) from None


def heat_map(entry: Entry, title: str, file: Path) -> None:
    """Draw an evaluation of recall as a PNG.

    Raises:
        UsageError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys(cell["kind"] for cell in entry["cells"]))
    lengths = sorted({cell["length"] for cell in entry["cells"]})
    depths = sorted({cell["depth"] for cell in entry["cells"]})
    width = len(kinds) * (_CELL_INCHES * len(lengths) + 1.2)
    figure = Figure(figsize=(max(3.2, width), _CELL_INCHES * len(depths) + 1.8), layout="constrained")
    FigureCanvasAgg(figure)
    for place, kind in enumerate(kinds, start=1):
        axes = figure.add_subplot(1, len(kinds), place)
        shares = {
            (cell["depth"], cell["length"]): cell["exact"] for cell in entry["cells"] if cell["kind"] == kind
        }
        _panel(axes, kind, shares, lengths, depths)
    figure.suptitle(f"{title}: right answers from memory (%)")
    figure.savefig(file, format="png", dpi=150)


def _panel(
    axes: "Axes",
    kind: str,
    shares: dict[tuple[float, int], float],
    lengths: list[int],
    depths: list[float],
) -> None:
    """One kind; a cell that was not measured stays white."""
    nothing = float("nan")
    values = [[100 * shares.get((depth, length), nothing) for length in lengths] for depth in depths]
    axes.imshow(values, cmap="RdYlGn", vmin=0, vmax=100, aspect="auto")
    for row, depth in enumerate(depths):
        for column, length in enumerate(lengths):
            if (depth, length) in shares:
                axes.text(column, row, f"{values[row][column]:.0f}", ha="center", va="center")
    axes.set_title(kind)
    axes.set_xticks(range(len(lengths)), [format_length(length) for length in lengths])
    axes.set_yticks(range(len(depths)), [f"{100 * depth:g}%" for depth in depths])
    axes.set_xlabel("tokens read")
    axes.set_ylabel("depth of the answer")
