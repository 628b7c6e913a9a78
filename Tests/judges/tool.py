"""The rnnconv that a judge judges, and how it is called."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def binary() -> str:
    """The one that `RNNCONV_BINARY` names, else that of the last build."""
    builds = [ROOT / build / mode / "rnnconv" for build in (".build", ".build-tests") for mode in ("release", "debug")]
    found = [str(path) for path in builds if path.exists()]
    path = os.environ.get("RNNCONV_BINARY") or max(found, key=os.path.getmtime, default=None)
    if not path:
        raise SystemExit("no rnnconv binary: run `swift build` first, or set RNNCONV_BINARY")
    return str(Path(path).resolve())


def forced(*arguments: str | Path) -> list[str]:
    """Arguments that write over what an earlier call of the same judge wrote."""
    writes = arguments[0] in ("convert", "import", "export", "build", "verify", "gradient-flow", "extract")
    return [*map(str, arguments), *(["--force"] if writes else [])]
