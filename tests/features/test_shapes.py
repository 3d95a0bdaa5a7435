"""Shapes of free text: what is kept, what is templated, and that nothing hostile gets through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.shapes import (
    SHAPE_LIMIT,
    command_shape,
    file_shape,
    host_template,
    process_name,
    resource_shape,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ENCODED = "SQBFAFgAKABOAGUAdwAtAE8AYgBqAGUAYwB0AA=="
SHAPES = (process_name, command_shape, file_shape, host_template, resource_shape)
PIECES = [
    "\\", "/", "//", "\\\\?\\", "?", "-", "--x", "/c ", "cmd ", "bash -c ", "sudo ", "rundll32 ",
    "net user ", ".", "*", "#", "arn:aws:s3:::", "://", "hklm\\", "hku\\", "\\registry\\", "c:", "users/",
    "s-1-5-21-1-2", "1234", "{12345678-1234-1234-1234-123456789abc}", "8f3a2c", "a8kd93jx2", " ", "'",
    '"', "\0", "\u202e", "\u0301", "İ", "%windir%\\", ":", ".tmp", "passwd", "desktop-", "=", ",",
    " (deleted)", "[", "]", "kworker/", "\ud800",
]  # fmt: skip
HOSTILE = st.one_of(
    st.text(max_size=80),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=30).map("".join),
    st.sampled_from(PIECES).map(lambda piece: piece * 3000),
)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("C:\\Windows\\System32\\svchost.exe", "svchost.exe"),
        ("C:/Windows/System32/RUNDLL32.EXE", "rundll32.exe"),
        ('"C:\\Program Files\\App\\app.exe"', "app.exe"),
        ("\\Device\\HarddiskVolume3\\Windows\\explorer.exe", "explorer.exe"),
        ("/usr/bin/python3.11", "python3.11"),
        ("/opt/dropper (deleted)", "dropper"),
        ("C:\\Temp\\Setup_8f3a2c.tmp", "setup_*.tmp"),
        ("MSI8F3A.tmp", "msi*.tmp"),
        ("update20240131.exe", "update*.exe"),
        ("chrome_120.0.6099.109.exe", "chrome_*.exe"),
        ("{8F3A2C11-0000-4000-8000-00000000ABCD}.exe", "*.exe"),
        ("a8kd93jx2.exe", "*.exe"),
        ("sysmon64.exe", "sysmon64.exe"),
        ("7z.exe", "7z.exe"),
        ("kworker/1:2", "kworker"),
        ("[kworker/u8:0-events]", "kworker"),
        ("jbd2/sda1-8", "jbd2"),
        ("System", "System"),
        ("/usr/bin/X11/Xorg", "Xorg"),
        ("-", ""),
        ("<unknown process>", ""),
        ("", ""),
    ],
)
def test_a_process_is_known_by_its_program_name(path: str, name: str) -> None:
    assert process_name(path) == name
    assert process_name(name) == name


def test_a_long_program_name_keeps_its_extension() -> None:
    name = process_name("C:\\x\\" + "verylong" * 40 + ".exe")
    assert len(name) <= SHAPE_LIMIT
    assert name.endswith("*.exe")


@pytest.mark.parametrize(
    ("command", "shape"),
    [
        (f"powershell.exe -NoP -W Hidden -EncodedCommand {ENCODED}", "powershell.exe -nop -w -enc base64"),
        (f"powershell.exe -nopr -win hidden -e {ENCODED}", "powershell.exe -nop -w -enc base64"),
        ("powershell -ExecutionPolicy Bypass -File C:\\x\\a.ps1", "powershell -ep -f path"),
        ("net.exe user mallory Passw0rd! /add", "net.exe user /add"),
        ("net user /domain:corp.example", "net user /domain"),
        ("git push origin main", "git push"),
        ("sc create evil binPath= C:\\x.exe", "sc create path"),
        ("systemctl restart sshd", "systemctl restart"),
        ("sudo systemctl restart sshd", "sudo systemctl restart"),
        ("aws s3 cp s3://bucket/key .", "aws s3 cp url"),
        ("wmic process call create calc", "wmic process call"),
        ("python3 -m http.server 8000", "python3 -m http.server num"),
        ('cmd.exe /c "whoami /all"', "cmd.exe /c whoami /all"),
        ("cmd /C powershell -ep bypass", "cmd /c powershell -ep"),
        ("bash -c 'curl http://192.0.2.1/x'", "bash -c curl url"),
        ("ls -la /etc/passwd", "ls -la path"),
        ("kill -9 4711", "kill -# num"),
        ("ping -n 1 192.0.2.7", "ping -n num ip"),
        ("ssh -R 8080:localhost:80 alice@fs-01", "ssh -R"),
        ("mysql -uroot -psecret", "mysql -u* -p*"),
        ("copy C:\\a.txt \\\\fs-01\\share", "copy path unc"),
        ('"C:\\Program Files\\App\\chrome.exe" --type=renderer --lang=en', "chrome.exe --type --lang"),
        ("C:\\Program Files\\My App\\app.exe /s /v:1", "app.exe /s /v"),
        (
            "rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump 624 C:\\x.dmp full",
            "rundll32.exe comsvcs.dll num path",
        ),
        ("msiexec /x {8F3A2C11-0000-4000-8000-00000000ABCD}", "msiexec /x guid"),
        ("C:\\Windows\\system32\\svchost.exe -k netsvcs -p -s Schedule", "svchost.exe -k -p -s"),
        ("notepad.exe", "notepad.exe"),
        ("", ""),
        ("   ", ""),
        ('"', ""),
    ],
)
def test_a_command_is_reduced_to_program_options_and_kinds(command: str, shape: str) -> None:
    assert command_shape(command) == shape


def test_a_command_keeps_at_most_eight_items() -> None:
    options = " ".join(f"--{letter * 3}" for letter in "abcdefghijkl")
    assert len(command_shape(f"tool {options}").split()) == 9


def test_a_password_in_an_argument_never_appears() -> None:
    for command in (
        "net use x: /user:bob Hunter2!",
        "curl -u bob:Hunter2! http://x/",
        "psexec -p Hunter2! cmd",
        "tool --password=Hunter2!",
    ):
        assert "unter2" not in command_shape(command)


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("C:\\Users\\bob\\AppData\\Local\\Temp\\x1.exe", "c:/users/*/appdata/*.exe"),
        ("C:\\Users\\Public\\x.bat", "c:/users/public/*.bat"),
        ("\\Device\\HarddiskVolume3\\Windows\\System32\\x.dll", "c:/windows/system32/*.dll"),
        ("\\\\?\\C:\\data\\y.txt", "c:/data/*.txt"),
        ("\\??\\C:\\Windows\\x.sys", "c:/windows/*.sys"),
        ("\\SystemRoot\\System32\\drivers\\x.sys", "c:/windows/system32/drivers/*.sys"),
        ("%windir%\\x.exe", "c:/windows/*.exe"),
        ("C:\\Windows\\WinSxS\\10.0.19041.1\\x.dll", "c:/windows/winsxs/*/*.dll"),
        ("C:\\a.txt:Zone.Identifier", "c:/*.txt:*"),
        ("C:\\Windows\\", "c:/windows/"),
        ("\\\\FS-01\\Finance\\q1.xlsx", "//fs-01/finance/*.xlsx"),
        ("\\\\?\\UNC\\fs-01\\finance\\2024\\q1.xlsx", "//fs-01/finance/*/*.xlsx"),
        ("\\\\*\\IPC$", "//*/ipc$/"),
        ("\\\\.\\pipe\\lsass", "pipe/lsass"),
        ("/home/alice/.ssh/id_rsa", "/home/*/.ssh/id_rsa"),
        ("/etc/passwd", "/etc/passwd"),
        ("/etc/nginx/nginx.conf", "/etc/nginx/*.conf"),
        ("/proc/4711/maps", "/proc/*/*"),
        ("/", "/"),
        ("report.docx", "*.docx"),
        (
            "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run\\Updater",
            "hklm/software/microsoft/windows/currentversion/run",
        ),
        (
            "HKEY_LOCAL_MACHINE\\SYSTEM\\ControlSet001\\Services\\x\\ImagePath",
            "hklm/system/currentcontrolset/services/x/imagepath",
        ),
        ("\\REGISTRY\\USER\\S-1-5-21-1-2-3-1001\\Software\\x", "hku/*/software/x"),
        (
            "HKU\\S-1-5-21-1-2-3-1001\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\x",
            "hku/*/software/microsoft/windows/currentversion/run",
        ),
        (
            "HKCR\\CLSID\\{8F3A2C11-0000-4000-8000-00000000ABCD}\\InprocServer32",
            "hkcr/clsid/*/inprocserver32",
        ),
        ("-", ""),
        ("", ""),
    ],
)
def test_a_path_is_reduced_to_leading_folders_and_extension(path: str, shape: str) -> None:
    assert file_shape(path) == shape
    assert file_shape(shape) == shape


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("WS-0231.corp.example", "ws-#"),
        ("dc01", "dc#"),
        ("i-0abc12de34f56789a", "i-*"),
        ("ip-10-0-0-1.ec2.internal", "ip-#-#-#-#"),
        ("DESKTOP-4F7K2Q1", "desktop-*"),
        ("192.0.2.7", "ip"),
        ("fileserver", "fileserver"),
        ("-", ""),
    ],
)
def test_hosts_of_one_kind_have_one_template(name: str, template: str) -> None:
    assert host_template(name) == template


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("arn:aws:ec2:eu-west-1:123456789012:instance/i-0abc12de34f56789a", "ec2:instance/i-*"),
        ("arn:aws:iam::123456789012:role/Admin", "iam:role/admin"),
        ("arn:aws:s3:::backups/2024/01/31/db/dump.sql", "s3:backups/*/*/*"),
        (
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf",
            "secretsmanager:secret:prod/db-*",
        ),
        ("https://api.example/v1/users/4711?token=secret", "https://api.example/v1/users/*"),
        ("CDPUserSvc_3a2f1", "cdpusersvc_*"),
        (
            "\\Microsoft\\Windows\\UpdateOrchestrator\\Schedule Scan",
            "/microsoft/windows/updateorchestrator/schedule scan",
        ),
        ("\\OneDrive Reporting Task-S-1-5-21-1-2-3-1001", "/onedrive reporting task-*"),
        ("customer-exports", "customer-exports"),
        ("(null)", ""),
        ("", ""),
    ],
)
def test_a_resource_keeps_its_type_and_leading_part(name: str, shape: str) -> None:
    assert resource_shape(name) == shape
    assert resource_shape(shape) == shape


@settings(max_examples=300, deadline=None)
@given(HOSTILE)
def test_shapes_are_total_bounded_and_printable(text: str) -> None:
    for shape in SHAPES:
        value = shape(text)
        assert len(value) <= SHAPE_LIMIT
        assert value.isprintable()
        assert shape(text) == value


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "piece", ["a1", "\\", "/", '"', "'", "- ", "a.", "{", "1.", "sudo ", "cmd /c ", "-a_"]
)
def test_huge_repetitive_text_is_handled_in_bounded_time(shape: Callable[[str], str], piece: str) -> None:
    assert len(shape(piece * 200_000)) <= SHAPE_LIMIT


def test_one_habit_is_one_value_for_every_user() -> None:
    assert (
        len({file_shape(f"C:\\Users\\{name}\\Downloads\\{name}.pdf") for name in ("alice", "bob", "carol")})
        == 1
    )
