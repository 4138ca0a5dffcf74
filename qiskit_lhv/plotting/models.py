"""Searches for local models, and the hidden variables of the models that were found."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ..exceptions import LHVError
from ..measurements.qubit_sets import PlanarProjective
from ..models.ensemble import ResponseModel
from ..models.responses import QubitResponse
from .figures import BLUE, add_legend, new_figure

if TYPE_CHECKING:
    from ..optimize.search import LocalModelResult

__all__ = ["draw_loss", "plot_hidden_variables", "plot_loss"]

# Number of directions over which a response function is averaged, of bins per axis of a histogram, and of slices into
# which each bin is cut in latitude.
_NUM_DIRECTIONS, _NUM_BINS, _NUM_SLICES = 240, 24, 8
# The axes of the Bloch sphere, in longitude and latitude. At the rim, -x would be on both sides.
_QUARTER = np.pi / 2
_AXES = {"x": (0.0, 0.0), "y": (_QUARTER, 0.0), "-y": (-_QUARTER, 0.0), "z": (0.0, _QUARTER), "-z": (0.0, -_QUARTER)}


def plot_loss(result: LocalModelResult) -> Any:
    """Plots the loss of a search against the number of steps, on a logarithmic scale.

    Args:
        result: The result of ``find_local_model``.

    Returns:
        A matplotlib figure.

    References:
        N. von Selzam, F. Marquardt, arXiv:2407.04673, Fig. 2a.

    Examples:
        Here the result is made by hand, with the losses of three steps:

        >>> import numpy as np
        >>> from qiskit_lhv import BellScenario
        >>> from qiskit_lhv.models import ResponseModel, TableResponse
        >>> from qiskit_lhv.optimize import LocalModelResult
        >>> model = ResponseModel((np.zeros((1, 2, 2)),) * 2, TableResponse(BellScenario([2, 2], 2)))
        >>> figure = plot_loss(LocalModelResult(model, 0.001, np.array([0.1, 0.01, 0.001]), "All steps were taken."))
        >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel(), figure.axes[0].get_yscale()
        ('step', 'loss: KL (nats per trial)', 'log')
    """
    figure = new_figure(5.2, 3.2)
    axis = figure.subplots()
    draw_loss(axis, result)
    axis.set_title(result.status, fontsize=9, wrap=True)
    return figure


def draw_loss(axis: Any, result: LocalModelResult) -> None:
    """Draws the loss of a search against the steps into a panel, and writes the last one.

    Args:
        axis: The panel.
        result: The result of ``find_local_model``.
    """
    history = np.maximum(result.history, 1e-20)
    axis.semilogy(history, color=BLUE, label=f"last: {result.loss:.2g}")
    axis.set_xlabel("step", fontsize=9)
    axis.set_ylabel("loss: KL (nats per trial)", fontsize=9)
    # A loss falls, which leaves this corner free.
    axis.legend(fontsize=8, loc="upper right", frameon=False)


def plot_hidden_variables(model: ResponseModel) -> Any:
    """Plots the density of the directions in which the hidden variables of each party point.

    A hidden variable points in the direction in which outcome 0 is most likely: along the average of n p(0|n, lambda)
    over all directions n. For Bell's response function (degree 1) this is the direction of lambda itself. The sphere is
    shown in the Mollweide projection, which preserves areas, with x in the center and z on top. For models of planar
    measurements, the density on a circle is shown.

    Args:
        model: A model of projective qubit measurements.

    Returns:
        A matplotlib figure with one panel per party. The uniform distribution has a density of 1.

    Raises:
        LHVError: If the model is of another kind.

    References:
        N. von Selzam, F. Marquardt, arXiv:2407.04673, Fig. 5b; J. S. Bell, Physics 1, 195 (1964) (the response function
        of degree 1).

    Examples:
        Hidden variables as in Bell's model: those of the second qubit point against those of the first.

        >>> import numpy as np
        >>> from qiskit_lhv.models import DirectionResponse, ResponseModel, SphericalHarmonics
        >>> hidden = 8 * np.random.default_rng(1).normal(size=(1000, 3))
        >>> model = ResponseModel((hidden, -hidden), DirectionResponse(SphericalHarmonics(1), 2))
        >>> figure = plot_hidden_variables(model)
        >>> [axes.get_title() for axes in figure.axes[::2]]
        ['party 0', 'party 1']
    """
    response = model.response if isinstance(model, ResponseModel) else None
    if not isinstance(response, QubitResponse):
        raise LHVError.bad_argument("model", expected="a model of projective qubit measurements", got=repr(model))
    plane = response.domain.vectors if isinstance(response.domain, PlanarProjective) else None
    directions = response.domain.spread(np.random.default_rng(0), _NUM_DIRECTIONS)
    figure = new_figure(4.0 * model.num_parties, 3.0 if plane is None else 3.6)
    for k, hidden in enumerate(model.hidden_variables):
        pointing = response.means(k, hidden, directions) @ directions
        if plane is None:
            axis = figure.add_subplot(1, model.num_parties, k + 1, projection="mollweide")
            _draw_sphere(figure, axis, pointing, model.weights)
        else:
            axis = figure.add_subplot(1, model.num_parties, k + 1, projection="polar")
            x, y = plane @ pointing.T
            density, edges = np.histogram(np.arctan2(y, x), _NUM_BINS, (-np.pi, np.pi), weights=model.weights)
            width = 2 * np.pi / _NUM_BINS
            axis.bar(edges[:-1], density * _NUM_BINS, width=width, align="edge", color="#a9c4e4", edgecolor=BLUE)
            circle = np.linspace(0, 2 * np.pi, 200)
            line = axis.plot(circle, np.ones_like(circle), color="black", linestyle="--", linewidth=1.2)
            line[0].set_label("density 1, uniform" if k == 0 else None)
            first, second = ("xyz"[int(np.abs(row).argmax())] for row in plane)
            axis.set_thetagrids([0, 90, 180, 270], [first, second, f"-{first}", f"-{second}"])
            axis.set_yticklabels([])
        axis.set_title(f"party {k}", fontsize=9)
    words = "density of hidden variables by the direction in which outcome 0 is most likely"
    figure.suptitle("\n".join(textwrap.wrap(words, int(12 * figure.get_figwidth()))), fontsize=9)
    if plane is not None:
        add_legend(figure)
    return figure


def _draw_sphere(figure: Any, axis: Any, vectors: np.ndarray, weights: np.ndarray) -> None:
    """Draws the density of directions, in bins of equal area: of equal width in longitude and in sin(latitude)."""
    x, y, z = vectors.T / np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(float).tiny)
    rows = _NUM_BINS // 2
    bounds = np.array([[-np.pi, np.pi], [-1, 1]])
    density, longitudes, _ = np.histogram2d(np.arctan2(y, x), z, (_NUM_BINS, rows), bounds, weights=weights)
    # Cells are drawn with straight sides. Each is cut into thin slices that follow the curved rim of the map.
    slices = np.arcsin(np.linspace(-1, 1, rows * _NUM_SLICES + 1))
    table = np.repeat(density.T, _NUM_SLICES, axis=0) * _NUM_BINS * rows
    mesh = axis.pcolormesh(longitudes, slices, table, cmap="viridis", vmin=0)
    axis.grid(alpha=0.3)
    axis.set_xticklabels([])
    axis.set_yticklabels([])
    from matplotlib.patheffects import withStroke

    around = [withStroke(linewidth=2, foreground="black")]
    axis.scatter(*np.array(list(_AXES.values())).T, marker="+", color="white", s=30, path_effects=around, zorder=3)
    for name, place in _AXES.items():
        inside = {"z": (0, -11), "-z": (0, 5)}.get(name, (7, 4))
        axis.annotate(
            name,
            place,
            inside,
            textcoords="offset points",
            color="white",
            fontsize=9,
            path_effects=around,
            ha="center",
            fontweight="bold",
        )
    figure.colorbar(mesh, ax=axis, orientation="horizontal", shrink=0.8, pad=0.05, label="density (uniform: 1)")
    axis.set_xlabel("crosses: axes of the Bloch sphere; the rim left and right is -x", fontsize=8)
