"""Correlation tensors estimated from Pauli measurements of a device, with their errors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from qiskit.quantum_info import DensityMatrix

from .._support.records import Record
from .._support.types import FloatArray
from .._support.validation import real_array, shown
from .._support.words import counted
from ..exceptions import CountsError
from ..measurements.effect_sets import ListedMeasurements
from ..measurements.specification import measurement, parse_settings
from .correlations import CorrelationTensor
from .counts import BellCounts, require_counts
from .measured_settings import require_complete
from .operator_basis import hermitian_basis, scenario_of_settings
from .state_tensors import density_matrix
from .tomography import SettingShots, pauli_settings, pooled_shots, settings_of_effects

__all__ = ["MAX_QUBITS", "TensorEstimate", "estimate_of_counts", "estimate_tensor", "least_standard_error"]


MAX_QUBITS = 6
_SAME_AXIS = 1e-8


@dataclass(frozen=True, eq=False, repr=False)
class TensorEstimate(Record):
    """A correlation tensor, estimated from counts, or, for qubits, from expectation values with errors.

    :func:`estimate_tensor` makes it from counts, :func:`estimate_from_estimator` and :func:`estimate_from_expectations`
    from expectation values.

    Raises:
        CountsError: If a standard error is not positive (that of the trace must be 0), the shapes differ, or parties
            other than qubits come without their counts and measurements.

    References:
        D. F. V. James, P. G. Kwiat, W. J. Munro, A. G. White, Phys. Rev. A 64, 052312 (2001), arXiv:quant-ph/0103121.

    Examples:
        >>> from qiskit_lhv import Behavior
        >>> from qiskit_lhv.quantum import isotropic_state
        >>> counts = Behavior.from_state(isotropic_state(0.9), "pauli").sample(1000, seed=1)
        >>> estimate = estimate_tensor(counts)
        >>> print(estimate)
        correlations of 2 qubits from 9000 shots, standard errors up to 0.032
        >>> xx = estimate.tensor.array[1, 1], estimate.standard_errors[1, 1]
        >>> print(f"{xx[0]:.3f} +- {xx[1]:.3f}")
        0.892 +- 0.014
        >>> print(f"{estimate.physical_state().purity().real:.2f}")
        0.85
    """

    tensor: CorrelationTensor
    """The estimate; by chance it may belong to no state."""
    standard_errors: FloatArray
    """Standard error of each entry, in the shape of the tensor; of qubits ``(4,) * N``."""
    counts: BellCounts | None = None
    """The counts, of qubits in all Pauli bases, where the estimate comes from counts."""
    measurements: tuple[ListedMeasurements, ...] | None = None
    """What each party measured; ``None`` if all are qubits, which measured X, Y and Z."""

    def __post_init__(self) -> None:
        errors = real_array(self.standard_errors, "standard_errors", CountsError)
        if errors.shape != self.tensor.array.shape:
            raise CountsError.bad_argument(
                "standard_errors",
                expected=f"one for each entry of the tensor, shape {self.tensor.array.shape}",
                got=f"shape {errors.shape}",
            )
        known = () if self.measurements is None else tuple(one.dimension for one in self.measurements)
        if known != (() if self.of_qubits else self.tensor.dimensions) or (known and self.counts is None):
            raise CountsError.bad_argument(
                "measurements",
                expected="None for qubits, which measure X, Y and Z; for others, counts and what each party measured",
                got=f"measurements of dimensions {known} for parties of dimensions {self.tensor.dimensions}",
                remedy="estimate_tensor(counts, settings) makes an estimate from counts.",
            )
        wrong = errors <= 0
        wrong[(0,) * errors.ndim] = errors.flat[0] != 0
        if wrong.any():
            position = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise CountsError.bad_argument(
                "standard_errors",
                expected="positive numbers, and 0 for the trace",
                got=f"{errors[position]} at index {position}",
                remedy="Exact values are those of CorrelationTensor.from_state(circuit).",
            )
        object.__setattr__(self, "standard_errors", errors)

    @property
    def num_parties(self) -> int:
        """Number of parties N."""
        return self.tensor.num_parties

    @property
    def of_qubits(self) -> bool:
        """Whether every party is one qubit."""
        return set(self.tensor.dimensions) == {2}

    @property
    def parties_in_words(self) -> str:
        """The parties, as in ``"2 qubits"`` or ``"parties of dimensions 4, 3"``."""
        if self.of_qubits:
            return counted(self.num_parties, "qubit")
        return f"parties of dimensions {', '.join(map(str, self.tensor.dimensions))}"

    def __str__(self) -> str:
        source = "expectation values" if self.counts is None else counted(self.counts.total_shots, "shot")
        largest = float(self.standard_errors.max())
        return f"correlations of {self.parties_in_words} from {source}, standard errors up to {largest:.2g}"

    def covariance(self) -> FloatArray:
        """Covariance of all entries, flattened, of N qubits ``(4**N, 4**N)``; expectation values count as independent.

        Its diagonal holds the squares of the standard errors.
        """
        if self.counts is None:
            return np.diag(self.standard_errors.ravel() ** 2)
        total = np.zeros((self.tensor.array.size, self.tensor.array.size))
        for setting in _settings(self.counts, self.measurements):
            total[np.ix_(setting.entries, setting.entries)] += setting.covariance()
        np.fill_diagonal(total, self.standard_errors.ravel() ** 2)
        return total

    def physical_state(self) -> DensityMatrix:
        """The state nearest to the estimate in Frobenius norm: what is negative is taken from the other eigenvalues.

        References:
            Smolin, Gambetta, Smith, Phys. Rev. Lett. 108, 070502 (2012).
        """
        values, vectors = np.linalg.eigh(density_matrix(self.tensor))
        size = len(values)
        # Eigenvalues ascend: the smallest are dropped, and their sum is shared by the others.
        kept = np.arange(size)
        deficit = 0.0
        for i in range(size):
            if values[i] + deficit / (size - i) >= 0:
                kept = np.arange(i, size)
                break
            deficit += values[i]
        spectrum = np.zeros(size)
        spectrum[kept] = values[kept] + deficit / len(kept)
        return DensityMatrix((vectors * spectrum) @ vectors.conj().T, dims=self.tensor.dimensions)

    def functional(self, coefficients: FloatArray, delta: float) -> tuple[float, float]:
        """A linear function of the tensor that was chosen without these data, and how far below the truth may lie.

        Args:
            coefficients: In the shape of the tensor.
            delta: Probability that the truth lies further below.

        Returns:
            The estimate and the allowance: for counts by Hoeffding's inequality, exact; for expectation values by
            their standard errors as if all errors conspired, normal.
        """
        value = float(np.sum(coefficients * self.tensor.array))
        if self.counts is None:
            from scipy.special import ndtri

            rest = np.abs(coefficients) * self.standard_errors
            return value, float(ndtri(1 - delta) * rest.sum())
        flat = np.asarray(coefficients).ravel()
        spread = sum(
            float(np.ptp((flat[setting.entries] * setting.shares) @ setting.values)) ** 2 / setting.shots
            for setting in _settings(self.counts, self.measurements)
        )
        return value, math.sqrt(spread * math.log(1 / delta) / 2)

    def limits(self, alpha: float) -> FloatArray:
        """Largest deviation of each entry from the truth, all together at level 1 - alpha, in the tensor's shape.

        For counts by Hoeffding's inequality; for expectation values normal. With Bonferroni's correction.

        Args:
            alpha: Probability that any entry deviates more.
        """
        entries = self.tensor.array.size - 1
        if self.counts is None:
            from scipy.special import ndtri

            found = float(ndtri(1 - alpha / entries / 2)) * self.standard_errors
        elif self.measurements is None:
            found = np.sqrt(2 / pooled_shots(self.counts) * math.log(2 * entries / alpha))
        else:
            spread = np.zeros(self.tensor.array.size)
            for setting in _settings(self.counts, self.measurements):
                spread[setting.entries] += setting.ranges() ** 2 / setting.shots
            found = np.sqrt(spread * math.log(2 * entries / alpha) / 2).reshape(self.tensor.array.shape)
        if self.of_qubits:
            found = np.minimum(found, 2.0)
        found[(0,) * self.num_parties] = 0
        return found

    def split(self, fraction: float, seed: int | None = None) -> tuple[TensorEstimate, TensorEstimate]:
        """Two estimates from disjoint parts of the shots: one to choose with, one to test.

        Args:
            fraction: Share of the shots of every basis in the first part.
            seed: For the choice of the shots.

        Raises:
            CountsError: If there are no counts, or a part would have no shot of a basis.
        """
        if self.counts is None:
            raise CountsError.bad_argument(
                "estimate", expected="one from counts, which can be split", got="one from expectation values"
            )
        rng = np.random.default_rng(seed)
        rows = self.counts.array.reshape(self.counts.num_shots.size, -1)
        first = np.array(
            [rng.multivariate_hypergeometric(row, int(fraction * row.sum()), method="marginals") for row in rows]
        ).reshape(self.counts.array.shape)
        scenario = self.counts.scenario
        halves = (BellCounts(part, scenario=scenario) for part in (first, self.counts.array - first))
        one, other = (estimate_of_counts(half, self.measurements) for half in halves)
        return one, other


def estimate_tensor(counts: BellCounts, settings: Sequence[Sequence[Any]] | str = "pauli") -> TensorEstimate:
    """The correlation tensor from counts of measurements that determine the state of each party.

    Of qubits, counts in all Pauli bases: every expectation value pools all bases that measure it, weighted by their
    shots. A standard error is never below 6 divided by the number of these shots, also where all of them agree.

    If parties have other dimensions, counts of any measurements that determine the state of each of them, such as all
    product Pauli bases of several qubits, or mutually unbiased bases. The tensor follows by linear inversion, in which
    all settings count alike. With n shots of a setting, the error of its part is never below 3 / n times the most by
    which outcomes differ in it.

    Args:
        counts: Counts of all combinations of settings. Of qubits, two outcomes per party and three settings, as
            ``BellExperiment(circuit, "pauli")`` measures them.
        settings: What was measured, as ``experiment.settings`` tells: for each qubit X, Y and Z, in any order and with
            any sign; for each party of another dimension anything that ``measurement`` takes. Default: X, Y and Z of
            every qubit, in this order.

    Returns:
        The estimate: the tensor, a standard error for each entry, and the counts that it rests on.

    Raises:
        CountsError: If the counts are of another scenario, too large, incomplete, or were post-selected; or if the
            settings of a qubit are not X, Y and Z, or those of another party do not determine its state.
        MeasurementError: If the settings cannot be used.

    References:
        D. F. V. James, P. G. Kwiat, W. J. Munro, A. G. White, Phys. Rev. A 64, 052312 (2001), arXiv:quant-ph/0103121
        (qubits); R. T. Thew, K. Nemoto, A. G. White, W. J. Munro, Phys. Rev. A 66, 012303 (2002),
        arXiv:quant-ph/0201052 (qudits).

    Examples:
        A noisy Bell pair of qubits, measured in all Pauli bases:

        >>> from qiskit_lhv import Behavior
        >>> from qiskit_lhv.quantum import isotropic_state
        >>> counts = Behavior.from_state(isotropic_state(0.9), "pauli").sample(1000, seed=1)
        >>> estimate = estimate_tensor(counts)
        >>> estimate.tensor.array.diagonal().round(2).tolist()
        [1.0, 0.89, -0.9, 0.89]

        Two qutrits, measured in four mutually unbiased bases each:

        >>> from qiskit_lhv.measurements import PVMs
        >>> bases = list(PVMs(3).spread(np.random.default_rng(1), 4))
        >>> counts = Behavior.from_state(isotropic_state(0.5, 3), [bases, bases]).sample(1000, seed=1)
        >>> print(estimate_tensor(counts, [bases, bases]))
        correlations of parties of dimensions 3, 3 from 16000 shots, standard errors up to 0.022
    """
    counts = require_counts(counts)
    if counts.post_selected:
        raise CountsError.bad_argument("counts", expected="all shots", got="post-selected ones")
    if isinstance(settings, str):
        dimensions = [2] * counts.scenario.num_parties
    else:
        dimensions = _dimensions(settings, counts.scenario.num_parties)
    if set(dimensions) == {2}:
        _require_pauli_scenario(counts)
        if not isinstance(settings, str) or settings != "pauli":
            counts = _in_pauli_order(counts, settings)
        return estimate_of_counts(counts, None)
    parsed = parse_settings(settings, dimensions)
    scenario = scenario_of_settings(parsed)
    if counts.scenario != scenario:
        raise CountsError.bad_argument(
            "counts", expected=f"those of the settings, {scenario}", got=f"{counts.scenario}"
        )
    size = math.prod(dimension**2 for dimension in dimensions)
    if size > 4**MAX_QUBITS:
        raise CountsError.bad_argument(
            "counts", expected=f"parties of at most {4**MAX_QUBITS} correlations", got=f"{size}"
        )
    return estimate_of_counts(counts, tuple(ListedMeasurements.of(party) for party in parsed))


def estimate_of_counts(counts: BellCounts, measurements: tuple[ListedMeasurements, ...] | None) -> TensorEstimate:
    """The estimate from counts whose settings were checked.

    Args:
        counts: Counts of all combinations of settings.
        measurements: What each party measured; ``None``: X, Y and Z of qubits.

    Raises:
        CountsError: If a setting combination was not measured, or the measurements of a party do not determine its
            state.
    """
    all_bases = 'Measure all bases: BellExperiment(circuit, "pauli").' if measurements is None else "Measure it."
    require_complete(counts, "of a state", all_bases)
    shape = (4,) * counts.scenario.num_parties
    if measurements is not None:
        shape = tuple(listed.dimension**2 for listed in measurements)
    values, variances = np.zeros(math.prod(shape)), np.zeros(math.prod(shape))
    for setting in _settings(counts, measurements):
        values[setting.entries] += setting.shares * setting.means
        if measurements is None:
            squares = setting.shares**2 * np.maximum(1 - setting.means**2, 0) / setting.shots
        else:
            seen = np.maximum(setting.values**2 @ setting.frequencies - setting.means**2, 0) / setting.shots
            squares = np.maximum(seen, (least_standard_error(setting.shots) / 2 * setting.ranges()) ** 2)
        variances[setting.entries] += squares
    # The weights of the first entry, the trace, add up to 1 up to rounding.
    values[0] = 1
    errors = np.sqrt(variances).reshape(shape)
    if measurements is None:
        errors = np.maximum(errors, least_standard_error(pooled_shots(counts)))
    errors[(0,) * len(shape)] = 0
    return TensorEstimate(CorrelationTensor(values.reshape(shape)), errors, counts, measurements)


def _settings(counts: BellCounts, measurements: tuple[ListedMeasurements, ...] | None) -> Iterator[SettingShots]:
    return pauli_settings(counts) if measurements is None else settings_of_effects(counts, measurements)


def _dimensions(settings: Any, num_parties: int) -> list[int]:
    """Dimension of each party, by its first measurement."""
    if not isinstance(settings, Sequence | np.ndarray) or len(settings) != num_parties:
        raise CountsError.bad_argument(
            "settings",
            expected=f"one sequence of measurements for each of {num_parties} parties",
            got=shown(settings),
            remedy="experiment.settings has them.",
        )
    return [
        measurement(party[0]).dimension if isinstance(party, Sequence | np.ndarray) and len(party) else 2
        for party in settings
    ]


def _require_pauli_scenario(counts: BellCounts) -> None:
    scenario = counts.scenario
    if set(scenario.num_settings) != {3} or not scenario.is_two_outcome:
        raise CountsError.bad_argument(
            "counts",
            expected="the settings X, Y and Z and two outcomes for every qubit",
            got=str(scenario),
            remedy='Measure BellExperiment(circuit, "pauli"); for larger parties, pass the settings.',
        )
    if scenario.num_parties > MAX_QUBITS:
        raise CountsError.bad_argument("counts", expected=f"at most {MAX_QUBITS} qubits", got=f"{scenario.num_parties}")


def _in_pauli_order(counts: BellCounts, settings: Sequence[Sequence[Any]] | str) -> BellCounts:
    """The counts with the settings of every party in the order X, Y, Z, and outcome 0 as the eigenvalue +1 of them."""
    n = counts.scenario.num_parties
    table, probabilities = counts.array, counts.setting_probabilities
    for k, party in enumerate(parse_settings(settings, [2] * n)):
        # Bloch vectors of outcome 0; their length is 1 only for projective measurements.
        vectors = np.array([np.einsum("iab,ba->i", hermitian_basis(2)[1:], own.effects[0]).real for own in party])
        order = np.abs(vectors).argmax(axis=0)
        signs = vectors[order, np.arange(3)]
        if len(party) != 3 or sorted(order) != [0, 1, 2] or np.abs(np.abs(signs) - 1).max() > _SAME_AXIS:
            raise CountsError.bad_argument(
                f"settings[{k}]",
                expected="X, Y and Z, in any order",
                got=", ".join(own.name for own in party),
            )
        table = np.moveaxis(np.take(table, order, axis=k), (k, n + k), (0, 1)).copy()
        for x in np.flatnonzero(signs < 0):
            table[x] = table[x, ::-1]
        table = np.moveaxis(table, (0, 1), (k, n + k))
        if probabilities is not None:
            probabilities = np.take(probabilities, order, axis=k)
    return BellCounts(table, counts.design, probabilities)


def least_standard_error(shots: ArrayLike) -> FloatArray:
    """The smallest standard error that a mean of so many outcomes +1 and -1 is given: 6 / n.

    All n outcomes agree with probability ``(1 - q) ** n <= exp(-n q)`` if each is the other one with probability q, and
    then the mean is off by 2 q. At 6 / n the normal limit, z times the error, misses with probability at most
    ``exp(-3 z)``, which is below the normal tail for z from 0.4 to 4.9 (one-sided levels from 0.34 to 5e-7). At 2 / n,
    one outcome of n, it would be above the tail for every z.

    Args:
        shots: Numbers of outcomes n.
    """
    return 6 / np.asarray(shots, dtype=np.float64)
