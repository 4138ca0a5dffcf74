"""Names of classes, fields and keys in files that earlier versions saved, and the names they have now."""

from __future__ import annotations

from typing import Any

__all__ = ["CLASSES_RENAMED", "ROOMS_OF_VERSION_1", "address_of_version_1", "fields_of_version_1"]

# Files of schema version 1 name a class without its room.
ROOMS_OF_VERSION_1 = {
    "analysis": (
        "BehaviorLocality",
        "BehaviorQuestion",
        "BehaviorViolation",
        "CountsQuestion",
        "CriticalVisibility",
        "EstimateQuestion",
        "EstimatedLocality",
        "EstimatedViolation",
        "StateQuestion",
    ),
    "experiments": ("SettingSchedule",),
    "measurements": (
        "AllProjective",
        "ListedProjective",
        "PlanarProjective",
    ),
    "models": (
        "DeterministicModel",
        "DirectionResponse",
        "FunctionResponse",
        "OddMonomials",
        "PlanarHarmonics",
        "ResponseModel",
        "SphericalHarmonics",
        "TableResponse",
    ),
    "optimize": (
        "Evaluation",
        "LocalModelResult",
        "VisibilitySweep",
    ),
    "polytope": (
        "BellExpression",
        "BellInequality",
        "DetectionThreshold",
        "FacetList",
        "FullCorrelatorBound",
        "LocalBound",
        "LocalWeight",
        "NoSignalingBound",
        "QuantumBound",
        "Relabeling",
        "SymmetrizedModel",
        "Symmetry",
        "Threshold",
        "WernerInequality",
    ),
    "projective": (
        "AllProjectiveCertificate",
        "CompatibilityCertificate",
        "ExtensionCertificate",
        "HiddenStateCertificate",
        "HorodeckiCriterion",
        "MixtureCertificate",
        "OptimizedSettings",
        "SeparabilityCertificate",
        "UnsteerableCertificate",
    ),
    "reports": (
        "DeviceReport",
        "LocalityReport",
    ),
    "spin_chains": ("GroundState",),
    "statistics": (
        "Allocation",
        "BellValues",
        "CombinedEValue",
        "CombinedTest",
        "DriftTest",
        "EValue",
        "EvidenceRate",
        "GameTest",
        "LocalFit",
        "LocalRegion",
        "LocalWeightInterval",
        "MarginalComparison",
        "ModelComparison",
        "ModelStep",
        "SameStateTest",
        "SettingsTest",
        "ShotPlan",
        "SignalingAllowance",
        "SignalingTest",
        "StandingTest",
        "ThresholdEstimate",
    ),
    "targets": (
        "Behavior",
        "BellCounts",
        "BellScenario",
        "BellTrials",
        "CorrelationTensor",
        "TensorEstimate",
    ),
    "verification": ("Verification",),
}


# Classes that have another name now.
CLASSES_RENAMED = {
    "CountsRule": "CountsQuestion",
    "DirectionList": "ListedProjective",
    "Plane": "PlanarProjective",
    "Sphere": "AllProjective",
}
# The keys of a report's figures were the labels that people read.
_KEYS_OF_FIGURES = {
    "S standard error": "S_error",
    "local fit: KL (nats per trial)": "kl",
    "local fit: goodness-of-fit p": "fit_p",
    "local fit: bootstrap p": "fit_bootstrap_p",
    "deviance by nonlocality": "nonlocality_deviance",
    "deviance by nonlocality: bootstrap p": "nonlocality_bootstrap_p",
    "deviance by signaling": "signaling_deviance",
    "deviance by signaling: bootstrap p": "signaling_bootstrap_p",
    "settings: p-value": "settings_p",
    "drift: p-value": "drift_p",
    "no-signaling: p-value": "no_signaling_p",
    "no-signaling: largest shift": "largest_shift",
    "no-signaling: log10 e": "no_signaling_log10_e",
    "signaling: hidden, needed by a local model": "hidden_signaling",
    "signaling: visible in marginals": "visible_signaling",
    "signaling: violation stands up to kappa": "largest_kappa",
    "e-value: log10 e": "log10_e",
    "e-value: expected log10 e per trial": "log10_e_per_trial",
    "game: wins": "game_wins",
    "game: score": "game_score",
    "game: log10 p": "game_log10_p",
    "combined test: log10 p": "combined_log10_p",
    "settings: result stands up to predictability": "largest_predictability",
    "seed of the order": "seed",
    "visibility threshold (white noise)": "threshold",
    "largest violation by errors alone": "violation_by_errors",
    "proven local up to visibility (white noise)": "local_visibility",
    "proven nonlocal above visibility": "nonlocal_visibility",
    "violation found above visibility": "violated_visibility",
    "best local model found: KL (nats per trial, an estimate)": "estimated_kl",
    "weight of white noise that absorbs the errors": "absorbing_noise",
    "needed for all correlations within the errors": "needed_visibility",
    "value: lower limit": "value_lower",
    "local bound": "local_bound",
}
# The keys of absent figures were the names of their computations.
_KEYS_OF_ABSENT = {
    "no-signaling": "no_signaling_p",
    "signaling allowance": "largest_kappa",
    "local fit": "kl",
    "deviances": "fit_p",
    "drift": "drift_p",
    "no-signaling: log10 e": "no_signaling_log10_e",
    "later factors of the e-value": "later_factors",
    "e-value: expected log10 e per trial": "log10_e_per_trial",
    "no-signaling fit": "no_signaling_fit",
    "standing predictability": "largest_predictability",
    "swapped outcomes": "swapped_outcomes",
    "confidence region": "confidence_region",
}
# Advice names keywords, and a check compares it with what it would say now.
_WORDS_OF_ADVICE = {
    "certify_all_projective(state, num_settings=...)": "certify_all_projective(state, directions=...)",
}


def address_of_version_1(name: str) -> str:
    """The address of a class that a file of schema version 1 names.

    Raises:
        ValueError: If no class had this name.
    """
    name = CLASSES_RENAMED.get(name, name)
    for room, names in ROOMS_OF_VERSION_1.items():
        if name in names:
            return f"qiskit_lhv.{room}.{name}"
    raise ValueError(f"unknown class {name[:80]!r}")


def fields_of_version_1(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record in a file of schema version 1, as they are named now.

    Args:
        name: The name of its class in the file.
        fields: Its fields, as the file has them.

    Raises:
        ValueError: If a report says both by which rule it was made and which question it answers.
    """
    if name == "AllProjectiveCertificate" and "plane" in fields:
        fields = {**fields, "measurements": fields["plane"] or "projective"}
        del fields["plane"]
    if name != "LocalityReport":
        return fields
    fields = dict(fields)
    # Of counts the rule was a field of its own.
    rule = fields.pop("rule", None)
    if rule is not None:
        if fields.get("question") is not None:
            raise ValueError("a rule and a question")
        fields["question"] = rule
    if isinstance(fields.get("advice"), str):
        for old, new in _WORDS_OF_ADVICE.items():
            fields["advice"] = fields["advice"].replace(old, new)
    for field, keys in (("statistics", _KEYS_OF_FIGURES), ("absent", _KEYS_OF_ABSENT)):
        named = fields.get(field)
        if isinstance(named, dict) and isinstance(named.get("mapping"), dict):
            # Before there was a word for it, "per trial" was "a trial".
            found = [
                (keys.get(key, keys.get(key.replace(" a trial", " per trial"), key)), value)
                for key, value in named["mapping"].items()
            ]
            if len(dict(found)) < len(found):
                raise ValueError(f"a key of {field} comes twice")
            fields[field] = {"mapping": dict(found)}
    return fields
