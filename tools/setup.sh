#!/usr/bin/env bash
# Makes .venv and installs habitus with its pinned dependencies. Safe to call always: it does nothing when nothing changed.
#
#   tools/setup.sh [EXTRA...]      extras of pyproject.toml; none: what running needs
#
# HABITUS_PYTHON names the interpreter to use instead of the first one found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly VENV=.venv
wanted="$(IFS=,; printf '%s' "$*")"

say() { printf 'set-up: %s\n' "$*" >&2; }

fail() {
    printf 'set-up failed: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

# Running the interpreter is the only honest question: a name on PATH may be a version manager's shim for a version that
# is not there, and Debian ships Python without the parts that make environments.
usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' </dev/null >/dev/null 2>&1; }
recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' </dev/null >/dev/null 2>&1; }

if [ -n "${HABITUS_PYTHON:-}" ]; then
    candidates=("$HABITUS_PYTHON")
else
    candidates=(python3.13 python3.12 python3.11 python3)
fi

find_python() {
    local candidate bare=""
    for candidate in "${candidates[@]}"; do
        if usable "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
        if [ -z "$bare" ] && recent "$candidate"; then bare="$candidate"; fi
    done
    if [ -n "$bare" ]; then
        fail "$bare cannot make environments (its venv or ensurepip module is missing)." \
            "Debian, Ubuntu:  apt-get install $(basename "$bare")-venv" \
            "then run the same command again."
    fi
    fail "no Python 3.11 or newer found (tried ${candidates[*]})." \
        "Debian 12, Ubuntu 24.04 and later:  apt-get install python3 python3-venv make" \
        "then run the same command again, or name one: HABITUS_PYTHON=/path/to/python3.12 make run"
}

# What the environment was made from: the pins, what is declared, and where it lies (its scripts hold absolute paths).
fingerprint() { { cat pyproject.toml constraints.txt tools/setup.sh; pwd -P; } | cksum | tr ' ' '-'; }

working() { [ -x "$VENV/bin/python" ] && usable "$VENV/bin/python" && "$VENV/bin/python" -m pip --version >/dev/null 2>&1; }

stamp="$VENV/.habitus-${wanted:-run}"
print="$(fingerprint)"
up_to_date() { [ "$(cat "$stamp" 2>/dev/null)" = "$print" ] && [ -x "$VENV/bin/habitus" ] && recent "$VENV/bin/python"; }

up_to_date && exit 0

# Two set-ups at once (make run beside make test) would break each other: the second waits, then finds it done.
if command -v flock >/dev/null 2>&1; then
    mkdir -p .cache
    exec 9>.cache/setup.lock
    flock -n 9 || { say "another set-up is running here, waiting for it"; flock 9; }
    up_to_date && exit 0
fi

if ! working; then
    python="$(find_python)" || exit 1
    say "1/3 making $VENV with $("$python" --version) ($(command -v "$python"))"
    [ ! -e "$VENV" ] || say "    (the $VENV that is there does not work and is made anew)"
    "$python" -m venv --clear "$VENV" || fail "could not make $VENV (disk full, or not writable?)"
else
    say "1/3 $VENV is there ($("$VENV/bin/python" --version))"
fi
# Stamps of another state of the pins say nothing any more; those of other extras in this state still hold.
for other in "$VENV"/.habitus-*; do
    if [ -e "$other" ] && [ "$(cat "$other")" != "$print" ]; then rm -f "$other"; fi
done

pip() {
    "$VENV/bin/python" -m pip --disable-pip-version-check --no-input "$@" </dev/null ||
        fail "pip could not install the pinned packages (its own message is above)." \
            "It needs a package index: a network, or a mirror in pip's configuration (pip config list)." \
            "If $VENV was half made: make distclean, then the same command again."
}

say "2/3 installing the pinned packages for: ${wanted:-run} (a minute or two and a few hundred MB the first time)"
pip install --quiet --constraint constraints.txt hatchling
# The registry's newest torch brings gigabytes for graphics cards: where a build for processors can be had, it comes first.
# Whoever has a card installs the other one over it.
case ",$wanted," in
*,research,* | *,bench,*)
    "$VENV/bin/python" -c 'import torch' 2>/dev/null ||
        "$VENV/bin/python" -m pip --disable-pip-version-check --no-input --retries 1 --timeout 10 install --progress-bar off \
            --constraint constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu \
            "$(sed -n 's/^\(torch==.*\)$/\1+cpu/p' constraints.txt)" </dev/null >&2 ||
        say "    no build of torch for processors is to be had here: taking the registry's"
    ;;
esac
# One call, so that every dependency and every extra is resolved together, under the pins.
pip install --progress-bar off --no-build-isolation --constraint constraints.txt --editable ".${wanted:+[$wanted]}" >&2

say "3/3 checking"
"$VENV/bin/python" -m pip --disable-pip-version-check check >&2 ||
    fail "the installed packages do not fit together." "Start over: make distclean, then the same command again."

printf '%s\n' "$print" >"$stamp"
say "done: $VENV/bin/habitus"
