"""The report in a real browser: no errors, nothing from outside, nothing wider than the page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.evals.runs import plant

from relaygen.evals.report import report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--v=0",
    "--timeout=30000",
]
pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium")]

# A page around the report: as wide as is asked (Chromium's windows have a least width), every sample open, and
# a verdict about what sticks out that can be read from the outside.
FRAME = """<!doctype html><html><body style="margin:0">
<iframe id="f" src="report.html" style="border:0;width:{width}px;height:900px"></iframe>
<pre id="verdict">waiting</pre><script>
document.getElementById("f").onload = (event) => {{
  const page = event.target.contentDocument, wide = [];
  page.querySelectorAll("details").forEach((d) => d.open = true);
  page.querySelectorAll("body *").forEach((e) => {{
    const box = e.getBoundingClientRect();
    if (box.width && box.right > {width} + 1 && !e.closest(".scroll")) wide.push(e.tagName + "." + e.className);
  }});
  const charts = [...page.querySelectorAll("svg")].filter((s) => s.getBoundingClientRect().height > 50).length;
  const scroll = page.documentElement.scrollWidth;
  document.getElementById("verdict").textContent =
    `scroll=${{scroll}} charts=${{charts}} wide=[${{[...new Set(wide)].slice(0, 5)}}] ` +
    `resources=${{event.target.contentWindow.performance.getEntriesByType("resource").length}}`;
}};
</script></body></html>"""


def browse(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", "--allow-file-access-from-files", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)


@pytest.mark.parametrize("width", [400, 1280])
def test_the_report_fits_and_complains_of_nothing(tmp_path: Path, width: int) -> None:
    (tmp_path / "report.html").write_text(report(plant(tmp_path / "run")), encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width), encoding="utf-8")
    done = browse(tmp_path, "--virtual-time-budget=10000", "--dump-dom", frame.as_uri())
    found = re.search(r'<pre id="verdict">(.*?)</pre>', done.stdout)
    assert found
    assert found[1] == f"scroll={width} charts=4 wide=[] resources=0"
    assert "CONSOLE" not in done.stderr


def test_a_picture_of_the_report_can_be_taken(tmp_path: Path) -> None:
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(report(plant(tmp_path / "run")), encoding="utf-8")
    browse(tmp_path, "--window-size=1280,2000", f"--screenshot={picture}", page.as_uri())
    assert picture.read_bytes().startswith(b"\x89PNG")
