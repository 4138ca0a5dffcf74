import numpy as np
import pytest
from qiskit_lhv import Behavior, LHVError, nonlocality_threshold, werner_state
from qiskit_lhv.plotting import plot_intervals
from qiskit_lhv.statistics import estimate_threshold

from helpers import texts


@pytest.fixture(scope="module")
def results():
    behavior = Behavior.from_state(werner_state(0.9), "chsh")
    estimate = estimate_threshold(behavior.sample(300, 1), num_replicates=20, seed=1)
    return {"exact": nonlocality_threshold(behavior), "from counts": estimate}


def test_intervals_show_their_numbers(results):
    figure = plot_intervals(results)
    words = texts(figure)
    estimate = results["from counts"]
    assert f"in [{estimate.lower:.5g}, {estimate.upper:.5g}]" in words
    assert "0.78567" in words
    ends = [line.get_xdata() for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert any(np.allclose(end, [estimate.lower, estimate.upper]) for end in ends)


def test_what_has_no_interval_is_refused(results):
    with pytest.raises(LHVError, match=r"^results\['b'\]: expected a result with lower and upper"):
        plot_intervals({"a": results["exact"], "b": 0.7})
    with pytest.raises(LHVError, match=r"^results: expected at least one"):
        plot_intervals({})
