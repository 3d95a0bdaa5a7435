"""Fuzz the decoders and protocol parsers: coverage-guided, from seeds that are made here, for a given time.

    python tools/fuzz.py --list
    python tools/fuzz.py source-okta --seconds 60
    python tools/fuzz.py all --seconds 60           each target in a process of its own; ends with 1 if any
    failed python tools/fuzz.py source-okta --minimise FILE

Needs atheris (pip install atheris). What fails is kept as FOLDER/crash-*, with the traceback on standard
error.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

TIMEOUT_SECONDS = 20
MEMORY_MB = 3000
LONGEST = 1 << 14


def fuzz(name: str, folder: Path, seconds: int) -> None:
    """Fuzz one target; ends the process (libFuzzer does)."""
    import atheris

    # what holds kernels is loaded before: numba cannot compile the probes
    for module in ("features.bodies", "features.scanner", "models.detector"):
        import_module(module)

    with atheris.instrument_imports(include=["features.sources", "serving.protocols"]):
        from tools import fuzz_targets

        run = fuzz_targets.target(name)
        for seed in fuzz_targets.seeds(name):
            run(seed)
    corpus = folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(fuzz_targets.seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        changed = fuzz_targets.mutated(data, seed) if seed % 2 else atheris.Mutate(data, most)
        return bytes(changed[:most])

    arguments = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-timeout={TIMEOUT_SECONDS}",
        f"-rss_limit_mb={MEMORY_MB}",
        f"-max_len={LONGEST}",
        f"-artifact_prefix={folder}/{name}-",
        "-print_final_stats=1",
        "-verbosity=0",
        str(corpus),
    ]
    atheris.Setup(arguments, run, custom_mutator=mutator)
    atheris.Fuzz()


def fuzz_all(folder: Path, seconds: int) -> int:
    """Every target, one after the other; returns how many failed."""
    from tools import fuzz_targets

    failed = 0
    for name in fuzz_targets.NAMES:
        command = [sys.executable, __file__, name, "--folder", str(folder), "--seconds", str(seconds)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        numbers = [
            line.split(":")[-1].strip() for line in done.stderr.splitlines() if "number_of_executed" in line
        ]
        inputs = numbers[-1] if numbers else "?"
        print(f"{name:24} {'ok' if not done.returncode else 'FAILED':8} {inputs:>10} inputs")
        sys.stdout.flush()
        if done.returncode:
            failed += 1
            print(done.stderr[-3000:])
    return failed


def minimise(name: str, path: Path) -> None:
    """Write the shortest input that fails in the same way beside a failing one."""
    from tools import fuzz_targets

    run = fuzz_targets.target(name)

    def failure(data: bytes) -> str:
        try:
            run(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            return type(error).__name__
        return ""

    wanted = failure(path.read_bytes())
    if not wanted:
        raise SystemExit(f"{path} does not fail")
    small = fuzz_targets.minimised(path.read_bytes(), lambda data: failure(data) == wanted)
    path.with_suffix(".small").write_bytes(small)
    print(f"{wanted}: {small!r}")


def main() -> None:
    """The command."""
    from tools import fuzz_targets

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?", default="all", help="a name of --list, or all")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--folder", type=Path, default=Path(".cache/fuzz"), help="corpora and what failed")
    parser.add_argument("--minimise", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.list:
        print("\n".join(fuzz_targets.NAMES))
    elif options.minimise:
        minimise(options.target, options.minimise)
    elif options.target == "all":
        raise SystemExit(min(1, fuzz_all(options.folder, options.seconds)))
    else:
        fuzz(options.target, options.folder, options.seconds)


if __name__ == "__main__":
    main()
