"""Fuzz with atheris, guided by coverage, each target in a process of its own for so many seconds: ``make fuzz``.

The target ``api`` is no function but a service that runs, see tests/fuzz/api.py; it needs no atheris.

What is found is written into build/fuzz/<target>, along with the inputs that reached new code; it becomes a test by
going into FINDINGS of tests/fuzz/test_findings.py.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SCRATCH = ROOT / "build" / "fuzz"
NAMES = ("message", "uri", "sdp", "multipart", "digest", "framing", "control")
LIVE = "api"


def fuzz(name: str, options: list[str]) -> None:
    """Be the process that fuzzes one target; never returns."""
    import atheris

    with atheris.instrument_imports(include=["actors.sip", "actors.control"]):
        from tests.fuzz.targets import SEEDS, TARGETS

    corpus = SCRATCH / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([sys.argv[0], str(corpus), f"-artifact_prefix={corpus}-", *options], TARGETS[name])
    atheris.Fuzz()


def main() -> int:
    """Run the targets one after the other; the number of those with a finding."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "targets", nargs="*", metavar="target", help=f"of {', '.join((*NAMES, LIVE))}; all if none is named"
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)  # inside the process of one target
    arguments = parser.parse_args()
    if unknown := set(arguments.targets).difference((*NAMES, LIVE)):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    options = [f"-max_total_time={arguments.seconds}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=2048"]
    if arguments.one:
        fuzz(arguments.targets[0], [*options, "-verbosity=0", "-print_final_stats=1"])
    failed = []
    for name in arguments.targets or (*NAMES, LIVE):
        print(f"== {name}: {arguments.seconds} s", flush=True)  # noqa: T201 - a script
        module = ["tests.fuzz.api"] if name == LIVE else ["tests.fuzz.run", "--one", name]
        command = [sys.executable, "-m", *module, "--seconds", str(arguments.seconds)]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            failed.append(name)
    print("findings in:", ", ".join(failed) if failed else "none", flush=True)  # noqa: T201 - a script
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
