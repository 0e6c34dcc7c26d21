"""What `make demo` does, and that the README shows what it truly prints."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from axiomd.cli.main import main
from axiomd.feeds import synthetic

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_readme_shows_what_the_demo_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    readme = (ROOT / "README.md").read_text()
    shown = [
        " ".join(line.split())
        for line in readme.splitlines()
        if re.match(r" *\d{4}-\d\d-\d\d|\d+ (trades|decisions|orders|signals|bars)|sound:|run folder:|results:", line)
        or re.match(r" (trials|best set|  strategy\.params|deflated)", line)
    ]
    run, grid = re.search(r"run folder: (artifacts\S+)", readme), re.search(r"# grid\.yml\n(.*?)```", readme, re.DOTALL)
    assert run is not None
    assert grid is not None
    Path("grid.yml").write_text(grid[1])

    synthetic.main(["--out", "artifacts/demo_bars.parquet", "--symbols", "DEMO", "--seed", "7"])
    bars = ["--bars", "artifacts/demo_bars.parquet"]
    for command in (
        ["replay", *bars, "--config", "configs/runs/demo.yml", "--no-plots"],
        ["replay", "--journal", run[1]],
        ["journal", "verify", run[1]],
        ["orders", "list", "--journal", run[1]],
        ["data", "validate", *bars],
        ["signals", *bars, "--config", "configs/runs/demo.yml"],
        ["orders", "export", "--journal", run[1], "--out", "orders.csv"],
        ["sweep", "--grid", "grid.yml", "--out", "artifacts/sweep", "--no-plots", "--jobs", "1"],
    ):
        assert 0 == main(command)

    printed = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert len(shown) > 14
    assert [] == [line for line in shown if line not in printed], "the README shows what is no longer printed"
