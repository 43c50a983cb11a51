"""The coverage gate of `./evenkeel test`: branches of the pure layers; [tool.evenkeel.coverage] has the bound.

Run as a script after pytest; reads the combined `.coverage`. Exit 1 below the bound.
"""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[3]


def branch_counts(files: dict[str, Any], layers: list[str]) -> dict[str, tuple[int, int]]:
    """(covered, all) branches per layer, from the `files` of coverage's JSON report."""
    counts = dict.fromkeys(layers, (0, 0))
    for name, entry in files.items():
        parts = Path(name).parts
        if len(parts) > 2 and parts[0] == "bot" and parts[1] in counts:
            covered, total = counts[parts[1]]
            summary = entry["summary"]
            counts[parts[1]] = (covered + summary["covered_branches"], total + summary["num_branches"])
    return counts


def verdict(counts: dict[str, tuple[int, int]], bound_pct: float) -> tuple[bool, str]:
    """Whether all branches together reach the bound, and the lines to print. No branches at all fails."""
    covered, total = (sum(pair[i] for pair in counts.values()) for i in (0, 1))
    lines = [f"  {layer:<10} {c:>5} of {t:>5}  {100 * c / t:6.2f} %" for layer, (c, t) in counts.items() if t]
    reached = 100 * covered / total if total else 0.0
    lines.append(f"  {'together':<10} {covered:>5} of {total:>5}  {reached:6.2f} %  (at least {bound_pct} %)")
    return reached >= bound_pct, "\n".join(lines)


def main() -> int:
    """Print the branches covered per pure layer and the files that miss most."""
    import coverage

    setting = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["tool"]["evenkeel"]["coverage"]
    measured = coverage.Coverage(config_file=str(REPO / "pyproject.toml"))
    measured.load()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "coverage.json"
        measured.json_report(outfile=str(out))
        files = json.loads(out.read_text("utf-8"))["files"]
    counts = branch_counts(files, setting["pure_layers"])
    passed, text = verdict(counts, float(setting["branches_pct_min"]))
    print("branches covered in the pure layers:\n" + text)
    missing = sorted(
        ((entry["summary"]["missing_branches"], name) for name, entry in files.items()
         if name.split("/")[1:2] and name.split("/")[1] in counts), reverse=True,
    )
    for count, name in missing[:10]:
        if count:
            arrows = ", ".join(f"{a}->{b}" for a, b in files[name]["missing_branches"][:8])
            print(f"  {name}: {count} missing: {arrows}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
