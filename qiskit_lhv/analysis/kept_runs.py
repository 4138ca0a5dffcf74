"""What a search for a critical visibility keeps in its folder, and finds there again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..exceptions import CertificateError
from ..measurements.named_sets import qubit_set
from ..measurements.sets import MeasurementSet
from ..projective.certificates.certificate import AllProjectiveCertificate
from ..projective.certificates.quick_proofs import LocalityProof
from ..projective.settings.optimization import OptimizedSettings
from ..targets.correlations import CorrelationTensor
from ..targets.qubits import planar_tensor
from ..verification.result import Verification, combine
from .state_question import among

__all__ = ["KeptRun", "same_correlations"]

# States are the same if none of their correlations differs by more.
_LARGEST_DIFFERENCE = 1e-12


def same_correlations(
    first: CorrelationTensor | None, second: CorrelationTensor | None, measurements: MeasurementSet
) -> bool:
    """Returns whether two correlation tensors agree as far as the measurements see them; ``None`` is white noise.

    Args:
        first: A tensor, or ``None``.
        second: The other one.
        measurements: The measurements of each party.
    """
    if first is None or second is None:
        return first is second
    if first.dimensions != second.dimensions:
        return False
    if set(first.dimensions) == {2}:
        first, second = (planar_tensor(tensor, measurements) for tensor in (first, second))
    return first.largest_difference(second) <= _LARGEST_DIFFERENCE


@dataclass(frozen=True)
class KeptRun:
    """The question of a call, and the folder that keeps its results."""

    tensor: CorrelationTensor
    noise: CorrelationTensor | None
    measurements: MeasurementSet
    folder: Path | None

    def _place(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / name

    def _require_same(
        self, file: Path, tensor: CorrelationTensor, noise: CorrelationTensor | None, measurements: MeasurementSet
    ) -> None:
        """Raises an error if a file belongs to another run."""
        asked = self.measurements
        same = same_correlations(self.tensor, tensor, asked) and same_correlations(self.noise, noise, asked)
        if measurements != asked or not same:
            raise CertificateError.bad_argument(
                "folder",
                expected="a new folder, or one of this very run",
                got=f"{file.name} of another state, noise or measurements",
                remedy="Nothing was changed: pass another folder.",
            )

    # Settings

    def kept_settings(self) -> OptimizedSettings | None:
        """Returns the settings that an earlier call kept, or ``None``."""
        if self.folder is None or not self._place("settings.json").exists():
            return None
        file = self._place("settings.json")
        loaded = OptimizedSettings.load(file)
        widest = qubit_set("projective" if loaded.is_projective else "povm")
        inside = self.measurements if among(loaded, self.measurements) else widest
        self._require_same(file, loaded.correlations, loaded.noise, inside)
        above = loaded.visibility * (1 + 1e-8)
        checks = [loaded.inequality.verify()]
        if math.isfinite(above):
            checks.append(loaded.mixed(above).verify())
        _require_not_refuted(file, combine(*checks))
        return loaded

    def keep_settings(self, found: Sequence[OptimizedSettings | LocalityProof]) -> OptimizedSettings | None:
        """Keeps and returns the settings of the lowest visibility among those with a proven local bound."""
        settings = [proof for proof in found if isinstance(proof, OptimizedSettings) and proof.inequality.bound.exact]
        best = min(settings, key=lambda proof: proof.visibility, default=None)
        if best is not None and self.folder is not None:
            best.save(self._place("settings.json"))
        return best

    # Certificates from polyhedra

    def has_certificate(self, num_axes: int) -> bool:
        """Returns whether an earlier call kept a certificate with this number of axes."""
        return self._place(f"certificate_{num_axes}.npz").exists()

    def certificate(self, num_axes: int) -> AllProjectiveCertificate | None:
        """Returns that certificate, or ``None`` if this machine cannot check it, so that it proves nothing."""
        file = self._place(f"certificate_{num_axes}.npz")
        loaded = AllProjectiveCertificate.load(file)
        proven = None if loaded.noise is None else loaded.noise.correlations
        self._require_same(file, loaded.correlations, proven, loaded.measurements)
        check = loaded.verify()
        _require_not_refuted(file, check)
        return loaded if check else None

    def keep(self, num_axes: int, certificate: AllProjectiveCertificate) -> None:
        """Keeps a certificate."""
        certificate.save(self._place(f"certificate_{num_axes}.npz"))

    def checkpoint(self, num_axes: int) -> Path:
        """Returns the path of the file that keeps the state of an unfinished search."""
        return self._place(f"search_{num_axes}.npz")


def _require_not_refuted(file: Path, check: Verification) -> None:
    """Raises an error if a stored proof does not show what it claims."""
    if check.refuted:
        raise CertificateError.bad_argument(
            "folder",
            expected="proofs that hold, as this package writes them",
            got=f"{file} ({check.reason})",
            remedy="Delete that file, or pass another folder.",
        )
