import io
import subprocess
import sys

import pytest
from qiskit_lhv._support.progress import ProgressBar


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self):
        return True


def text_of(stream, shown, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream)
    with ProgressBar(3, shown, "start") as bar:
        bar.update(1, "best 0.5")
        bar.update(2, "best 0.7")
    return stream.getvalue()


@pytest.mark.parametrize("shown", [None, True])
def test_the_bar_is_shown_on_a_terminal(shown, monkeypatch):
    text = text_of(Terminal(), shown, monkeypatch)
    assert "3/3" in text
    assert "best 0.7" in text


def test_the_bar_is_shown_elsewhere_only_if_asked_for(monkeypatch):
    assert text_of(io.StringIO(), None, monkeypatch) == ""
    assert "best 0.7" in text_of(io.StringIO(), True, monkeypatch)


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_the_bar_can_be_turned_off(stream, monkeypatch):
    assert text_of(stream(), False, monkeypatch) == ""


NOTEBOOK_WITHOUT_WIDGETS = """
import sys, types, warnings
from qiskit_lhv._support.progress import ProgressBar

# As tqdm recognizes a notebook.
notebook = types.ModuleType("IPython")
notebook.get_ipython = lambda: object()
sys.modules.update({"IPython": notebook, "ipykernel.zmqshell": notebook, "ipywidgets": None})
for shown in (None, True):
    with ProgressBar(3, shown) as bar:
        bar.update(3, "done")
"""


@pytest.mark.parametrize("warnings", ["default", "error"])
def test_a_notebook_without_widgets_gets_a_bar_if_asked_for_and_no_warning(warnings):
    command = [sys.executable, "-W", warnings, "-c", NOTEBOOK_WITHOUT_WIDGETS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.count("3/3") == 1
    assert "Warning" not in done.stderr
