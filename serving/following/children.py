"""Processes of the service's own: another part of habitus, without what only the service may know."""

from __future__ import annotations

import os
import subprocess
import sys

NOT_FOR_CHILDREN = "HABITUS_OIDC_CLIENT_SECRET"


def started(
    module: str, *arguments: str, takes: bool = False, errors: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start a module of ours; what it prints is to be read.

    takes: whether it is written to. errors: where its error output goes, as `subprocess.Popen` has it.
    """
    environment = {name: value for name, value in os.environ.items() if name != NOT_FOR_CHILDREN}
    return subprocess.Popen(  # noqa: S603 - our own modules; arguments are names and paths
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE if takes else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
    )
