"""Build wheel, source distribution and bill of materials: `python scripts/dist.py [DIRECTORY]`.

The manual page and the completion scripts are generated first, into share/, and included in both.
The wheel is built from the source distribution, so both have the same content. Needs no network:
the locked setuptools of this environment does the work.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARE = ROOT / "share"
GENERATED = {
    "man/man1/openregister.1": ("man",),
    "bash-completion/completions/openregister": ("completion", "bash"),
    "zsh/site-functions/_openregister": ("completion", "zsh"),
    "fish/vendor_completions.d/openregister.fish": ("completion", "fish"),
}
"""File below share/, and the command that prints it."""


def main() -> int:
    """Build both into the directory named, dist/ by default."""
    target = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else ROOT / "dist"
    for name, arguments in GENERATED.items():
        made = subprocess.run(
            [sys.executable, ROOT / "cli.py", *arguments], stdout=subprocess.PIPE, check=True
        )
        (SHARE / name).parent.mkdir(parents=True, exist_ok=True)
        (SHARE / name).write_bytes(made.stdout)
    # -P: do not import a directory build/ instead of the module
    built = subprocess.run(
        [sys.executable, "-P", "-m", "build", "--no-isolation", "--outdir", target, ROOT],
        check=False,
    )
    if built.returncode == 0:
        subprocess.run([sys.executable, ROOT / "scripts" / "sbom.py", target], check=True)
    return built.returncode


if __name__ == "__main__":
    sys.exit(main())
