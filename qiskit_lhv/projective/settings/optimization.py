"""Settings at which a state is most nonlocal, with a proof of its nonlocality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..._support.deadlines import Deadline
from ..._support.progress import ProgressBar
from ..._support.threads import one_blas_thread
from ..._support.validation import generator, instance, shown, whole_numbers
from ...exceptions import MeasurementError, ScenarioError, SolverError
from ...measurements.effect_sets import POVMs
from ...measurements.named_sets import measurement_sets, projective_set
from ...measurements.qubit_sets import QubitMeasurementSet
from ...measurements.sets import MeasurementSet
from ...polytope.expressions.expression import BellExpression
from ...quantum.qubit_layouts import PhysicalQubits
from ...targets.qubits import tensor_of_parties
from .basis_search import BasisSearch
from .horodecki import horodecki_settings
from .optimized import OptimizedSettings
from .povm_search import PovmSearch
from .regular_search import best_regular
from .search import Search
from .search_options import SettingsSearch

__all__ = ["OptimizedSettings", "horodecki_settings", "optimize_settings"]

_VALUE_ROUNDING = 1e-9
# POVMs are returned where they do better than projective settings by more than this.
_BETTER_BY = 1e-8
_MAX_CELLS = 1 << 16


@one_blas_thread()
def optimize_settings(
    state: Any,
    num_settings: int | Sequence[int] = 2,
    *,
    parties: Sequence[Any] | PhysicalQubits | None = None,
    expression: BellExpression | None = None,
    noise: Any = None,
    measurements: MeasurementSet | str = "projective",
    search: SettingsSearch | None = None,
    time_limit: float | None = None,
    seed: int | None = None,
    progress: bool | None = None,
) -> OptimizedSettings:
    """Searches for the settings at which a state violates a Bell inequality most.

    For a fixed expression and fixed settings of all other parties, the value is linear in each Bloch vector of a party,
    so the best vector is known in closed form. Improving one party after the other, from many random starts at once,
    raises the value to a maximum. Without an expression, this step alternates with the local polytope: the visibility
    threshold of the behavior gives the inequality that it violates at the lowest visibility, which is maximized next.
    The starts are equally spaced axes, regular solids, random settings, and the best settings of CHSH, I3322 and
    chained inequalities (two parties) or of the WWZB condition (more parties).

    Where a party is larger than a qubit, settings are bases, one outcome for each basis vector. Those of one setting
    are improved together, by steps that never lower the value. The starts are the settings of
    arXiv:quant-ph/0106024 and those of CHSH in two levels, where all other levels count as other outcomes, both in the
    Schmidt basis, and random bases.

    With POVMs, the effects of one setting are improved together, by steps that never lower the value, from Haar-random
    POVMs and from bases whose vectors are shared out among the outcomes. Projective settings are sought first where the
    expression allows them, and are returned if no POVMs that are found do better.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of 2 to 6 qubits, or of
            parties with at most 64 dimensions in all.
        num_settings: Number of settings, the same for all parties or one number per party; ignored with an expression.
        parties: The qubits of each party, as in ``Behavior.from_state``; default: one party per qubit or subsystem.
        expression: A Bell expression with at most as many outcomes as each party has levels; of a qubit two; with POVMs
            any number. Default: whatever the polytope finds.
        noise: A local state of the same parties, in which the lowest visibility is sought; default: white noise.
        measurements: ``"projective"``, or for qubits a plane, ``"xy"``, ``"xz"`` or ``"yz"``, to which all settings are
            limited; or ``"povm"``, all POVMs; a string or a ``MeasurementSet``. With an expression and no ``noise``,
            POVMs are sought for the largest value, since their outcomes need not be equally likely in white noise.
            Without an expression they have as many outcomes as ``POVMs(D, num_outcomes)`` says, by default D**2.
        search: The method and starts of the search, see :class:`SettingsSearch`; default: party by party.
        time_limit: Seconds for the search; default: none, see :ref:`time-limits`. The default starts take seconds for a
            few settings, and less than a minute on two cores for up to four qubits.
        seed: Seed, or ``None``.
        progress: Whether to show a progress bar; default: on a terminal and in a notebook.

    Returns:
        The best settings found. Their ``verify()`` says whether the state is proven nonlocal; a search that fails
        proves nothing.

    Raises:
        MeasurementError: If the state or the noise is not valid or too large, or the measurements are unknown.
        ScenarioError: If the expression or a number does not fit, or the noise is not local.
        SolverError: If the time is over before an inequality was found for any settings.

    References:
        S. Designolle, T. Vertesi, S. Pokutta, Phys. Rev. A 109, 022205 (2024), arXiv:2310.20677, and references there;
        J. Gruca et al., Phys. Rev. A 82, 012118 (2010), arXiv:1005.0481 (thresholds of states of many qubits).

    Examples:
        >>> from qiskit_lhv import ghz_state
        >>> from qiskit_lhv.polytope import mermin
        >>> print(round(optimize_settings(ghz_state(3), expression=mermin(3), seed=1).visibility, 6))
        0.5
        >>> from qiskit_lhv.quantum import isotropic_state
        >>> print(round(optimize_settings(isotropic_state(1, 3), seed=1).visibility, 5))
        0.69615
    """
    tensor = tensor_of_parties(state, parties)
    dimensions = tensor.dimensions
    of_qubits = set(dimensions) == {2}
    other = None if noise is None else tensor_of_parties(noise, parties, "noise")
    if other is not None and other.array.shape != tensor.array.shape:
        raise MeasurementError.bad_argument(
            "noise", expected=f"a state of parties of dimensions {dimensions}", got=repr(other)
        )
    outcomes = _outcomes_of_povms(measurements, dimensions)
    if outcomes is not None:
        measured = projective_set("projective")
    else:
        measured = projective_set(measurements) if of_qubits else _all_bases(measurements, dimensions)
    options = instance(SettingsSearch() if search is None else search, SettingsSearch, "search", ScenarioError)
    if options.coplanar and not measured.coordinates.all():
        raise ScenarioError.bad_argument(
            "measurements", expected="'projective' where coplanar settings are sought", got=repr(measurements)
        )
    if (not of_qubits or outcomes is not None) and (options.coplanar or options.method != "ascent"):
        raise ScenarioError.bad_argument(
            "search", expected="the method 'ascent' for POVMs and for parties larger than a qubit", got=repr(options)
        )
    if options.method == "regular" and expression is not None:
        raise ScenarioError.bad_argument(
            "expression",
            expected="None for regular settings, whose inequality the polytope finds",
            got=repr(expression),
        )
    if other is not None and np.array_equal(other.array, tensor.array):
        raise MeasurementError.bad_argument("noise", expected="another state than the first", got="the same one")
    starts = int(options.num_starts)
    deadline = Deadline(time_limit)
    rng = generator(seed)
    if expression is None:
        sizes = _numbers_of_settings(num_settings, dimensions if outcomes is None else outcomes)
    else:
        if not isinstance(expression, BellExpression):
            raise ScenarioError.bad_argument(
                "expression", expected="a BellExpression, such as chsh()", got=repr(expression)
            )
        _require_fit(expression, dimensions, measurements, outcomes)
        sizes = expression.scenario.num_settings
    seekers: list[Search] = []
    if expression is None or _fits_projective(expression, dimensions):
        # Any two Bloch vectors lie in a plane.
        coplanar = options.coplanar and max(sizes) > 2
        by_gradients = coplanar or options.method == "gradient"
        seekers.append(
            Search(tensor, other, measured, coplanar, by_gradients, rng, deadline)
            if of_qubits
            else BasisSearch(tensor, other, measured, False, False, rng, deadline)
        )
    if outcomes is not None:
        most = outcomes if expression is None else expression.scenario.max_outcomes
        seekers.append(PovmSearch(tensor, other, measured, False, False, rng, deadline, most))
    best: OptimizedSettings | None = None
    for seeker in seekers:
        if best is not None and deadline.over:
            break
        if expression is not None:
            found = _with_local_noise(seeker.best_for(expression, starts))
        elif options.method == "regular":
            found = _found_in_time(seeker, best_regular(seeker, sizes), sizes)
        else:
            found = _search_polytope(seeker, sizes, max(1, starts // 10), progress)
        if best is None or _is_better(found, best, by_value=expression is not None and other is None):
            best = found
    assert best is not None
    return best


def _numbers_of_settings(given: Any, outcomes: Sequence[int]) -> tuple[int, ...]:
    """Returns the number of settings of each party, whose polytope is not too large.

    Args:
        given: One number for all parties, or one for each.
        outcomes: Number of outcomes of each party.
    """
    n = len(outcomes)
    sizes = whole_numbers(given, "num_settings", ScenarioError, minimum=1)
    sizes = sizes * n if len(sizes) == 1 else sizes
    if len(sizes) != n or min(sizes) < 2:
        raise ScenarioError.bad_argument(
            "num_settings",
            expected=f"numbers of at least 2, one for all or one for each of {n} parties",
            got=f"{sizes}",
        )
    cells = math.prod((d - 1) * m + 1 for m, d in zip(sizes, outcomes, strict=True))
    if cells > _MAX_CELLS:
        raise ScenarioError.bad_argument(
            "num_settings",
            expected=f"at most {_MAX_CELLS} combinations of settings",
            got=f"{cells}",
            remedy=f"About {int((_MAX_CELLS ** (1 / n) - 1) / (max(outcomes) - 1))} settings per party fit.",
        )
    return sizes


def _is_better(found: OptimizedSettings, best: OptimizedSettings, *, by_value: bool) -> bool:
    """Whether settings have a larger value than others, or are nonlocal at a lower visibility."""
    return found.value > best.value + _BETTER_BY if by_value else found.visibility < best.visibility - _BETTER_BY


def _outcomes_of_povms(measurements: Any, dimensions: Sequence[int]) -> tuple[int, ...] | None:
    """Returns how many outcomes the POVMs of each party have; ``None`` if the measurements are not POVMs."""
    named = isinstance(measurements, str) and measurements == POVMs().name
    if not named and not isinstance(measurements, POVMs):
        return None
    # Other sets are those of qubits, or of bases, which are read elsewhere.
    sets = [own for own in measurement_sets(measurements, dimensions) if isinstance(own, POVMs)]
    return tuple(own.most_outcomes for own in sets)


def _fits_projective(expression: BellExpression, dimensions: Sequence[int]) -> bool:
    """Whether bases of each party have enough outcomes for an expression; Bloch vectors have two."""
    scenario = expression.scenario
    if set(dimensions) == {2}:
        return scenario.is_two_outcome
    return all(most <= dimension for most, dimension in zip(scenario.max_outcomes, dimensions, strict=True))


def _require_fit(
    expression: BellExpression, dimensions: Sequence[int], measurements: Any, outcomes: Sequence[int] | None
) -> None:
    """Raises if an expression is about other numbers of parties or outcomes than the measurements have."""
    scenario, n = expression.scenario, len(dimensions)
    if outcomes is None:
        fits = scenario.num_parties == n and _fits_projective(expression, dimensions)
        at_most = "two outcomes"
        if set(dimensions) != {2}:
            at_most = f"at most {', '.join(map(str, dimensions))} outcomes"
    else:
        limited = isinstance(measurements, POVMs) and measurements.num_outcomes is not None
        fits = scenario.num_parties == n
        fits = fits and not (limited and any(a > b for a, b in zip(scenario.max_outcomes, outcomes, strict=True)))
        at_most = f"at most {max(outcomes)} outcomes" if limited else "any numbers of outcomes"
    if not fits:
        raise ScenarioError.bad_argument("expression", expected=f"{n} parties with {at_most}", got=str(scenario))


def _all_bases(measurements: Any, dimensions: Sequence[int]) -> QubitMeasurementSet:
    """Returns the set of all projective measurements, which is the only one for parties larger than a qubit."""
    for found in measurement_sets(measurements, dimensions):
        if found.name != "projective":
            raise MeasurementError.bad_argument(
                "measurements",
                expected="'projective' or 'povm' for parties larger than a qubit",
                got=shown(measurements),
                remedy="A plane is one of Bloch vectors.",
            )
    return projective_set("projective")


def _search_polytope(
    search: Search, sizes: tuple[int, ...], num_random: int, progress: bool | None
) -> OptimizedSettings:
    best: OptimizedSettings | None = None
    history = []
    with ProgressBar(None, progress, "start") as bar:
        for vectors in search.starts(sizes, num_random):
            found = search.alternate(vectors)
            history.append(math.inf if found is None else found.visibility)
            if found is not None and (best is None or found.visibility < best.visibility):
                best = found
            bar.update(1, "no inequality yet" if best is None else f"visibility {best.visibility:.6g}")
            if search.late():
                break
    return replace(_found_in_time(search, best, sizes), history=tuple(history))


def _found_in_time(search: Search, best: OptimizedSettings | None, sizes: tuple[int, ...]) -> OptimizedSettings:
    if best is None and search.late():
        raise SolverError.bad_argument(
            "time_limit",
            expected="time for the polytope of the first settings",
            got="none left before it had an inequality",
            remedy="Give more time, or ask for fewer settings.",
        )
    # Otherwise the polytope gave no inequality, so the state is local for all settings that were tried.
    return search.nothing(sizes) if best is None else best


def _with_local_noise(found: OptimizedSettings) -> OptimizedSettings:
    """Returns the settings, or raises if the noise violates the inequality, as the visibility would mean nothing."""
    if found.noise is not None:
        noise = replace(found, correlations=found.noise, noise=None)
        if noise.violation > _VALUE_ROUNDING:
            raise ScenarioError.bad_argument(
                "noise", expected="a local state", got=f"one that violates the inequality by {noise.violation:.6g}"
            )
    return found
