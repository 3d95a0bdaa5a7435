#!/usr/bin/env bash
# Installs the programs that some tests use (Debian, Ubuntu; needs root): a browser, collectors, tracers. Without one of
# them its tests are skipped and say so, so nothing here fails.
set -euo pipefail

programs=(
    chromium                                             # the console
    syslog-ng-core syslog-ng-mod-http syslog-ng-scl      # a collector
    curl                                                 # (rsyslog, also tested, cannot be there beside syslog-ng)
    postgresql                                           # the other database
    strace gcc libc6-dev faketime openssl                # system calls, crash points, clocks, certificates
)

missing=()
for name in "${programs[@]}"; do
    dpkg-query --show --showformat '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    printf 'test programs: not installed here, and their tests will be skipped: %s\n' "${missing[*]}" >&2
    exit 0
fi
printf 'test programs: installing %s\n' "${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
# A daemon that the package would start is not wanted: tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && trap 'rm -f "$policy"' EXIT
fi
if ! { timeout 120 apt-get update -qq && timeout 300 apt-get install -y -qq --no-install-recommends "${missing[@]}"; } \
    </dev/null >/dev/null; then
    printf 'test programs: could not install all of them; the tests that miss one will be skipped\n' >&2
fi
