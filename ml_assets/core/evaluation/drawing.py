"""The look that all figures share: colours, axes, bars and time axes."""

from collections.abc import Callable, Mapping

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, Locator

from ml_assets.core.evaluation.measuring import CANDIDATE, PRODUCTION

# Okabe and Ito's colours, which colour-blind readers can tell apart.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
)
GREY, BLACK = "#777777", "#222222"
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY, BLACK)
LINES: Mapping[str, tuple[str, str]] = {
    CANDIDATE: (BLUE, "-"),
    PRODUCTION: (ORANGE, "--"),
    "persistence": (GREY, "-."),
    "seasonal_naive": (GREEN, ":"),
}
METRIC_WORDS: Mapping[str, str] = {
    "validation_rmse": "validation error (RMSE, target's unit)",
    "validation_log_loss": "validation log loss",
}
# matplotlib.dates carries no types.
_LOCATOR: Callable[..., Locator] = AutoDateLocator
_FORMATTER: Callable[..., Formatter] = ConciseDateFormatter


def new(title: str, *, width: float = 8.0, height: float = 4.5) -> Figure:
    """An empty figure with a title; ``width`` and ``height`` in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=12)
    return figure


def tidy(axes: Axes, *, x: str, y: str, grid: str = "both") -> None:
    """Labels the axes, and leaves two spines and a faint grid ("both", "x" or "none")."""
    axes.set(xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    if grid != "none":
        axes.grid(visible=True, axis="both" if grid == "both" else "x", color="#dddddd", lw=0.6)


def date_axis(axes: Axes) -> None:
    """Puts few and short times on the x axis."""
    locator = _LOCATOR(minticks=3, maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(_FORMATTER(locator))


def legend_below(figure: Figure, axes: Axes) -> None:
    """Puts the legend of ``axes`` under the whole figure, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)


def bars(values: Mapping[str, float], *, title: str, label: str) -> Figure:
    """Horizontal bars by name, the first on top; ``label`` says what their length is."""
    slots = max(3, len(values))
    figure = new(title, height=1.4 + 0.26 * slots)
    axes = figure.subplots()
    axes.barh(range(len(values)), list(values.values()), color=BLUE, height=0.7)
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(slots - 0.5, -0.5)
    axes.tick_params(axis="y", labelsize=8, length=0)
    tidy(axes, x=label, y="", grid="x")
    return figure
