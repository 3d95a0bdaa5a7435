#!/usr/bin/env bash
# Rewrites constraints.txt: the newest set that fits pyproject.toml, all extras together, in a clean environment.
#
#   tools/lock.sh [CONSTRAINT-FILE]      keep to the versions in that file where it names one
#
# Run it with Python 3.11, the oldest that is supported: what resolves there must resolve on the newer ones.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT

"${HABITUS_PYTHON:-python3.11}" -m venv "$scratch/venv"
pip=("$scratch/venv/bin/python" -m pip --disable-pip-version-check --no-input)
keep=()
[ $# -eq 0 ] || keep=(--constraint "$(realpath "$1")")

"${pip[@]}" install --quiet --upgrade pip
"${pip[@]}" install --quiet "${keep[@]}" ".[dev,bench,clients,notebooks,research]"
"${pip[@]}" check
{
    printf '# Every package of every extra, at the version habitus is tested with. Written by `make lock`; a range in\n'
    printf '# pyproject.toml is what the code needs, a line here is what it was seen to work with.\n'
    # pip and setuptools belong to the environment, habitus is the project itself. torch names its build for processors
    # only ("+cpu"); a pin without that part fits every build of the version.
    "${pip[@]}" freeze --exclude pip --exclude setuptools --exclude habitus | sed 's/^\(torch==[0-9.]*\)+cpu$/\1/' |
        LC_ALL=C sort -f
} >"$scratch/constraints.txt"
if grep -nE ' @ |\+' "$scratch/constraints.txt" >&2; then
    printf 'lock failed: the lines above name a local build or file, which nobody else can install\n' >&2
    exit 1
fi
mv "$scratch/constraints.txt" constraints.txt
printf 'lock: %s packages in constraints.txt\n' "$(grep -c '^[a-zA-Z]' constraints.txt)"
