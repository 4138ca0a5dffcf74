"""Reports as HTML pages: complete, readable at both widths, and with the evidence folded."""

import html
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from qiskit_lhv import Behavior, CountsOptions, analyze, load_bundled_counts, werner_state
from qiskit_lhv.targets import estimate_tensor

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUICK = CountsOptions(num_replicates=0)
# They need no end tag.
VOID = {"meta", "img", "br"}


class Checker(HTMLParser):
    """Checks that every tag is closed where it must be, and collects tags and text outside of folded parts."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.shown, self.pictures = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "img":
            self.pictures.append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"details", "style", "title"} & set(self.open):
            self.shown.append(data)


@pytest.fixture(scope="module")
def pages():
    chsh = Behavior.from_state(werner_state(0.9), "chsh")
    tomography = Behavior.from_state(werner_state(0.9), [["X", "Y", "Z"]] * 2).sample(2000, 1)
    groups = {(0, 1): chsh.sample(400, 1), (1, 2): chsh.sample(400, 2), (5, 7): chsh.sample(400, 3)}
    reports = {
        "counts": analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, QUICK, seed=1),
        "behavior": analyze(chsh),
        "state": analyze(werner_state(0.6), seed=1),
        "estimate": analyze(estimate_tensor(tomography), seed=1),
        "device": analyze(groups, QUICK, seed=1),
    }
    return {name: (report, report.to_html()) for name, report in reports.items()}


@pytest.mark.parametrize("name", ["counts", "behavior", "state", "estimate", "device"])
def test_pages_are_complete(pages, name):
    report, page = pages[name]
    assert page.startswith("<!DOCTYPE html>")
    assert '<meta charset="utf-8">' in page
    assert re.search(r"<title>[^<]{10,}</title>", page)
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    # Nothing is loaded from elsewhere.
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    (picture,) = checker.pictures
    assert picture["alt"]
    assert picture["src"].startswith("data:image/svg+xml;base64,")
    fragment = report._repr_html_()
    assert fragment.startswith("<div")
    assert "<html" not in fragment
    assert "<img" not in fragment


def test_a_page_shows_the_answer_and_folds_the_evidence(pages):
    report, page = pages["counts"]
    checker = Checker()
    checker.feed(page)
    shown = "".join(checker.shown)
    for text in (
        "NONLOCAL",
        report.headline,
        "2.7682 ± 0.0068",
        "E(0, 0) = -0.6943 ± 0.0033",
        "declared test: combined",
    ):
        assert text in shown
    assert checker.tags.count("details") == 3
    assert "<details open" not in page
    for text in (*map(str, report.evidence), *report.assumptions):
        assert html.escape(text) in page
        assert text not in shown or text in str(report).replace("\n" + " " * 15, " ")
    assert "<h3>no-signaling</h3>" in page


def test_words_of_users_are_escaped():
    counts = Behavior.from_state(werner_state(0.9), "chsh").sample(50, 1)
    import dataclasses

    report = dataclasses.replace(analyze(counts, QUICK, seed=1), target="<script>alert(1)</script>")
    assert "<script>" not in report.to_html()


def test_without_matplotlib_a_page_has_no_picture(pages, monkeypatch):
    def missing(*_, **__):
        raise ImportError("No module named 'matplotlib'")

    monkeypatch.setattr("qiskit_lhv.reports.locality.LocalityReport.plot", missing)
    page = pages["behavior"][0].to_html()
    assert "<img" not in page
    assert "NONLOCAL" in page


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_pages_are_readable_at_1280_and_400_pixels(pages, tmp_path):
    frames = [
        f'<iframe data-name="{name}" data-width="{width}" style="width: {width}px; height: 900px; border: 0" '
        f'srcdoc="{html.escape(page)}"></iframe>'
        for name, (_, page) in pages.items()
        for width in (1280, 400)
    ]
    # What a frame measures: whether anything is wider than the page, and whether its picture was drawn.
    script = """
    window.onload = () => { document.body.innerText = [...document.querySelectorAll('iframe')].map(frame => {
      const page = frame.contentDocument, image = page.querySelector('img');
      return ['PAGE', frame.dataset.name, frame.dataset.width, page.documentElement.scrollWidth,
        image.naturalWidth, getComputedStyle(page.querySelector('.verdict')).backgroundColor,
        [...page.querySelectorAll('details')].filter(d => d.open).length].join(' ').replace(/, /g, ',');
    }).join('; ') };"""
    path = tmp_path / "frames.html"
    path.write_text(f"<!DOCTYPE html><meta charset='utf-8'><body>{''.join(frames)}<script>{script}</script>")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    done = subprocess.run(
        [CHROMIUM, *flags, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    measured = re.findall(r"PAGE (\w+) (\d+) (\d+) (\d+) (\S+) (\d+)", done.stdout)
    assert len(measured) == 10
    colors = {"counts": "rgb(179,38,30)", "behavior": "rgb(179,38,30)", "state": "rgb(27,110,60)"}
    for name, width, whole, picture, color, opened in measured:
        assert int(whole) <= int(width), name
        assert int(picture) > 100, name
        assert color == colors.get(name, color), name
        assert opened == "0"
