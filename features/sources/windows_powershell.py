"""PowerShell's two logs: the engine's own (4100 to 4106, 8193 and on) and the classic one (400 to 800).

The classic records and 4103 keep who and what in a block of `Key=Value` lines, as unnamed parameters or,
where the carrier dropped those, inside the message text; both are read. The keys of 4103's block are
translated on a localised Windows, and then only the writer of the record names the user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from features.events import BASE_EVENT, FAILURE, SCRIPT_ACTIVITY
from features.sources.parsing import TEXT_LIMIT
from features.sources.windows_record import OTHER, Rule

if TYPE_CHECKING:
    from features.events import Event
    from features.sources.windows_record import Resolver, WindowsRecord

_BLOCK_LIMIT: Final = 65_536
"""Characters of a context block that are read: an encoded command has up to 32,767."""
_COMMAND_MARK: Final = "for command line:"
_CONTEXT_MARK: Final = "\r\n\r\nContext Information:"


def _raw(record: WindowsRecord, name: str) -> str:
    value = record.data.get(name)
    return value[:_BLOCK_LIMIT] if isinstance(value, str) else ""


def _value(block: str, key: str, *, last: bool = False) -> str:
    """Value of the first (or last) line that begins with `key`, white space before it apart."""
    at = block.rfind(key) if last else block.find(key)
    while at >= 0:
        start = max(block.rfind("\n", 0, at), block.rfind("\r", 0, at)) + 1
        if at - start < 32 and not block[start:at].strip():
            end = block.find("\n", at)
            return block[at + len(key) : end if end >= 0 else None].strip()
        at = block.rfind(key, 0, at) if last else block.find(key, at + 1)
    return ""


def _program(command: str) -> str:
    """First word of a command line, quotes respected."""
    command = command.strip()
    if command.startswith('"'):
        return command[1:].partition('"')[0][:1024]
    lower = command[:1024].lower()
    end = lower.find(".exe")  # an unquoted path may hold spaces
    return command[: end + 4] if end > 0 else command.partition(" ")[0][:1024]


def _module(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """4103: what ran in the pipeline. The command is the host's command line, the resource the cmdlet.

    The user's line stands behind everything that a caller can word, so its last occurrence is the true one.
    """
    block = _raw(record, "ContextInfo") or record.message
    name = _value(block, "User = ", last=True) or _value(block, "Connected User = ", last=True)
    event.user = who.user(name, "", "", record.computer) or event.user
    application = _value(block, "Host Application = ")
    event.process = _program(application)
    event.service = _value(block, "Host Name = ")
    event.file = _value(block, "Script Name = ") or _value(block, "Command Path = ")
    event.resource = _value(block, "Command Name = ") or _invocation(record.get("Payload"))
    event.command = application[:TEXT_LIMIT]


def _invocation(payload: str) -> str:
    """Cmdlet of `CommandInvocation(Get-Item): "Get-Item"`."""
    _, found, rest = payload.partition("CommandInvocation(")
    return rest.partition(")")[0] if found else ""


def _script_block(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    """4104: the text of a script; a block without a path was typed or piped."""
    event.command = record.get("ScriptBlockText")
    event.file = record.get("Path")


def _classic(event: Event, record: WindowsRecord, who: Resolver) -> None:
    """400, 403, 500, 501, 600, 800: details are the last parameters, or part of the message.

    Here the user's line stands before what a caller can word, so its first occurrence is the true one. In a
    rendered message of 800 the command comes first of all; its context begins behind a heading.
    """
    block = _raw(record, "param2" if record.event_id == 800 else "param3")
    if "=" not in block:
        block = record.message
        _, found, rest = block.partition(_CONTEXT_MARK)
        block = rest if found else block
    event.user = who.user(_value(block, "UserId="), "", "", record.computer) or event.user
    application = _value(block, "HostApplication=")
    event.process = _program(application)
    event.service = _value(block, "HostName=")
    event.file = _value(block, "ScriptName=")
    event.command = application[:TEXT_LIMIT]
    if record.event_id == 600:
        event.resource = _value(block, "ProviderName=") or record.get("param1")
    elif record.event_id == 800:
        line = record.get("param1") or _line_of(record.message)
        event.resource = line.partition("\n")[0].strip()[:1024]


def _line_of(message: str) -> str:
    _, found, rest = message.partition(_COMMAND_MARK)
    return rest.partition(_CONTEXT_MARK)[0].strip() if found else ""


def _script_file(event: Event, record: WindowsRecord, _who: Resolver) -> None:
    event.file = record.first("param1", "FileName")


POWERSHELL: Final[dict[int, Rule]] = {
    4100: Rule(SCRIPT_ACTIVITY, 1, "PowerShellError", "writer", status_id=FAILURE, detail=_module),
    4101: Rule(SCRIPT_ACTIVITY, 1, "PowerShellProvider", "writer", detail=_module),
    4102: Rule(SCRIPT_ACTIVITY, 1, "PowerShellProvider", "writer", detail=_module),
    4103: Rule(SCRIPT_ACTIVITY, 1, "PowerShellCommand", "writer", detail=_module),
    4104: Rule(SCRIPT_ACTIVITY, 1, "PowerShellScriptBlock", "writer", detail=_script_block),
    4105: Rule(SCRIPT_ACTIVITY, 1, "PowerShellScriptBlockStart", "writer"),
    4106: Rule(SCRIPT_ACTIVITY, OTHER, "PowerShellScriptBlockStop", "writer"),
    8193: Rule(BASE_EVENT, OTHER, "PowerShellRunspaceCreate", "writer"),
    8194: Rule(BASE_EVENT, OTHER, "PowerShellRunspacePoolCreate", "writer"),
    8195: Rule(BASE_EVENT, OTHER, "PowerShellRunspacePoolOpen", "writer"),
    8196: Rule(BASE_EVENT, OTHER, "PowerShellActivityCorrelate", "writer"),
    8197: Rule(BASE_EVENT, OTHER, "PowerShellRunspaceState", "writer"),
    12039: Rule(BASE_EVENT, OTHER, "PowerShellActivityCorrelate", "writer"),
    24577: Rule(SCRIPT_ACTIVITY, 1, "PowerShellIseScript", "writer", detail=_script_file),
    32784: Rule(BASE_EVENT, OTHER, "PowerShellRemotingError", "writer", status_id=FAILURE),
    40961: Rule(SCRIPT_ACTIVITY, OTHER, "PowerShellConsoleStarting", "writer"),
    40962: Rule(SCRIPT_ACTIVITY, OTHER, "PowerShellConsoleReady", "writer"),
    53504: Rule(BASE_EVENT, OTHER, "PowerShellIpcListening", "writer"),
    53506: Rule(BASE_EVENT, OTHER, "PowerShellIpcConnected", "writer"),
}
"""Rules for Microsoft-Windows-PowerShell and PowerShellCore."""

POWERSHELL_CLASSIC: Final[dict[int, Rule]] = {
    400: Rule(SCRIPT_ACTIVITY, 1, "PowerShellEngineStart", "writer", detail=_classic),
    403: Rule(SCRIPT_ACTIVITY, OTHER, "PowerShellEngineStop", "writer", detail=_classic),
    500: Rule(SCRIPT_ACTIVITY, 1, "PowerShellCommandStart", "writer", detail=_classic),
    501: Rule(SCRIPT_ACTIVITY, OTHER, "PowerShellCommandStop", "writer", detail=_classic),
    600: Rule(SCRIPT_ACTIVITY, OTHER, "PowerShellProvider", "writer", detail=_classic),
    800: Rule(SCRIPT_ACTIVITY, 1, "PowerShellPipeline", "writer", detail=_classic),
}
"""Rules for the classic source PowerShell (log "Windows PowerShell")."""
